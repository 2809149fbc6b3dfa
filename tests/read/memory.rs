//! What the command takes of memory, whatever the files are.

#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{scratch, Scratch};

/// In KiB: 128 MiB, and what a program of this size maps.
const MEMORY: u32 = 180_000;

/// Runs the command with as much memory as that, its output into `cksum`.
fn run(arguments: &str, scratch: &Scratch) -> Output {
    let script = format!("ulimit -v {MEMORY}; $FL {arguments} app.log | cksum");
    Command::new("sh")
        .args(["-c", &script])
        .current_dir(scratch.dir.path())
        .env("FL", env!("CARGO_BIN_EXE_fallback-log"))
        .output()
        .unwrap()
}

fn cksum(path: &Path) -> Vec<u8> {
    let script = format!("cksum < {}", path.display());
    let output = Command::new("sh").args(["-c", &script]).output();
    output.unwrap().stdout
}

/// Records of a byte or two, of which the buffers have millions.
#[test]
fn of_very_short_records() {
    const BYTES: usize = 5_000_000;
    let newlines = vec![b'\n'; BYTES];
    let mut after_a_time = b"2026-11-23T07:55:01Z  INFO app: one\n".to_vec();
    after_a_time.extend(&newlines);
    let objects = b"{}\n".repeat(BYTES / 3);
    for (content, arguments) in [
        (&newlines, ""),
        (&newlines, "-n 100000000"),
        (&after_a_time, "-r"),
        (&objects, "-n 2 -C 100000000 --grep zzz"),
    ] {
        let scratch = scratch();
        fs::write(&scratch.log, content).unwrap();
        let output = run(arguments, &scratch);
        let told = String::from_utf8_lossy(&output.stderr);
        let is_known = |line: &str| line.contains("no time is known");
        assert!(told.lines().all(is_known), "{arguments}: {told}");
        if content == &newlines {
            assert_eq!(output.stdout, cksum(&scratch.log), "{arguments}");
        }
    }
}

/// Each has to be open for a record of one time.
#[test]
fn of_many_compressed_archives() {
    let scratch = scratch();
    fs::write(&scratch.log, "2026-11-23T07:55:01Z  INFO app: one\n").unwrap();
    let lines = |n: u32| format!("2026-11-23T07:55:01.{n:06}Z  INFO app: one\n");
    let content = common::gzip((0..100).map(lines).collect::<String>());
    for n in 0..2_000 {
        let (minute, second) = (n / 60, n % 60);
        let name = format!("app.2026-11-23T07-{minute:02}-{second:02}Z.log.gz");
        fs::write(scratch.path(&name), &content).unwrap();
    }
    for arguments in ["", "-r", "-n 3"] {
        let output = run(arguments, &scratch);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(told, "", "{arguments}");
    }
}
