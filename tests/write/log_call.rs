//! What a log call does to its caller when no file takes the record.

use crate::common;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use common::{arguments, child_command, hold, say, scratch, Child};
use tracing_subscriber::fmt::MakeWriter;

#[test]
fn a_dropped_record_is_no_error_of_the_caller_s() {
    let scratch = scratch();
    let appender = common::with_backlog_limit(&scratch.log, 0);
    let _held = hold(&scratch.log);
    let mut writer = appender.make_writer();
    assert_eq!(writer.write(b"whole\n").unwrap(), 6);
    assert_eq!(writer.write(b"in ").unwrap(), 3);
    assert_eq!(writer.write(b"pieces\n").unwrap(), 7);
    assert_eq!(appender.stats().dropped, 2);
}

/// Logs under `fmt()`, which prints what a writer answers with an error.
#[test]
#[ignore = "a child of the others"]
fn logs_under_fmt() {
    let Some(arguments) = arguments() else { return };
    let events: u32 = arguments[1].parse().unwrap();
    common::abort_when_stuck();
    let appender = common::with_backlog_limit(&arguments[0], 0);
    tracing_subscriber::fmt()
        .with_writer(appender.clone())
        .init();
    let began = Instant::now();
    for n in 0..events {
        tracing::info!("{n} {}", "x".repeat(100));
    }
    let seconds = began.elapsed().as_secs();
    assert_eq!(appender.stats().dropped, u64::from(events));
    say(&seconds.to_string());
}

fn logs_under_fmt_to(log: &Path, events: u32, stderr: impl Into<Stdio>) -> Child {
    let events = events.to_string();
    let mut command = child_command(
        "log_call::logs_under_fmt",
        &[log.to_str().unwrap(), &events],
    );
    Child::from_command(command.stderr(stderr))
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_call_does_not_panic_where_stderr_is_on_a_full_disk() {
    let scratch = scratch();
    let _held = hold(&scratch.log);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut child = logs_under_fmt_to(&scratch.log, 100, full);
    child.hear();
    child.end();
}

#[test]
fn a_log_call_does_not_wait_for_a_reader_of_stderr() {
    let scratch = scratch();
    let _held = hold(&scratch.log);
    // Nobody reads it; it has room for 64 KiB, that is some hundred lines.
    let mut child = logs_under_fmt_to(&scratch.log, 3_000, Stdio::piped());
    child.hear();
    child.end();
}

#[test]
fn dropped_records_are_reported_once_a_second() {
    let scratch = scratch();
    let _held = hold(&scratch.log);
    let stderr = scratch.path("stderr");
    let mut child = logs_under_fmt_to(&scratch.log, 3_000, File::create(&stderr).unwrap());
    let seconds: usize = child.hear().parse().unwrap();
    child.end();
    let reports = std::fs::read_to_string(&stderr).unwrap();
    let reports = reports.lines().count();
    // One at once, one for each second that began, and one at the end.
    assert!((1..=seconds + 3).contains(&reports), "{reports}");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use tracing_fallback_file::FileAppender;

    use super::*;
    use crate::common::{family_lines, lines, write, Scratch, SmallDisk};

    /// Builds appenders with a backlog each on a full disk. Says how many threads try the backlogs
    /// and how often they write while nobody logs.
    #[test]
    #[ignore = "a child of the others"]
    fn idles_on_a_full_disk() {
        let Some(arguments) = arguments() else { return };
        let appenders: Vec<FileAppender> = (0..APPENDERS)
            .map(|n| {
                let appender =
                    FileAppender::new(Path::new(&arguments[0]).join(format!("{n}.log"))).unwrap();
                write(&appender, "there is room for this one");
                appender
            })
            .collect();
        say("full");
        common::hear();
        for appender in &appenders {
            write(appender, &"x".repeat(8_000));
            assert_eq!(appender.stats().pending, 1);
        }
        let before = write_calls();
        std::thread::sleep(Duration::from_secs(3));
        let calls = write_calls() - before;
        say(&format!("{} {calls}", threads_named("fallback-backl")));
        // The dropped ones are tried as well.
        drop(appenders);
        common::hear();
        common::wait_until(|| threads_named("fallback-backl") == 0);
        say("empty");
    }

    const APPENDERS: usize = 30;

    fn write_calls() -> u64 {
        let io = std::fs::read_to_string("/proc/self/io").unwrap();
        let calls = io.lines().find_map(|line| line.strip_prefix("syscw: "));
        calls.unwrap().parse().unwrap()
    }

    fn threads_named(name: &str) -> usize {
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter(|task| {
                let comm = task.as_ref().unwrap().path().join("comm");
                std::fs::read_to_string(comm).is_ok_and(|comm| comm.starts_with(name))
            })
            .count()
    }

    #[test]
    fn a_full_disk_is_tried_seldom_and_on_one_thread() {
        let Some(disk) = SmallDisk::mount("full disk", 512) else {
            return;
        };
        let dir = disk.0.dir.path();
        let mut child = Child::start(
            "log_call::linux::idles_on_a_full_disk",
            &[dir.to_str().unwrap()],
        );
        child.expect("full");
        let filler = dir.join("filler");
        let mut file = File::create(&filler).unwrap();
        while file.write(&[0; 4096]).is_ok_and(|n| n > 0) {}
        drop(file);
        child.tell("go");
        let figures = child.hear();
        let (threads, calls) = figures.split_once(' ').unwrap();
        assert_eq!(threads, "1");
        let calls: usize = calls.parse().unwrap();
        // After 0.1, 0.2, 0.4 s and so on: five times each in three seconds, with two writes each,
        // the first of which takes a part.
        assert!(calls <= APPENDERS * 2 * 6, "{calls} writes");
        std::fs::remove_file(&filler).unwrap();
        child.tell("room");
        child.expect("empty");
        child.end();
        for n in 0..APPENDERS {
            assert_eq!(family_lines(&dir.join(format!("{n}.log"))).len(), 2);
        }
    }

    /// Logs three records that no file takes where no thread can be had, and drops the appender.
    #[test]
    #[ignore = "a child of the others"]
    fn drops_an_appender_without_threads() {
        let Some(arguments) = arguments() else { return };
        let appender = common::without_variants(&arguments[0]);
        common::forbid_threads();
        for n in 0..3 {
            write(&appender, &n.to_string());
        }
        assert_eq!(appender.stats().pending, 3);
        say("pending");
        common::hear();
        drop(appender);
    }

    fn dropped_without_threads(stderr: &Path, is_freed: bool) -> Scratch {
        let scratch = scratch();
        let mut held = Some(hold(&scratch.log));
        let mut command = common::as_nobody(
            "log_call::linux::drops_an_appender_without_threads",
            &[scratch.log.to_str().unwrap()],
            &scratch,
        );
        let mut child = Child::from_command(command.stderr(File::create(stderr).unwrap()));
        child.expect("pending");
        if is_freed {
            held = None;
        }
        child.tell("go");
        child.end();
        drop(held);
        scratch
    }

    #[test]
    fn the_drop_writes_a_backlog_that_no_thread_could_write() {
        let stderr = scratch();
        let scratch = dropped_without_threads(&stderr.log, true);
        assert_eq!(lines(&scratch.log), ["0", "1", "2"]);
    }

    #[test]
    fn the_drop_reports_what_it_could_not_write() {
        let stderr = scratch();
        let scratch = dropped_without_threads(&stderr.log, false);
        assert!(lines(&scratch.log).is_empty());
        let said = std::fs::read_to_string(&stderr.log).unwrap();
        assert!(said.contains(" dropped=3 "), "{said}");
    }
}
