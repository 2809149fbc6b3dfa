//! A cursor file: each run goes on where the last one ended.

use std::fs::{self};
use std::path::Path;

use super::{append, printed, refused, run, small, Follower, TEXT};
use crate::common::{self, gzip_archive, scratch};

/// Every record once, whatever happens to the files between two runs.
#[test]
fn a_cursor_file_goes_on_where_the_last_run_ended() {
    let scratch = scratch();
    let log = &scratch.log;
    let cursor = scratch.path("cursor");
    let arguments = ["--cursor-file", cursor.to_str().unwrap()];
    let mut second = 0;
    let mut record = |path: &Path, text: &str| {
        second += 1;
        let line = format!(
            "2026-11-23T07:{:02}:{:02}Z  INFO {text}\n",
            second / 60,
            second % 60
        );
        append(path, &line);
    };
    let new = |more: &[&str]| -> String {
        let output = run(&[&arguments[..], more].concat(), log);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(told, "");
        let text = String::from_utf8(output.stdout).unwrap();
        let expected = if text.is_empty() { 1 } else { 0 };
        assert_eq!(output.status.code(), Some(expected));
        let last = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
        text.lines().map(last).collect::<Vec<_>>().join(" ")
    };
    let archive = |second: u32| scratch.path(&format!("app.2026-11-23T08-00-{second:02}Z.log"));
    assert!(refused(&arguments, log).contains("no such log"));
    assert!(!cursor.exists());
    record(log, "a");
    record(&scratch.variant(1), "b");
    assert_eq!(new(&[]), "a b");
    assert_eq!(new(&[]), "");
    // Rotated.
    record(log, "c");
    fs::rename(log, archive(1)).unwrap();
    record(log, "d");
    assert_eq!(new(&[]), "c d");
    assert_eq!(new(&[]), "");
    // Rotated and compressed, and another file in its place; what was read is compressed too.
    record(log, "e");
    fs::rename(log, archive(2)).unwrap();
    gzip_archive(&archive(2));
    gzip_archive(&archive(1));
    record(log, "f");
    record(&scratch.variant(2), "g");
    assert_eq!(new(&[]), "e f g");
    // One that has been read to its end, then more rotated than is remembered by name.
    fs::rename(log, archive(3)).unwrap();
    gzip_archive(&archive(3));
    for n in 4..20 {
        record(log, &n.to_string());
        fs::rename(log, archive(n)).unwrap();
        if n % 2 == 0 {
            gzip_archive(&archive(n));
        }
    }
    let numbers: Vec<String> = (4..20).map(|n| n.to_string()).collect();
    assert_eq!(new(&[]), numbers.join(" "));
    assert_eq!(new(&[]), "");
    // Half a record waits for the other half.
    append(log, "2026-11-23T07:59:00Z  INFO ha");
    record(&scratch.variant(1), "h");
    assert_eq!(new(&[]), "h");
    append(log, "lf\n");
    assert_eq!(new(&[]), "half");
    // Cut off, and written again.
    fs::write(log, "").unwrap();
    record(log, "i");
    assert_eq!(new(&[]), "i");
    // What a filter leaves out is not shown later.
    record(log, "j");
    record(log, "k");
    record(log, "l");
    assert_eq!(new(&["-n", "1"]), "l");
    record(log, "m");
    record(log, "n");
    assert_eq!(new(&["--grep", "m$"]), "m");
    assert_eq!(new(&[]), "");
    record(log, "o");
    record(log, "p");
    assert_eq!(new(&["-r"]), "p o");
    // An interrupted run shows its records again.
    let before = fs::read(&cursor).unwrap();
    record(log, "q");
    assert_eq!(new(&[]), "q");
    fs::write(&cursor, &before).unwrap();
    assert_eq!(new(&[]), "q");
    record(log, "r");
    let mut follower = Follower::start(&arguments, log);
    follower.await_line("INFO r");
    record(log, "s");
    follower.await_line("INFO s");
    // Windows does not replace a file while somebody reads it, as this does.
    if !cfg!(windows) {
        let read = format!(" {} ", fs::metadata(log).unwrap().len());
        common::wait_until(|| fs::read_to_string(&cursor).unwrap().contains(&read));
        drop(follower);
        assert_eq!(new(&[]), "");
    }
}

#[test]
fn a_cursor_file_that_is_none_is_refused() {
    let scratch = small();
    let cursor = scratch.path("cursor");
    let arguments = ["--cursor-file", cursor.to_str().unwrap()];
    fs::write(&cursor, "fallback-log cursor 1\nlog app.log\n").unwrap();
    assert!(refused(&arguments, &scratch.log).contains("not a cursor"));
    fs::remove_file(&cursor).unwrap();
    printed(&arguments, &scratch.log);
    fs::write(scratch.path("web.log"), TEXT).unwrap();
    assert!(refused(&arguments, &scratch.path("web.log")).contains("another log"));
    let until = [&arguments[..], &["--until", "now"]].concat();
    assert!(refused(&until, &scratch.log).contains("--cursor-file"));
    let two = [&arguments[..], &["other.log"]].concat();
    assert!(refused(&two, &scratch.log).contains("name one"));
}
