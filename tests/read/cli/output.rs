//! How records are printed: as they are or readable, to a pipe or a terminal.

use std::fs::{self};
use std::io::Read;
use std::process::Stdio;

use super::{command, printed, small, JSON, TEXT};
use crate::common::{self, lines, scratch};

#[test]
fn the_merged_stream_is_as_it_is_or_readable() {
    let scratch = small();
    let (one, three) = JSON.split_once('\n').unwrap();
    let raw = format!("{one}\n{TEXT}{three}");
    assert_eq!(printed(&[], &scratch.log), raw);
    assert_eq!(printed(&["--output", "raw"], &scratch.log), raw);
    let text = "2026-11-23T07:55:01Z  INFO app: one n=1\n".to_owned()
        + TEXT
        + "2026-11-23T07:55:03Z  WARN app: three\n";
    assert_eq!(printed(&["--output", "text"], &scratch.log), text);
    let with_source = printed(&["--source", "--output", "text"], &scratch.log);
    let sources: Vec<_> = with_source.lines().map(|line| &line[..12]).collect();
    let expected = [
        "app.log: 202",
        "app.001.log:",
        "app.001.log:",
        "app.log: 202",
    ];
    assert_eq!(sources, expected);
}

#[test]
fn raw_lines_are_those_of_the_files() {
    let scratch = small();
    let mut all: Vec<String> = common::all_files(&scratch.log)
        .iter()
        .flat_map(|file| lines(file))
        .collect();
    let mut found: Vec<String> = printed(&[], &scratch.log)
        .lines()
        .map(str::to_owned)
        .collect();
    all.sort();
    found.sort();
    assert_eq!(found, all);
}

#[test]
fn nothing_in_a_record_passes_for_another_one() {
    let scratch = scratch();
    let record = concat!(
        r#"{"timestamp":"2026-11-23T07:55:01Z","level":"INFO","target":"a\n2026-11-23T07:55:09Z ERROR forged","threadName":"t\nx","#,
        r#""fields":{"k\ney":1,"k\ney":2,"big":123456789012345678901234567890,"message":"m\n2026-11-23T07:55:09Z ERROR no","bidi":"\u202e"},"z":1,"a":2}"#,
        "\n"
    );
    fs::write(&scratch.log, record).unwrap();
    let text = printed(&["--output", "text"], &scratch.log);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].starts_with("2026-11-23T07:55:01Z  INFO t\\nx a\\n2026"),
        "{text}"
    );
    assert_eq!(
        lines[1],
        "    2026-11-23T07:55:09Z ERROR no k\\ney=1 k\\ney=2 \
         big=123456789012345678901234567890 bidi=\\u{202e} z=1 a=2"
    );
}

#[test]
fn colours_are_asked_for_or_not() {
    let scratch = small();
    let coloured = |arguments: &[&str]| {
        let arguments = [arguments, &["--output", "text", "--source"]].concat();
        printed(&arguments, &scratch.log).contains('\x1b')
    };
    assert!(!coloured(&[]), "a pipe");
    assert!(!coloured(&["--color", "never"]));
    assert!(coloured(&["--color", "always"]));
}

#[test]
fn a_pipe_that_closes_early_ends_it_quietly() {
    let scratch = scratch();
    let line = format!("2026-11-23T07:55:01Z {}\n", "x".repeat(1_000));
    fs::write(&scratch.log, line.repeat(5_000)).unwrap();
    // More than a pipe holds: on Windows a program finds out only at its next write that nobody
    // reads.
    for arguments in [&[][..], &["--follow", "-n", "all"], &["--help"]] {
        let mut child = command(arguments, &scratch.log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", output.status);
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}
