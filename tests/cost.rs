//! What one uncontended record costs: system calls and allocations.

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
