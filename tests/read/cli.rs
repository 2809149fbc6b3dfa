//! The command `fallback-log`, as a shell runs it.

#![cfg(feature = "cli")]

use crate::common;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child as Process, ChildStdout, Command, Output, Stdio};

use common::{scratch, Scratch};

mod arguments;
mod cursor;
mod filter;
mod follow;
mod list;
mod output;
mod time;

fn command(arguments: &[&str], log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fallback-log"));
    command.args(arguments).arg(log).env_remove("NO_COLOR");
    command
}

fn run(arguments: &[&str], log: &Path) -> Output {
    command(arguments, log).output().unwrap()
}

/// What it prints, if all is well.
fn printed(arguments: &[&str], log: &Path) -> String {
    let output = run(arguments, log);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line with which it says what is wrong.
fn refused(arguments: &[&str], log: &Path) -> String {
    let output = run(arguments, log);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty());
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("fallback-log: "), "{stderr}");
    stderr
}

const JSON: &str = concat!(
    r#"{"timestamp":"2026-11-23T07:55:01Z","level":"INFO","fields":{"message":"one","n":1},"target":"app"}"#,
    "\n",
    r#"{"timestamp":"2026-11-23T07:55:03Z","level":"WARN","fields":{"message":"three"},"target":"app"}"#,
    "\n",
);
const TEXT: &str = "2026-11-23T07:55:02Z  INFO app: two\n    at src/main.rs:1\n";

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn small() -> Scratch {
    let scratch = scratch();
    fs::write(&scratch.log, JSON).unwrap();
    fs::write(scratch.variant(1), TEXT).unwrap();
    scratch
}

struct Follower {
    process: Process,
    output: Option<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(arguments: &[&str], log: &Path) -> Follower {
        Follower::run(&mut command(arguments, log))
    }

    fn run(command: &mut Command) -> Follower {
        let mut process = command
            .arg("--follow")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Some(BufReader::new(process.stdout.take().unwrap()));
        Follower { process, output }
    }

    /// The next line that is printed, without its newline.
    fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.output.as_mut().unwrap();
        assert!(output.read_line(&mut line).unwrap() > 0, "it has ended");
        assert_eq!(line.pop(), Some('\n'));
        line
    }

    fn await_line(&mut self, part: &str) {
        while !self.line().contains(part) {}
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs it on what a shell would give it, with more arguments or none.
fn shell(script: &str, directory: &Path) -> Output {
    Command::new("sh")
        .args(["-c", script])
        .current_dir(directory)
        .env("FL", env!("CARGO_BIN_EXE_fallback-log"))
        .output()
        .unwrap()
}
