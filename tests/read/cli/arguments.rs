//! What the command is given: options, files, and what is wrong with them.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{printed, refused, run, shell, small, JSON, TEXT};
use crate::common::{self, scratch};

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

#[cfg(unix)]
#[test]
fn it_takes_what_people_give_it() {
    let scratch = small();
    let archive = scratch.path("app.2026-11-23T07-50-01Z.log");
    fs::write(&archive, "2026-11-23T07:50:00Z archived\n").unwrap();
    let zipped = scratch.path("app.2026-11-23T07-40-01Z.log.gz");
    fs::write(zipped, common::gzip("2026-11-23T07:40:00Z zipped\n")).unwrap();
    std::os::unix::fs::symlink("app.001.log", scratch.path("latest")).unwrap();
    fs::create_dir(scratch.path("other")).unwrap();
    fs::write(scratch.path("other/web.log"), "2026-11-23T07:55:00Z web\n").unwrap();
    let all = printed(&[], &scratch.log);
    let web = "2026-11-23T07:55:00Z web\n";
    for (script, expected) in [
        ("$FL app.log/", all.clone()),
        ("$FL ./app.log", all.clone()),
        ("$FL latest", all.clone()),
        ("$FL app*.log app*.gz", all.clone()),
        ("$FL app.001.log", TEXT.to_owned()),
        (
            "$FL app.2026-11-23T07-50-01Z.log",
            "2026-11-23T07:50:00Z archived\n".into(),
        ),
        (
            "$FL app.2026-11-23T07-40-01Z.log.gz",
            "2026-11-23T07:40:00Z zipped\n".into(),
        ),
        ("cat app.001.log | $FL -", TEXT.to_owned()),
        ("$FL /dev/stdin < app.001.log", TEXT.to_owned()),
        (
            "cat app.*.gz | $FL -",
            "2026-11-23T07:40:00Z zipped\n".into(),
        ),
        (
            "cat app.log | $FL -n 1 -",
            JSON.lines().nth(1).unwrap().to_owned() + "\n",
        ),
        (
            "mkfifo pipe; cat app.001.log > pipe & $FL pipe",
            TEXT.to_owned(),
        ),
    ] {
        let output = shell(script, scratch.dir.path());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            expected,
            "{script}"
        );
    }
    let output = shell("$FL app.log other/web.log --source", scratch.dir.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(&format!("web.log: {web}")) && text.contains("app.log: {"),
        "{text}"
    );
    let output = shell("cat app.log | $FL - app.log", scratch.dir.path());
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn more_files_than_descriptors_are_no_matter() {
    let scratch = scratch();
    for n in 0..150 {
        let path = match n {
            0 => scratch.log.clone(),
            n => scratch.variant(n),
        };
        fs::write(
            path,
            format!("2026-11-23T07:{:02}:{:02}Z x\n", n / 60, n % 60),
        )
        .unwrap();
        let archive = format!("app.2026-11-23T06-{:02}-{:02}Z.log", n / 60, n % 60);
        fs::write(scratch.path(&archive), "2026-11-23T06:55:01Z x\n").unwrap();
    }
    for arguments in ["", "-n 1000"] {
        let command = format!("ulimit -n 40; exec \"$0\" {arguments} \"$1\"");
        let output = Command::new("sh")
            .args(["-c", &command, env!("CARGO_BIN_EXE_fallback-log")])
            .arg(&scratch.log)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout.split(|byte| *byte == b'\n').count(), 301);
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_has_archives_all_the_same() {
    let scratch = scratch();
    fs::create_dir(scratch.path("real")).unwrap();
    std::os::unix::fs::symlink("real/other.log", &scratch.log).unwrap();
    fs::write(scratch.path("real/other.2026-11-23T07-55-01Z.log"), TEXT).unwrap();
    assert_eq!(printed(&[], &scratch.log), TEXT);
}

/// `/dev/stdin` is a stream whatever it is, but not all in `/dev` is.
#[cfg(target_os = "linux")]
#[test]
fn a_log_in_shared_memory_is_a_log() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let log = dir.path().join("app.log");
    fs::write(&log, JSON).unwrap();
    fs::write(dir.path().join("app.001.log"), TEXT).unwrap();
    assert_eq!(printed(&[], &log).lines().count(), 4);
}
