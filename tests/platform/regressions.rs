//! Faults of the write path that were found once, each with the instant or the machine that shows it.
#![cfg(target_os = "linux")]

use crate::common;

use common::*;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;
use tracing_fallback_file::{FileAppender, SyncPolicy};

/// A drop has no later turn in which to write what is left.
#[test]
fn drop_writes_all_of_a_large_backlog() {
    let err = scratch();
    let scratch = scratch();
    let held = hold(&scratch.log);
    let mut command = as_nobody(
        "regressions::drops_large",
        &[scratch.log.to_str().unwrap()],
        &scratch,
    );
    let mut child = Child::from_command(command.stderr(fs::File::create(&err.log).unwrap()));
    child.expect("pending");
    drop(held);
    child.tell("go");
    child.end();
    let said = fs::read_to_string(&err.log).unwrap();
    assert_eq!(family_lines(&scratch.log).len(), 25, "{said}");
}

#[test]
#[ignore = "a child of another one"]
fn drops_large() {
    let Some(arguments) = arguments() else { return };
    let appender = common::without_variants(&arguments[0]);
    common::forbid_threads();
    for _ in 0..25 {
        write(&appender, &"x".repeat(40_000));
    }
    assert_eq!(appender.stats().pending, 25);
    say("pending");
    hear();
    drop(appender);
}

/// An appender built in a forked child and one that it has inherited take turns.
#[test]
fn a_child_s_appenders_share_the_process_lock() {
    let scratch = scratch();
    let words = Child::run("regressions::forks_and_builds", &scratch.log);
    let out = fs::read_to_string(scratch.path("out")).unwrap();
    assert_eq!(
        out, "control 0 0, forked 0 0",
        "{words:?} (switches, lock retries)"
    );
}

#[test]
#[ignore = "a child of another one"]
fn forks_and_builds() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let build = |log: &Path| common::with_lock_wait(log, Duration::ZERO);
    let hammer = |a: &FileAppender, b: &FileAppender| {
        thread::scope(|s| {
            for x in [a, b] {
                s.spawn(move || {
                    for n in 0..20_000 {
                        write(x, &n.to_string());
                    }
                });
            }
        });
        let (a, b) = (a.stats(), b.stats());
        (a.switches + b.switches, a.lock_retries + b.lock_retries)
    };
    let c = log.with_file_name("control.log");
    let (s, r) = hammer(&build(&c), &build(&c));
    let inherited = build(log);
    write(&inherited, "parent");
    let child = forked(|| {
        let own = build(log);
        let (s2, r2) = hammer(&inherited, &own);
        let found = format!("control {s} {r}, forked {s2} {r2}");
        fs::write(log.with_file_name("out"), found).unwrap();
    });
    child.end();
}

/// Whole records in a piece that can't be taken back are written, and not written again.
#[test]
fn a_piece_of_a_batch_doubles_no_record() {
    let Some(disk) = SmallDisk::mount("piece", 128) else {
        return;
    };
    fs::write(&disk.0.log, "").unwrap();
    let attr = |c| {
        assert!(Command::new("chattr")
            .arg(c)
            .arg(&disk.0.log)
            .status()
            .unwrap()
            .success())
    };
    attr("+a");
    Child::run("regressions::fills_with_a_batch", &disk.0.log);
    attr("-a");
    let found = lines(&disk.0.log);
    let mut whole: Vec<_> = found.iter().filter(|l| l.len() == 500).collect();
    let n = whole.len();
    whole.sort();
    whole.dedup();
    assert_eq!((n, whole.len()), (100, 100), "whole records, distinct");
}

#[test]
#[ignore = "a child of another one"]
fn fills_with_a_batch() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let appender = FileAppender::new(log).unwrap();
    let filler = log.with_file_name("filler");
    fs::write(&filler, [0; 96 * 1024]).unwrap();
    let mut batch = appender.batch_writer();
    for n in 0..100 {
        writeln!(batch, "{n:0>500}").unwrap();
    }
    batch.flush().unwrap();
    fs::remove_file(&filler).unwrap();
    appender.flush(Duration::from_secs(10)).unwrap();
}

/// Behind another process's piece the first record of a batch is on no line of its own.
#[test]
fn without_a_lock_a_short_write_behind_a_piece_loses_no_record() {
    let test = "without_a_lock_a_short_write_behind_a_piece_loses_no_record";
    let Some(disk) = SmallDisk::mount(test, 128) else {
        return;
    };
    fs::write(&disk.0.log, "hal").unwrap();
    let scratch = scratch();
    let trace = scratch.path("trace");
    let log = disk.0.log.to_str().unwrap();
    let options = ["-e", "trace=flock,write"];
    let no_locks = ["-e", "inject=flock:error=ENOLCK"];
    let options = [options, no_locks].concat();
    let name = "regressions::fills_with_a_batch";
    let Some(child) = trace::start(name, &[log], &trace, &options) else {
        return;
    };
    child.end();
    let found = lines(&disk.0.log);
    for n in 0..100 {
        let record = format!("{n:0>500}");
        assert!(found.contains(&record), "{n}");
    }
    assert!(found[0].starts_with("hal0"), "{}", found[0]);
}

/// What is left of the line that stands for a record that is too large is no part of the next one.
#[test]
fn a_piece_of_a_note_counts_as_no_record() {
    let test = "a_piece_of_a_note_counts_as_no_record";
    let Some(disk) = SmallDisk::mount(test, 64) else {
        return;
    };
    let log = &disk.0.log;
    // The page has room for the first bytes of the note.
    fs::write(log, format!("{}\n", "x".repeat(4_096 - 21))).unwrap();
    let attribute = |change| {
        let status = Command::new("chattr").arg(change).arg(log).status();
        status.is_ok_and(|status| status.success())
    };
    if !attribute("+a") {
        eprintln!("SKIPPED {test}: there is no such attribute here");
        return;
    }
    let name = "regressions::notes_on_a_full_disk";
    let said = Child::start(name, &[log.to_str().unwrap()]).end();
    assert!(attribute("-a"));
    let found = lines(log);
    let gaps = found.iter().filter(|line| line.ends_with("missing=1"));
    assert_eq!(gaps.count(), 1, "{said:?}: {found:?}");
    assert_eq!(found.last().unwrap(), "second");
}

#[test]
#[ignore = "a child of another one"]
fn notes_on_a_full_disk() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let filler = log.with_file_name("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write(&[0; 4096]).is_ok_and(|n| n > 0) {}
    drop(file);
    let limit = Rlimit {
        current: Some(10_000),
        ..getrlimit(Resource::Fsize)
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    let appender = common::without_variants(log);
    write(&appender, &"x".repeat(20_000));
    write(&appender, "second");
    let stats = appender.stats();
    say(&format!("{} written", stats.written));
    assert_eq!((stats.written, stats.pending), (0, 2));
    fs::remove_file(&filler).unwrap();
    appender.flush(Duration::from_secs(10)).unwrap();
}

/// The name of a new file is synced although the commit that made the file failed.
#[test]
fn the_directory_is_synced_after_a_first_commit_that_failed() {
    let scratch = scratch();
    let trace = scratch.path("trace");
    fs::create_dir(scratch.path("logs")).unwrap();
    let log = scratch.path("logs/app.log");
    let options = [
        "-y",
        "-e",
        "trace=openat,fsync,fdatasync,ftruncate,unlink",
        "-e",
        "inject=fdatasync:error=EIO:when=1",
    ];
    let Some(child) = trace::start(
        "regressions::syncs_twice",
        &[log.to_str().unwrap()],
        &trace,
        &options,
    ) else {
        return;
    };
    child.end();
    let calls = fs::read_to_string(&trace).unwrap();
    let made = calls
        .lines()
        .filter(|l| l.contains("app.log") && l.contains("O_EXCL"))
        .count();
    let dirs = calls
        .lines()
        .filter(|l| l.contains(" fsync(") && l.contains("/logs>"))
        .count();
    assert_eq!(fs::read_to_string(&log).unwrap(), "one\n");
    assert!(
        made == 1 && dirs >= 1,
        "made {made} dir syncs {dirs}\n{}",
        calls
            .lines()
            .filter(|l| l.contains("logs"))
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
#[ignore = "a child of another one"]
fn syncs_twice() {
    let Some(arguments) = arguments() else { return };
    let appender = FileAppender::builder()
        .sync(SyncPolicy::EveryCommit)
        .build(&arguments[0])
        .unwrap();
    write(&appender, "one");
    appender.flush(Duration::from_secs(10)).unwrap();
}

/// What a program without locks has written between two parts of a record is not cut off.
#[test]
fn a_foreign_line_between_two_parts_stays() {
    let scratch = scratch();
    let library = scratch.path("gap.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/platform/gap.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-ldl", source, "-o"]);
    if !compiler.arg(&library).status().is_ok_and(|s| s.success()) {
        eprintln!("SKIPPED: there is no C compiler here");
        return;
    }
    let mut command = child_command(
        "regressions::writes_victim",
        &[scratch.log.to_str().unwrap()],
    );
    command.env("LD_PRELOAD", &library);
    Child::from_command(&mut command).end();
    let text = fs::read_to_string(&scratch.log).unwrap();
    assert!(
        text.contains("FOREIGN LINE OF A PROGRAM WITHOUT LOCKS\n"),
        "{text:?}"
    );
}

#[test]
#[ignore = "a child of another one"]
fn writes_victim() {
    let Some(arguments) = arguments() else { return };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    write(&appender, "first");
    write(&appender, &format!("VICTIM{}", "v".repeat(200)));
    appender.flush(Duration::from_secs(10)).unwrap();
}

/// A record of the program that quotes a notice is a record like any other.
#[test]
fn a_record_that_quotes_a_notice_delays_none() {
    let scratch = scratch();
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let appender = FileAppender::builder()
        .on_switch(move |s| tell.lock().unwrap().send(s.clone()).unwrap())
        .build(&scratch.log)
        .unwrap();
    let _held = hold(&scratch.log);
    write(&appender, "the other log says: Old log not removed: x");
    assert_eq!(appender.stats().switches, 1);
    assert!(told.recv_timeout(Duration::from_secs(2)).is_ok());
}
