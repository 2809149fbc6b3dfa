//! The questions of a user, on what each format of tracing-subscriber has written.

#![cfg(feature = "cli")]

use crate::common;

use std::path::Path;
use std::process::{Command, Output};

use common::{scratch, Scratch};
use tracing::subscriber::with_default;
use tracing_fallback_file::FileAppender;

pub(crate) fn run(arguments: &[&str], log: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fallback-log"));
    command.args(arguments).arg(log).output().unwrap()
}

const FORMATS: [&str; 7] = [
    "full", "colours", "compact", "pretty", "json", "flat", "threads",
];

/// Three records, of which the last has several lines.
fn log(format: &str) -> Scratch {
    let scratch = scratch();
    let file = FileAppender::new(&scratch.log).unwrap();
    let log = || {
        let request = tracing::info_span!("request", id = 7, user = "jo e");
        let _in_request = request.enter();
        let query = tracing::info_span!("query", table = %"users");
        let _in_query = query.enter();
        tracing::info!(target: "app", n = 1, at = "a, b: c", "accepted");
        tracing::warn!(target: "app::slow", elapsed_ms = 42, n = 2, "slow query: took long");
        tracing::error!(target: "app", n = 3, error = %"one\ntwo", "failed\nwith a second line");
    };
    let fmt = || {
        let colours = format == "colours";
        tracing_subscriber::fmt()
            .with_ansi(colours)
            .with_writer(file.clone())
    };
    match format {
        "compact" => with_default(fmt().compact().finish(), log),
        "pretty" => with_default(fmt().pretty().finish(), log),
        "json" => with_default(fmt().json().finish(), log),
        "flat" => with_default(fmt().json().flatten_event(true).finish(), log),
        "threads" => {
            let fmt = fmt().with_thread_ids(true).with_thread_names(true);
            with_default(fmt.with_file(true).with_line_number(true).finish(), log);
        }
        _ => with_default(fmt().finish(), log),
    }
    scratch
}

#[test]
fn a_question_has_one_answer_in_each_format() {
    for format in FORMATS {
        let scratch = log(format);
        for (arguments, expected) in [
            (&["--field", "n=1"][..], "accepted"),
            (&["--field", "n>1"], "slow failed"),
            (&["--field", "n!=2"], "accepted failed"),
            (&["--field", "at=a, b: c"], "accepted"),
            (&["--field", "elapsed_ms=42"], "slow"),
            (&["--field", "elapsed_ms>41"], "slow"),
            (&["--field", "elapsed_ms!=42"], "accepted failed"),
            (&["--field", "id=7"], "accepted slow failed"),
            (&["--field", "id=8"], ""),
            (&["--field", "user=jo e"], "accepted slow failed"),
            (&["--field", "table=users"], "accepted slow failed"),
            (&["--field", "target=app"], "accepted failed"),
            (&["--field", "target=app::slow"], "slow"),
            (
                &["--field", "target~^app", "--level", "warn"],
                "slow failed",
            ),
            (&["--level", "error"], "failed"),
            (&["-n", "1", "--level", "warn"], "failed"),
            (&["-r", "-n", "1"], "failed"),
            (&["--grep", "second line"], "failed"),
            (&["--grep", "second line", "-v", "-n", "1"], "slow"),
            (&["--grep", "ACCEPTED", "-i"], "accepted"),
        ] {
            let output = run(arguments, &scratch.log);
            let printed = String::from_utf8(output.stdout).unwrap();
            let words = ["accepted", "slow", "failed"];
            let mut found: Vec<&str> = Vec::new();
            found.extend(words.iter().filter(|word| printed.contains(*word)));
            let told = String::from_utf8_lossy(&output.stderr);
            let what = format!("{format} {arguments:?}: {told}{printed}");
            assert_eq!(found.join(" "), expected, "{what}");
            assert_eq!(told, "", "{what}");
            // Of a record all lines.
            let ends = ["one\ntwo", "one\\ntwo"];
            let has_end = ends.iter().any(|end| printed.contains(end));
            assert_eq!(has_end, expected.contains("failed"), "{what}");
        }
        let output = run(&["--stats", "--output", "json"], &scratch.log);
        let printed = String::from_utf8(output.stdout).unwrap();
        let all: serde_json::Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
        assert_eq!(
            [&all["error"], &all["warn"], &all["info"], &all["none"]],
            [1, 1, 1, 0],
            "{format}: {printed}"
        );
        let targets = serde_json::json!({"app": 2, "app::slow": 1});
        assert_eq!(all["targets"], targets, "{format}: {printed}");
    }
}

/// Records without the value are skipped, but a character of it may be escaped.
#[test]
fn a_value_is_found_however_it_is_written() {
    let scratch = scratch();
    let user = |n: u32| match n % 500 {
        7 => r"jo\u0065",
        8 => "joe",
        9 => r"j\u006fe",
        _ => "ann",
    };
    let record = |n: u32| {
        let time = format!("2026-11-23T07:{:02}:{:02}Z", n / 60, n % 60);
        let user = user(n);
        format!("{{\"timestamp\":\"{time}\",\"fields\":{{\"n\":{n},\"user\":\"{user}\"}}}}\n")
    };
    std::fs::write(&scratch.log, (0..2_000).map(record).collect::<String>()).unwrap();
    let expected: String = (0..2_000)
        .filter(|n| user(*n) != "ann")
        .map(record)
        .collect();
    let output = run(&["--field", "user=joe"], &scratch.log);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let output = run(&["--field", "user=joe", "-n", "2000"], &scratch.log);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
