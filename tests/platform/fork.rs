//! A process that forks without `exec`, at any instant.
#![cfg(unix)]

use crate::common;

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{arguments, child_command, forked, lines, say, scratch, wrapped, write, Child};
use tracing_fallback_file::{FileAppender, Merge};
use tracing_subscriber::fmt::MakeWriter;

#[test]
fn what_a_writer_has_gathered_is_the_parent_s() {
    let scratch = scratch();
    Child::run("fork::forks_with_gathered_records", &scratch.log);
    let mut found = lines(&scratch.log);
    found.sort_unstable();
    let expected = [
        "a batch of the child",
        "a batch of the parent",
        "in pieces, of the child",
        "in pieces, of the parent",
    ];
    assert_eq!(found, expected);
}

#[test]
#[ignore = "a child of the others"]
fn forks_with_gathered_records() {
    let Some(arguments) = arguments() else { return };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    let mut writer = appender.make_writer();
    let mut batch = appender.batch_writer();
    writer.write_all(b"in pieces, ").unwrap();
    batch.write_all(b"a batch of the parent\n").unwrap();
    let (mut writer, mut batch) = (Some(writer), Some(batch));
    forked(|| {
        drop(writer.take());
        let mut batch = batch.take().unwrap();
        batch.write_all(b"a batch of the child\n").unwrap();
        drop(batch);
        write!(appender.make_writer(), "in pieces, of the child").unwrap();
    })
    .end();
    writer.unwrap().write_all(b"of the parent\n").unwrap();
}

/// A commit that takes long, in a child, is no sign of a thread that was not forked along.
#[test]
fn a_slow_commit_in_a_child_is_waited_for() {
    let strace = Command::new("strace").arg("-V").output();
    if !strace.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: there is no strace here");
        return;
    }
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let child = child_command("fork::forks_and_commits_slowly", &[log]);
    // The lock is held for 400 ms.
    let mut strace = vec!["strace", "-f", "-qq", "-o", "/dev/null", "-P", log];
    strace.extend(["-e", "trace=write", "-e"]);
    strace.push("inject=write:delay_enter=400000");
    let mut child = Child::from_command(&mut wrapped(&strace, &child));
    child.expect("0 switches");
    child.end();
    assert_eq!(lines(&scratch.log).len(), 4);
}

#[test]
#[ignore = "a child of the others"]
fn forks_and_commits_slowly() {
    let Some(arguments) = arguments() else { return };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    write(&appender, "of the parent");
    forked(|| {
        thread::scope(|scope| {
            for thread in 0..3 {
                let appender = &appender;
                scope.spawn(move || write(appender, &format!("of thread {thread}")));
            }
        });
        say(&format!("{} switches", appender.stats().switches));
    })
    .end();
}

/// The parent's threads build appenders, switch, log and drop all the time; each child does the same
/// once.
#[test]
fn a_child_forked_at_any_instant_logs_switches_and_builds() {
    let scratch = scratch();
    Child::run("fork::forks_while_threads_do_everything", &scratch.log);
}

#[test]
#[ignore = "a child of the others"]
fn forks_while_threads_do_everything() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let held = common::hold(log);
    let appender = build(log);
    let busy = AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    write(&build(log), "of a new appender");
                    write(&appender, "of the shared one");
                }
            });
        }
        for _ in 0..500 {
            forked(|| {
                write(&appender, "of the child");
                write(&build(log), "of the child");
                assert_eq!(appender.stats().pending, 0);
            })
            .end();
        }
        busy.store(false, Ordering::Relaxed);
    });
    drop(held);
}

fn build(log: &Path) -> FileAppender {
    FileAppender::builder()
        .lock_wait(Duration::ZERO)
        .on_switch(|_| ())
        .build(log)
        .unwrap()
}

/// A second thread reads a large log: in a child it is gone, whatever it was doing.
#[test]
fn a_stream_is_the_parent_s() {
    const RECORDS: usize = 400_000;
    let scratch = scratch();
    // Of twenty files two are read at once, and the others wait.
    let mut files = vec![String::new(); 20];
    for n in 0..RECORDS {
        let (second, micros) = (n / 10_000, n % 10_000 * 100);
        let file = &mut files[n / (RECORDS / 10) * 2 + n % 2];
        writeln!(file, "2026-11-23T07:55:{second:02}.{micros:06}Z  INFO {n}").unwrap();
    }
    fs::write(&scratch.log, "").unwrap();
    for (n, text) in (1..).zip(files) {
        fs::write(scratch.variant(n), text).unwrap();
    }
    let mut stream = Some(Merge::open(&scratch.log).unwrap());
    let mut read = 0;
    for turn in 0..40 {
        read += stream
            .iter_mut()
            .flatten()
            .take(5_000)
            .map(Result::unwrap)
            .count();
        forked(|| {
            let inherited = stream.take().unwrap();
            if turn % 2 == 0 {
                let kinds = inherited.map(|record| record.map_err(|error| error.kind()).err());
                let kinds: Vec<_> = kinds.collect();
                assert_eq!(kinds, [Some(ErrorKind::Unsupported)]);
            }
        })
        .end();
    }
    read += stream.unwrap().map(Result::unwrap).count();
    assert_eq!(read, RECORDS);
}
