//! The options of the command, and what is wrong with them or with a file.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{refused, run, small, JSON, TEXT};

#[test]
fn what_is_wrong_is_one_line_and_2() {
    let scratch = small();
    for (arguments, part) in [
        (&["--since", "someday"][..], "--since"),
        (&["--since", "2h", "--until", "3h"], "after --until"),
        (&["--field", "x"], "--field"),
        (&["--field", "x>y"], "not a number"),
        (&["--output", "json"], "--list"),
        (&["--assume-tz", "Nowhere"], "--assume-tz"),
        (&["--sinse", "2h"], "a similar argument exists: '--since'"),
        (&["--grep", "("], "unclosed group"),
        (&["-n", "x"], "--lines"),
        (&["--level", "loud"], "loud"),
        (&["-n", "+5"], "--lines"),
        (&["--list", "--follow"], "--follow"),
        (&["--until", "now", "--follow"], "--follow"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let said = refused(arguments, &scratch.log);
        assert!(said.contains(part), "{said}");
    }
    assert!(refused(&[], &scratch.path("none.log")).contains("none.log"));
    assert!(refused(&["--list"], &scratch.path("none.log")).contains("none.log"));
    assert!(refused(&[], Path::new("/")).contains('/'));
    assert!(refused(&[], scratch.dir.path()).contains("a directory"));
}

#[test]
fn a_file_that_can_t_be_read_is_said_and_the_others_are_read() {
    let scratch = small();
    let archive = scratch.path("app.2026-11-23T07-50-01Z.log.gz");
    fs::write(&archive, "this is not gzip").unwrap();
    let output = run(&[], &scratch.log);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout.len(), JSON.len() + TEXT.len());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("07-50-01Z") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn completions_and_a_man_page() {
    for (arguments, part) in [
        (&["--completions", "bash"][..], "complete -F"),
        (&["--completions", "zsh"], "#compdef fallback-log"),
        (&["--completions", "fish"], "complete -c fallback-log"),
        (&["--man"], ".TH fallback-log"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["--help"], "Examples:"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_fallback-log"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
}
