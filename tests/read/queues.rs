//! What killed processes have left in their queues, read and recovered from the command line.

// Elsewhere a queue may lie in memory.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use common::{
    arguments, assert_each_once, family_lines, hear, hold, lines, queues_in, say, scratch,
    wait_until, Child, Scratch,
};
use tracing_fallback_file::{FileAppender, Merge};
use tracing_subscriber::fmt::MakeWriter;

const FLUSH: Duration = Duration::from_secs(100);

fn run(arguments: &[&str], log: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fallback-log"));
    command.args(arguments).arg(log).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn queues(scratch: &Scratch) -> Vec<PathBuf> {
    queues_in(scratch.dir.path())
}

fn record(name: &str, n: u32) -> String {
    format!("2026-11-23T07:55:{:02}Z INFO {name} {n}", 2 * n)
}

/// A child that has three records in its queue, as the log is locked; and its queue.
fn start(scratch: &Scratch, name: &str) -> (Child, PathBuf) {
    start_in(scratch.dir.path(), scratch, name)
}

/// The same with its queue in a directory.
fn start_in(directory: &Path, scratch: &Scratch, name: &str) -> (Child, PathBuf) {
    let before = match directory.exists() {
        true => queues_in(directory),
        false => Vec::new(),
    };
    let log = scratch.log.to_str().unwrap();
    let arguments = [log, name, directory.to_str().unwrap()];
    let mut child = Child::start("queues::queues_three_records", &arguments);
    child.expect("queued");
    let mut new = queues_in(directory);
    new.retain(|queue| !before.contains(queue));
    assert_eq!(new.len(), 1);
    (child, new.remove(0))
}

#[test]
#[ignore = "a child"]
fn queues_three_records() {
    let Some(arguments) = arguments() else {
        return;
    };
    common::abort_when_stuck();
    let builder = FileAppender::builder().max_variants(0);
    let builder = builder.queue_dir(&arguments[2]);
    let appender = builder.build(&arguments[0]).unwrap();
    let (writer, guard) = appender.non_blocking();
    for n in 1..=3 {
        let record = record(&arguments[1], n) + "\n";
        writer.make_writer().write_all(record.as_bytes()).unwrap();
    }
    say("queued");
    hear();
    guard.shutdown(FLUSH).unwrap();
}

/// What has the name of a queue and is none.
fn put_hostile_queues(scratch: &Scratch) -> Vec<PathBuf> {
    let paths = [1, 2, 3].map(|n| scratch.path(&format!(".app.log.{n}-a.queue")));
    // A header that promises two segments of 1 GiB each.
    let mut header = b"tffqueue".to_vec();
    header.extend(1_u64.to_le_bytes());
    header.extend((1_u64 << 30).to_le_bytes());
    header.resize(16_384, 0xff);
    fs::write(&paths[0], header).unwrap();
    symlink("/etc/passwd", &paths[1]).unwrap();
    let made = Command::new("mkfifo").arg(&paths[2]).status().unwrap();
    assert!(made.success());
    paths.to_vec()
}

fn merged(log: &Path) -> Vec<(String, PathBuf)> {
    let records = Merge::open(log).unwrap().map(|record| {
        let record = record.unwrap();
        let line = text(record.bytes());
        (line.trim_end().to_owned(), record.path().to_owned())
    });
    records.collect()
}

#[test]
fn what_a_killed_process_has_queued_is_listed_read_and_recovered_once() {
    let scratch = scratch();
    let between = "2026-11-23T07:55:03Z INFO in the file";
    fs::write(&scratch.log, format!("{between}\n")).unwrap();
    let hostile = put_hostile_queues(&scratch);
    let held = hold(&scratch.log);
    // The one that lives has begun first: it would try to recover the other's queue, and have that
    // locked now and then.
    let (live, live_queue) = start(&scratch, "live");
    let (dead, orphan) = start(&scratch, "dead");
    dead.kill();
    let queued = |n| (record("dead", n), orphan.clone());

    // Reading changes nothing: the second time there is the same.
    for _ in 0..2 {
        let in_file = (between.to_owned(), scratch.log.clone());
        let expected = [queued(1), in_file, queued(2), queued(3)];
        assert_eq!(merged(&scratch.log), expected);
        let list = run(&["--list", "--utc"], &scratch.log);
        let table = text(&list.stdout);
        let rows: Vec<&str> = table.lines().skip(1).collect();
        assert_eq!(rows.len(), 2, "{table}");
        assert!(rows[0].starts_with("app.log "), "{table}");
        let name = orphan.file_name().unwrap().to_str().unwrap();
        let row = rows[1].strip_prefix(name).expect(&table);
        assert!(row.ends_with(" no  orphaned queue, 3 records"), "{table}");
        assert!(
            row.contains("07:55:02") && row.contains("07:55:06"),
            "{table}"
        );
        let complaints = text(&list.stderr);
        assert_eq!(complaints.lines().count(), 1, "{complaints}");
        assert!(complaints.contains(".app.log.1-a.queue: "), "{complaints}");
        assert!(list.status.success());
    }
    for (arguments, expected) in [
        (&["-n", "2"][..], &[2, 3][..]),
        (&["-r", "-n", "2"], &[3, 2]),
        (&["--since", "2026-11-23T07:55:04Z"], &[2, 3]),
        (&["--until", "2026-11-23T07:55:02Z"], &[1]),
        (&["--grep", "dead 2"], &[2]),
    ] {
        let expected: String = expected.iter().map(|n| record("dead", *n) + "\n").collect();
        let shown = text(&run(arguments, &scratch.log).stdout);
        assert_eq!(shown, expected, "{arguments:?}");
    }
    let json = run(&["--list", "--output", "json"], &scratch.log);
    let last = text(&json.stdout).lines().last().unwrap().to_owned();
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["queued"], 3);
    assert_eq!(last["file"], orphan.to_str().unwrap());

    // The primary is still locked, so they come into a variant.
    let recovered = run(&["--recover"], &scratch.log);
    let expected = format!("{}: 3 records from 1 queue\n", scratch.log.display());
    assert_eq!(text(&recovered.stdout), expected);
    assert!(recovered.status.success());
    let records: Vec<String> = (1..=3).map(|n| record("dead", n)).collect();
    assert_eq!(lines(&scratch.variant(1)), records);
    let mut left = hostile.clone();
    left.push(live_queue);
    left.sort();
    assert_eq!(queues(&scratch), left);
    assert_eq!(merged(&scratch.log).len(), 4);

    let again = run(&["--recover"], &scratch.log);
    assert_eq!(
        (again.status.code(), text(&again.stdout)),
        (Some(1), String::new())
    );
    assert_eq!(lines(&scratch.variant(1)), records);

    drop(held);
    live.end();
    let of_live = (1..=3).map(|n| record("live", n));
    let expected = records.into_iter().chain(of_live);
    assert_each_once(&scratch.log, expected.chain([between.to_owned()]));
    assert_eq!(queues(&scratch), hostile);
}

#[test]
fn queues_in_another_directory_are_found_where_that_is_named() {
    let scratch = scratch();
    let directory = scratch.path("queues");
    let name = directory.to_str().unwrap();
    let held = hold(&scratch.log);
    let (dead, orphan) = start_in(&directory, &scratch, "dead");
    dead.kill();
    drop(held);
    assert_eq!(merged(&scratch.log), []);
    let read = Merge::builder().queue_dir(&directory).open(&scratch.log);
    let read: Vec<_> = read.unwrap().map(|record| record.unwrap()).collect();
    assert_eq!(read.len(), 3);
    assert_eq!(read[0].path(), orphan);
    let shown = run(&["--queue-dir", name], &scratch.log);
    assert_eq!(text(&shown.stdout).lines().count(), 3);
    let rows = |arguments: &[&str]| {
        let list = run(arguments, &scratch.log);
        text(&list.stdout).matches("orphaned queue, 3 rec").count()
    };
    assert_eq!(rows(&["--list"]), 0);
    assert_eq!(rows(&["--list", "--queue-dir", name]), 1);
    // However the log's own directory is named, its queues are there once.
    let (dead, _) = {
        let _held = hold(&scratch.log);
        start(&scratch, "dead")
    };
    dead.kill();
    assert_eq!(rows(&["--list"]), 1);
    let own = scratch.dir.path().join("queues/..");
    assert_eq!(rows(&["--list", "--queue-dir", own.to_str().unwrap()]), 1);
    assert!(run(&["--recover"], &scratch.log).status.success());
    assert_eq!(run(&["--recover"], &scratch.log).status.code(), Some(1));
    let recovered = run(&["--recover", "--queue-dir", name], &scratch.log);
    let expected = format!("{}: 3 records from 1 queue\n", scratch.log.display());
    assert_eq!(text(&recovered.stdout), expected);
    assert_eq!(lines(&scratch.log).len(), 6);
    assert!(queues_in(&directory).is_empty());
}

#[test]
fn a_log_that_is_only_a_queue_is_a_log() {
    let scratch = scratch();
    let held = hold(&scratch.log);
    let (dead, _) = start(&scratch, "dead");
    dead.kill();
    drop(held);
    fs::remove_file(&scratch.log).unwrap();
    assert_eq!(merged(&scratch.log).len(), 3);
    // A process that another test is just starting may still have a copy of the handle with the lock.
    let mut latest = None;
    wait_until(|| {
        latest = Merge::builder().newest_first(true).open(&scratch.log).ok();
        latest.is_some()
    });
    let mut latest = latest.unwrap();
    let latest = latest.next().unwrap().unwrap();
    assert_eq!(text(latest.bytes()).trim_end(), record("dead", 3));
    assert!(run(&["--list"], &scratch.log).status.success());
    assert!(!scratch.log.exists());
    wait_until(|| run(&["--recover"], &scratch.log).status.success());
    assert_eq!(family_lines(&scratch.log).len(), 3);
    assert!(queues(&scratch).is_empty());
}

#[test]
fn what_is_no_log_is_not_recovered() {
    let scratch = scratch();
    let output = run(&["--recover"], &scratch.log);
    assert_eq!(output.status.code(), Some(2));
    let expected = format!(
        "fallback-log: {}: there is no such log\n",
        scratch.log.display()
    );
    assert_eq!(text(&output.stderr), expected);
    assert!(!scratch.log.exists());
}
