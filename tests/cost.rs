//! What one uncontended record costs: system calls and allocations.

mod common;

use std::io::Write;

use common::{arguments, say, scratch, write};
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

#[cfg(target_os = "linux")]
#[test]
fn a_record_is_five_system_calls() {
    use std::process::Command;

    use common::{child_command, Child};

    if !Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        eprintln!("SKIPPED a_record_is_five_system_calls: there is no strace here");
        return;
    }
    let scratch = scratch();
    let trace = scratch.path("trace");
    let child = child_command("writes_three_records", &[scratch.log.to_str().unwrap()]);
    let strace = ["strace", "-f", "-o", trace.to_str().unwrap()];
    let mut command = common::wrapped(&strace, &child);
    Child::from_command(&mut command).end();

    let trace = std::fs::read_to_string(trace).unwrap();
    let calls: Vec<&str> = trace
        .lines()
        .skip_while(|line| !line.contains("@ begin"))
        .skip(1)
        .take_while(|line| !line.contains("@ end"))
        // With debug assertions std asks whether a descriptor is open before it closes it.
        .filter(|line| !(cfg!(debug_assertions) && line.contains("F_GETFD")))
        .map(|line| {
            let call = line.split_whitespace().nth(1).unwrap();
            call.split('(').next().unwrap()
        })
        .collect();
    assert_eq!(
        calls,
        ["openat", "flock", "write", "flock", "close"].repeat(3),
        "{trace}"
    );
}

#[test]
#[ignore = "a child of the others"]
fn writes_three_records() {
    let Some(arguments) = arguments() else { return };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    // The first one, into a new file, looks if there is room for it.
    write(&appender, "warm");
    say("begin");
    (0..3).for_each(|_| write(&appender, "a record"));
    say("end");
}
