//! How records are printed: as they are or readable, to a pipe or a terminal.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use super::{command, printed, shell, small, Follower, JSON, TEXT};
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

/// A line that a program of little memory can't hold.
#[cfg(target_os = "linux")]
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

/// On a terminal: the last ten first, each record when it is found, nothing that harms it.
#[cfg(target_os = "linux")]
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

#[cfg(target_os = "linux")]
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
#[cfg(target_os = "linux")]
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
