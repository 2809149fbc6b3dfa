//! On a terminal, interrupted, and with little memory.

#![cfg(target_os = "linux")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use super::{shell, small, Follower, JSON, TEXT};
use crate::common::{self, scratch};

/// A line that a program of little memory can't hold.
#[test]
fn a_line_without_end_does_not_end_the_command() {
    let scratch = small();
    let sparse = fs::File::create(scratch.variant(2)).unwrap();
    sparse.set_len(1 << 26).unwrap();
    let zipped = scratch.path("app.2026-11-23T07-40-01Z.log.gz");
    fs::write(zipped, common::gzip(vec![0; 1 << 26])).unwrap();
    for arguments in [
        "",
        "-n 10000000",
        "-n 3",
        "--grep nothing",
        "-r",
        "--output text",
    ] {
        let script = format!("ulimit -v 150000; $FL {arguments} app.log | tail -c 1 | wc -c");
        let output = shell(&script, scratch.dir.path());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            told.lines().all(|line| line.contains("no time is known")),
            "{arguments}: {told}"
        );
    }
    let output = shell("$FL app.log | wc -c", scratch.dir.path());
    let length: usize = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    // Each piece ends with a newline of its own.
    let bytes = (1 << 27) + JSON.len() + TEXT.len();
    assert!((bytes..bytes + 1_000).contains(&length), "{length}");
}

/// On a terminal: the last ten first, each record when it is found, nothing that harms it.
#[test]
fn on_a_terminal() {
    let scratch = scratch();
    let record = |n: u32| format!("2026-11-23T07:55:{n:02}Z  INFO {n} \x1b[8mhid\x1b[0m\u{202e}\n");
    fs::write(&scratch.log, (0..30).map(record).collect::<String>()).unwrap();
    let terminal = |command: &str| {
        let script = format!("script -qec '{command}' /dev/null < /dev/null");
        let output = shell(&script, scratch.dir.path());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    if !terminal("echo here").contains("here") {
        eprintln!("SKIPPED: there is no script");
        return;
    }
    let text = terminal("$FL --color never --paging never app.log");
    assert_eq!(text.lines().count(), 30, "{text}");
    assert!(
        !text.contains('\x1b') && !text.contains('\u{202e}'),
        "{text}"
    );
    let text = terminal("$FL --color always --paging never -n 1 app.log");
    assert!(
        !text.contains("\x1b[8m") && text.contains("\\u{1b}[8mhid"),
        "{text}"
    );
    let text = terminal("PAGER=\"sed s/^/paged:/\" $FL app.log");
    assert_eq!(text.matches("paged:").count(), 30, "{text}");
    let text = terminal("timeout -s INT 1 $FL -f --color never app.log");
    assert_eq!(text.matches("INFO").count(), 10, "{text}");
}

#[test]
fn ctrl_c_ends_it_quietly() {
    let scratch = small();
    // A shell's background job, which the tests may be, inherits an ignored SIGINT.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_fallback-log")]);
    let mut follower = Follower::run(command.arg(&scratch.log));
    follower.await_line("three");
    let pid = follower.process.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    // A shell calls that 130.
    let status = follower.process.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(2)
    );
}

/// On a terminal that belongs to it, in the middle of a file that it would read for a long time.
#[test]
fn ctrl_c_loses_nothing_that_was_found() {
    let scratch = scratch();
    let found = "2026-11-23T07:55:01Z  INFO found\n";
    fs::write(&scratch.log, found).unwrap();
    let file = OpenOptions::new().write(true).open(&scratch.log).unwrap();
    file.set_len(1 << 36).unwrap();
    // A shell's background job, which the tests may be, inherits an ignored SIGINT.
    let command = "env --default-signal=INT $FL --grep found --paging never --color never app.log";
    let script = format!("script -qec \"{command}\" /dev/null");
    let child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(scratch.dir.path())
        .env("FL", env!("CARGO_BIN_EXE_fallback-log"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    if line.is_empty() {
        eprintln!("SKIPPED: there is no script");
        child.wait().unwrap();
        return;
    }
    assert_eq!(line.trim_end(), found.trim_end());
    assert!(child.try_wait().unwrap().is_none(), "it is still reading");
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"\x03").unwrap();
    keys.flush().unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert_eq!(rest.replace("^C", "").trim(), "");
}
