//! What one uncontended record costs: system calls and allocations. And what a queue costs, used and
//! idle.

// On Windows the library makes the system's spelling of a path on the heap.
#![cfg(unix)]

mod common;

use std::io::Write;

use common::{scratch, write};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::fmt::MakeWriter;

#[test]
fn a_record_allocates_nothing_once_warm() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "warm");
    let count = allocation_counter::measure(|| {
        for _ in 0..100 {
            appender.make_writer().write_all(b"a record\n").unwrap();
        }
    });
    assert_eq!(count.count_total, 0);
    assert_eq!(appender.stats().written, 101);
}

/// The system calls of three records, once warm; `None`, said, without strace.
#[cfg(target_os = "linux")]
fn system_calls(options: &str) -> Option<Vec<String>> {
    use std::process::Command;

    use common::{child_command, Child};

    let strace = Command::new("strace").arg("-V").output();
    if !strace.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED, there is no strace here: {options}");
        return None;
    }
    let scratch = scratch();
    let trace = scratch.path("trace");
    let arguments = [scratch.log.to_str().unwrap(), options];
    let child = child_command("writes_three_records", &arguments);
    let strace = ["strace", "-f", "-o", trace.to_str().unwrap()];
    let mut command = common::wrapped(&strace, &child);
    Child::from_command(&mut command).end();

    let trace = std::fs::read_to_string(trace).unwrap();
    let calls = trace
        .lines()
        .skip_while(|line| !line.contains("@ begin"))
        .skip(1)
        .take_while(|line| !line.contains("@ end"))
        // With debug assertions std asks whether a descriptor is open before it closes it.
        .filter(|line| !(cfg!(debug_assertions) && line.contains("F_GETFD")))
        .map(|line| {
            let call = line.split_whitespace().nth(1).unwrap();
            call.split('(').next().unwrap().to_owned()
        });
    Some(calls.collect())
}

#[cfg(target_os = "linux")]
#[test]
fn a_record_is_five_system_calls_and_what_options_add() {
    for (options, record) in [
        ("", &["openat", "flock", "write", "flock", "close"][..]),
        (
            "rotation",
            &["openat", "flock", "statx", "write", "flock", "close"],
        ),
        (
            "sync",
            &["openat", "flock", "write", "fdatasync", "flock", "close"],
        ),
        ("mode", &["openat", "flock", "write", "flock", "close"]),
    ] {
        if let Some(calls) = system_calls(options) {
            assert_eq!(calls, record.repeat(3), "{options}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a child of the others"]
fn writes_three_records() {
    use common::{arguments, say};
    use tracing_fallback_file::{unix::BuilderExt, Period, SyncPolicy};

    let Some(arguments) = arguments() else { return };
    let builder = FileAppender::builder();
    let builder = match arguments[1].as_str() {
        "rotation" => builder
            .max_file_size(1_000_000)
            .rotate_every(Period::Weekly),
        "sync" => builder.sync(SyncPolicy::EveryCommit),
        "mode" => builder.mode(0o600),
        _ => builder,
    };
    let appender = builder.build(&arguments[0]).unwrap();
    // The first one, into a new file, looks if there is room for it.
    write(&appender, "warm");
    say("begin");
    (0..3).for_each(|_| write(&appender, "a record"));
    say("end");
}

/// Records that are queued while the worker does not wait for them.
#[cfg(target_os = "linux")]
#[test]
fn a_call_that_finds_the_worker_awake_is_no_system_call() {
    let scratch = scratch();
    let trace = scratch.path("trace");
    let arguments = [scratch.log.to_str().unwrap()];
    let name = "queues_three_records";
    let Some(child) = common::trace::start(name, &arguments, &trace, &[]) else {
        return;
    };
    child.end();
    let calls = common::trace::between_words(&trace);
    let trace = std::fs::read_to_string(&trace).unwrap();
    let begin = trace.lines().find(|line| line.contains("@ begin")).unwrap();
    let thread = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    // A call that is resumed is one of these as well, or the word's own.
    let of_caller = |line: &&String| thread(line) == thread(begin) && !line.contains(" resumed>");
    let calls: Vec<_> = calls.iter().filter(of_caller).collect();
    assert!(calls.is_empty(), "{calls:?}");
    assert_eq!(common::lines(&scratch.log).len(), 4);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "a child of the others"]
fn queues_three_records() {
    use std::time::Duration;

    use common::{arguments, hold, say};

    let Some(arguments) = arguments() else { return };
    let path = std::path::Path::new(&arguments[0]);
    let builder = FileAppender::builder().max_variants(0).backlog_limit(0);
    let appender = builder.build(path).unwrap();
    let (writer, guard) = appender.non_blocking();
    let log = |record: &[u8]| writer.make_writer().write_all(record).unwrap();
    let held = hold(path);
    log(b"warm\n");
    // The worker tries to write it now, again and again.
    guard.flush(Duration::from_millis(50)).unwrap_err();
    say("begin");
    (0..3).for_each(|_| log(b"a record\n"));
    say("end");
    drop(held);
    guard.shutdown(Duration::from_secs(100)).unwrap();
}

/// How often a thread of this process has waited, and whether it waits now.
#[cfg(target_os = "linux")]
fn waits(thread: &str) -> Option<(u64, bool)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of_task = |task: std::path::PathBuf| {
        let status = std::fs::read_to_string(task.join("status")).ok()?;
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(value.trim().to_owned())
        };
        let waits = field("voluntary_ctxt_switches:")?.parse().ok()?;
        let is_it = field("Name:")? == thread;
        is_it.then_some((waits, field("State:")?.starts_with('S')))
    };
    tasks.flatten().find_map(|task| of_task(task.path()))
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_worker_does_not_wake_up() {
    use std::sync::mpsc;
    use std::time::Duration;

    // The control wakes up every millisecond until it is told to end.
    let (end, ended) = mpsc::channel::<()>();
    let control = std::thread::Builder::new().name("control".to_owned());
    let poll = move || {
        while ended.recv_timeout(Duration::from_millis(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
        }
    };
    let control = control.spawn(poll).unwrap();
    let wait_for_control = |times: u64| {
        let (before, _) = waits("control").unwrap();
        common::wait_until(|| waits("control").unwrap().0 >= before + times);
    };
    common::wait_until(|| waits("control").is_some());

    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let (writer, guard) = appender.non_blocking();
    // Lines in quick succession, after which it rests before it sleeps.
    for _ in 0..100 {
        writer.make_writer().write_all(b"a record\n").unwrap();
    }
    guard.flush(Duration::from_secs(100)).unwrap();
    let mut last = waits("fallback-writer").unwrap();
    common::wait_until(|| {
        wait_for_control(50);
        let before = std::mem::replace(&mut last, waits("fallback-writer").unwrap());
        last.1 && last == before
    });
    wait_for_control(500);
    assert_eq!(waits("fallback-writer").unwrap(), last);

    end.send(()).unwrap();
    control.join().unwrap();
    guard.shutdown(Duration::from_secs(100)).unwrap();
}
