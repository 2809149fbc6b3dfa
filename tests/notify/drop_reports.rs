//! Reports of dropped records on stderr.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::process::{setrlimit, Resource, Rlimit};
use tracing::info;
use tracing::subscriber::with_default;
use tracing_fallback_file::FileAppender;
use tracing_subscriber::{fmt, prelude::*, registry};

use crate::common::{self, arguments, hold, say, scratch, wait_until, write, Child};
use crate::text;

#[test]
#[ignore = "a child of the others"]
fn drops_records_under_a_bare_layer() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let file = common::with_backlog_limit(log, 0);
    registry()
        .with(fmt::layer().with_writer(file.clone()))
        .init();
    let _held = hold(log);
    let began = Instant::now();
    (0..100).for_each(|n| info!(n, "lost"));
    say(&file.stats().dropped.to_string());
    say(&began.elapsed().as_secs().to_string());
    // The report may come after its call.
    common::hear();
}

#[test]
fn dropped_records_are_mentioned_on_stderr() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let mut command =
        common::child_command("drop_reports::drops_records_under_a_bare_layer", &[log]);
    let mut child = Child::from_command(command.stderr(Stdio::piped()));
    let mut stderr = BufReader::new(child.stderr());
    child.expect("100");
    let seconds: usize = child.hear().parse().unwrap();
    let mut err = String::new();
    while !err.contains("dropped=") {
        assert!(stderr.read_line(&mut err).unwrap() > 0, "{err}");
    }
    child.end();
    stderr.read_to_string(&mut err).unwrap();
    let said: Vec<_> = err
        .lines()
        .filter(|line| line.contains("dropped="))
        .collect();
    assert!(
        said.len() <= seconds + 2,
        "at most one a second, in {seconds} s: {err}"
    );
    assert!(
        said[0].contains(log) && said[0].contains("dropped=1 "),
        "{err}"
    );
}

fn drops_everything(log: &Path) -> FileAppender {
    common::with_backlog_limit(log, 0)
}

#[test]
#[ignore = "a child of another one"]
fn drops_records_with_stderr_full() {
    let Some(arguments) = arguments() else { return };
    // It waits for a reader with the lock of stderr held.
    thread::spawn(|| loop {
        io::stderr().write_all(&[b'x'; 4096]).unwrap();
    });
    let has_room = || {
        let mut stderr = [PollFd::from_borrowed_fd(
            rustix::stdio::stderr(),
            PollFlags::OUT,
        )];
        poll(&mut stderr, Some(&Timespec::default())).unwrap() > 0
    };
    wait_until(|| !has_room());
    let log = Path::new(&arguments[0]);
    let file = drops_everything(log);
    let _held = hold(log);
    with_default(registry().with(file.attach(text(&file))), || {
        (0..100).for_each(|n| info!(n, "lost"));
    });
    say(&file.stats().dropped.to_string());
    drop(file);
    say("ends");
}

#[test]
fn a_stderr_that_nobody_reads_holds_nobody_up() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let mut command = common::child_command("drop_reports::drops_records_with_stderr_full", &[log]);
    let mut child = Child::from_command(command.stderr(Stdio::piped()));
    child.expect("100");
    child.expect("ends");
    child.end();
}

#[test]
#[ignore = "a child of another one"]
fn drops_records_without_threads() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let file = drops_everything(log);
    let _held = hold(log);
    let no_more = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    setrlimit(Resource::Nproc, no_more).unwrap();
    if thread::Builder::new().spawn(|| ()).is_ok() {
        return say("threads");
    }
    write(&file, "lost");
    write(&file, "lost");
    say("no threads");
}

#[test]
fn without_a_thread_the_call_reports() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let name = "drop_reports::drops_records_without_threads";
    let output = common::as_nobody(name, &[log], &scratch)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|t| String::from_utf8(t).unwrap());
    assert!(output.status.success(), "{out}{err}");
    if out.contains("@ threads") {
        eprintln!("SKIPPED without_a_thread_the_call_reports: the limit has no effect here");
        return;
    }
    assert!(out.contains("@ no threads"), "{out}{err}");
    assert!(
        err.contains("Records dropped") && err.contains(log),
        "{err}"
    );
}
