//! A queue that is full while no file takes its records, and one without its thread.

use crate::common;

use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

use common::{arguments, hold, lines, queues_in, say, scratch, wait_until, Child, Scratch};
use tracing_fallback_file::{FileAppender, NonBlocking, QueuePlace};
use tracing_subscriber::fmt::MakeWriter;

/// A limit for what never comes.
const FLUSH: Duration = Duration::from_secs(100);

fn log(writer: &NonBlocking, record: &str) {
    let record = format!("{record}\n");
    writer.make_writer().write_all(record.as_bytes()).unwrap();
}

fn record(n: u64) -> String {
    format!("{n:099}")
}

/// Logs until a record is dropped, says how many were not, and waits to be killed.
#[test]
#[ignore = "a child of the others"]
fn fills_its_queue() {
    let Some(arguments) = arguments() else { return };
    let builder = FileAppender::builder()
        .max_variants(1)
        .queue_size(64 * 1024);
    let appender = builder.build(&arguments[0]).unwrap();
    let (writer, _guard) = appender.non_blocking();
    assert_eq!(appender.stats().queue, QueuePlace::File);
    say("ready");
    common::hear();
    let taken = (0..).take_while(|n| {
        log(&writer, &record(*n));
        appender.stats().dropped == 0
    });
    say(&taken.count().to_string());
    // It does not wait for each of these.
    (0..10_000).for_each(|n| log(&writer, &record(n)));
    say(&appender.stats().dropped.to_string());
    loop {
        std::thread::sleep(FLUSH);
    }
}

/// Fills the queue of a process, kills that, and looks for its records.
fn kill_with_a_full_queue(scratch: &Scratch, stop: impl FnOnce(), go_on: impl FnOnce()) {
    let errors = self::scratch();
    let log = scratch.log.to_str().unwrap();
    let mut command = common::child_command("full_queue::fills_its_queue", &[log]);
    let mut child = Child::from_command(command.stderr(File::create(&errors.log).unwrap()));
    child.expect("ready");
    stop();
    child.tell("go");
    let taken: u64 = child.hear().parse().unwrap();
    child.expect("10001");
    wait_until(|| {
        fs::read_to_string(&errors.log)
            .unwrap()
            .contains("dropped=")
    });
    child.kill();
    go_on();
    FileAppender::new(&scratch.log).unwrap();
    let expected: Vec<_> = (0..taken).map(record).collect();
    assert_eq!(common::family_lines(&scratch.log), expected);
    assert!(queues_in(scratch.dir.path()).is_empty());
}

#[test]
fn a_kill_takes_nothing_of_a_full_queue_while_every_file_is_locked() {
    if !cfg!(any(target_os = "linux", windows)) {
        return;
    }
    let scratch = scratch();
    let mut held = vec![hold(&scratch.log), hold(&scratch.path("app.001.log"))];
    kill_with_a_full_queue(&scratch, || (), || held.clear());
}

#[cfg(unix)]
#[test]
fn a_kill_takes_nothing_of_a_full_queue_on_a_full_disk() {
    let test = "a_kill_takes_nothing_of_a_full_queue_on_a_full_disk";
    let Some(disk) = common::SmallDisk::mount(test, 1024) else {
        return;
    };
    let filler = disk.0.path("filler");
    let fill = || {
        let mut filler = File::create(&filler).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    };
    kill_with_a_full_queue(&disk.0, fill, || fs::remove_file(&filler).unwrap());
}

#[test]
fn the_log_says_what_a_full_queue_has_dropped() {
    for lossy in [false, true] {
        let scratch = scratch();
        let builder = FileAppender::builder().queue_size(8192).lossy(lossy);
        let appender = builder.max_variants(0).build(&scratch.log).unwrap();
        let (writer, guard) = appender.non_blocking();
        let held = hold(&scratch.log);
        (0..1_000).for_each(|n| log(&writer, &record(n)));
        // Longer than a segment, it can't be queued behind the others.
        log(&writer, &"x".repeat(10_000));
        drop(held);
        guard.shutdown(FLUSH).unwrap();
        let dropped = appender.stats().dropped;
        let found = lines(&scratch.log);
        let is_gap = |line: &&String| line.contains("the queue was full");
        let missing = found.iter().filter(is_gap).map(|gap| {
            let (_, missing) = gap.split_once("missing=").unwrap();
            missing.parse::<u64>().unwrap()
        });
        assert!(dropped > 0 && missing.sum::<u64>() == dropped, "{lossy}");
        let records: Vec<_> = found.iter().filter(|line| !is_gap(line)).collect();
        assert_eq!(records.len() as u64 + dropped, 1_001, "{lossy}");
        assert_eq!(appender.stats().written, records.len() as u64);
        assert!(records.is_sorted(), "{lossy}");
        // None of those that were queued.
        let first_gap = found.iter().position(|line| is_gap(&line)).unwrap();
        let expected: Vec<_> = (0..first_gap as u64).map(record).collect();
        assert_eq!(found[..first_gap], expected, "{lossy}");
    }
}

#[test]
fn records_after_the_guard_are_queued_behind_those_that_no_file_takes() {
    let scratch = scratch();
    let builder = FileAppender::builder().max_variants(0);
    let appender = builder.build(&scratch.log).unwrap();
    let (writer, guard) = appender.non_blocking();
    let held = hold(&scratch.log);
    (0..50).for_each(|n| log(&writer, &record(n)));
    guard.shutdown(Duration::from_millis(50)).unwrap_err();
    (50..100).for_each(|n| log(&writer, &record(n)));
    drop(held);
    wait_until(|| queues_in(scratch.dir.path()).is_empty() && appender.stats().written == 100);
    log(&writer, &record(100));
    let expected: Vec<_> = (0..=100).map(record).collect();
    assert_eq!(lines(&scratch.log), expected);
    assert_eq!(appender.stats().dropped, 0);
}

/// Logs through a queue where no thread can be had.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "a child of the others"]
fn queues_without_threads() {
    let Some(arguments) = arguments() else { return };
    let appender = FileAppender::builder()
        .max_variants(0)
        .build(&arguments[0])
        .unwrap();
    let (writer, guard) = appender.non_blocking();
    assert_eq!(appender.stats().queue, QueuePlace::File);
    common::forbid_threads();
    if std::thread::Builder::new().spawn(|| ()).is_ok() {
        return say("threads");
    }
    (0..3).for_each(|n| log(&writer, &record(n)));
    say(&appender.stats().pending.to_string());
    common::hear();
    log(&writer, &record(3));
    guard.flush(FLUSH).unwrap();
    guard.shutdown(FLUSH).unwrap();
    log(&writer, &record(4));
    assert_eq!(appender.stats().written, 5);
    say("done");
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_thread_each_call_writes_its_record() {
    for is_locked in [false, true] {
        let scratch = scratch();
        let held = is_locked.then(|| hold(&scratch.log));
        let log = scratch.log.to_str().unwrap();
        let name = "full_queue::queues_without_threads";
        let mut child = Child::from_command(&mut common::as_nobody(name, &[log], &scratch));
        let pending = child.hear();
        if pending == "threads" {
            eprintln!("SKIPPED without_a_thread_each_call_writes_its_record: no limit here");
            return;
        }
        assert_eq!(pending, if is_locked { "3" } else { "0" });
        assert!(queues_in(scratch.dir.path()).is_empty());
        drop(held);
        child.tell("go");
        child.expect("done");
        child.end();
        let expected: Vec<_> = (0..5).map(record).collect();
        assert_eq!(lines(&scratch.log), expected);
    }
}
