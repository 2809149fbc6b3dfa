//! What only Windows does: share modes, mandatory locks, names that are none.
//!
//! What is in `real` needs a real Windows, as in the CI workflow: wine lets anybody read and write a
//! locked byte, and locks a handle that can only append.

#![cfg(windows)]

use crate::common;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{arguments, lines, rotating, say, scratch, write, Child};
use tracing_fallback_file::{Family, FileAppender, Merge, SwitchReason};

const SHARE_READ: u32 = 1;
const SHARE_WRITE: u32 = 2;
const SHARE_DELETE: u32 = 4;

/// Opens the file with the given share mode, as a foreign program does.
fn opened(path: &Path, share: u32) -> File {
    let mut options = OpenOptions::new();
    options.read(true).share_mode(share).open(path).unwrap()
}

#[test]
fn who_shares_nothing_is_one_who_has_it_locked() {
    for share in [0, SHARE_READ, SHARE_READ | SHARE_DELETE] {
        let scratch = scratch();
        let builder = FileAppender::builder().return_to_primary(Duration::ZERO);
        let (appender, seen) = common::with_switches(builder, &scratch.log);
        write(&appender, "one");
        let scanner = opened(&scratch.log, share);
        write(&appender, "two");
        assert_eq!(lines(&scratch.variant(1)), ["two"], "{share}");
        drop(scanner);
        write(&appender, "three");
        assert_eq!(lines(&scratch.log), ["one", "three"], "{share}");
        let expected = [SwitchReason::Locked, SwitchReason::Returned];
        assert_eq!(seen.reasons(2), expected);
    }
}

#[test]
fn who_shares_all_is_in_nobody_s_way() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    let editor = opened(&scratch.log, SHARE_READ | SHARE_WRITE | SHARE_DELETE);
    write(&appender, "two");
    assert_eq!(lines(&scratch.log), ["one", "two"]);
    fs::rename(&scratch.log, scratch.path("moved.log")).unwrap();
    write(&appender, "three");
    assert_eq!(lines(&scratch.log), ["three"]);
    drop(editor);
}

#[test]
fn a_scanner_that_forbids_renames_delays_a_rotation() {
    let scratch = scratch();
    let appender = rotating(10).build(&scratch.log).unwrap();
    write(&appender, "one");
    let scanner = opened(&scratch.log, SHARE_READ | SHARE_WRITE);
    write(&appender, "too long for it");
    assert_eq!(lines(&scratch.log), ["one", "too long for it"]);
    drop(scanner);
    // It is tried again a second later.
    std::thread::sleep(Duration::from_millis(1_100));
    write(&appender, "new");
    assert_eq!(lines(&scratch.log), ["new"]);
    assert_eq!(Family::of(&scratch.log).unwrap().archives.len(), 1);
}

#[test]
#[ignore = "a child of another one"]
fn scans() {
    let Some(arguments) = arguments() else { return };
    let path = PathBuf::from(&arguments[0]);
    say("ready");
    common::hear();
    for _ in 0..200 {
        let scanned = OpenOptions::new().read(true).share_mode(0).open(&path);
        std::thread::sleep(Duration::from_millis(2));
        drop(scanned);
        std::thread::sleep(Duration::from_millis(2));
    }
    say("done");
    common::hear();
}

#[test]
fn a_scanner_that_comes_and_goes_costs_no_record() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let mut scanner = Child::start("windows::scans", &[scratch.log.to_str().unwrap()]);
    scanner.expect("ready");
    scanner.tell("go");
    let expected: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    expected.iter().for_each(|record| write(&appender, record));
    scanner.expect("done");
    scanner.end();
    appender.flush(Duration::from_secs(10)).unwrap();
    common::assert_each_once(&scratch.log, expected);
}

#[test]
fn a_reader_waits_for_a_scanner() {
    let scratch = scratch();
    fs::write(&scratch.log, "one\n").unwrap();
    let scanner = opened(&scratch.log, 0);
    let reader = std::thread::spawn({
        let log = scratch.log.clone();
        move || {
            let records = Merge::open(log).unwrap();
            records
                .map(|record| record.map(|record| record.bytes().to_vec()))
                .collect()
        }
    });
    std::thread::sleep(Duration::from_millis(20));
    drop(scanner);
    let records: std::io::Result<Vec<Vec<u8>>> = reader.join().unwrap();
    assert_eq!(records.unwrap(), [b"one\n"]);
}

/// Names that this system does not take as they are are refused, or lead to a file.
#[test]
fn odd_names_are_refused_or_work() {
    let scratch = scratch();
    for name in [
        "x:y",
        "x:y.log",
        "CON",
        "con.log",
        "NUL",
        "nul.txt",
        "COM1",
        "LPT9.log",
        "a*b.log",
        "a?b.log",
        "a<b>.log",
        "a|b.log",
        "a\"b.log",
        "a\u{1}b.log",
    ] {
        let path = format!("{}\\{name}", scratch.dir.path().display());
        let error = FileAppender::new(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}: {error:?}");
    }
    assert_eq!(fs::read_dir(scratch.dir.path()).unwrap().count(), 0);
    let long = "n".repeat(250);
    let deep = format!("{long}\\{long}\\app.log");
    for (name, made) in [
        ("dot.log.", "dot.log"),
        ("space.log ", "space.log"),
        ("con fig.log", "con fig.log"),
        ("console.log", "console.log"),
        ("ä ö.log", "ä ö.log"),
        (&deep, &deep),
        ("a/b/app.log", "a\\b\\app.log"),
    ] {
        write(&FileAppender::new(scratch.path(name)).unwrap(), name);
        assert_eq!(lines(&scratch.path(made)), [name]);
    }
    let error = FileAppender::new(scratch.path(&"n".repeat(256))).unwrap_err();
    assert!(error.to_string().contains("255"), "{error}");
    let verbatim = format!(r"\\?\{}", scratch.path("verbatim.log").display());
    write(&FileAppender::new(&verbatim).unwrap(), "x");
    assert_eq!(lines(&scratch.path("verbatim.log")), ["x"]);
}

mod real {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_handle_that_can_only_append_can_t_be_locked() {
        let scratch = scratch();
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&scratch.log);
        let error = fd_lock::RwLock::new(file.unwrap())
            .try_write()
            .map(drop)
            .unwrap_err();
        assert_ne!(error.kind(), ErrorKind::WouldBlock, "{error}");
    }

    #[test]
    fn a_reader_meets_the_lock_for_moments_only() {
        let scratch = scratch();
        let appender = FileAppender::new(&scratch.log).unwrap();
        write(&appender, "first");
        let log = scratch.log.clone();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let reader = std::thread::spawn(move || {
            let mut met = 0;
            while stopped.try_recv().is_err() {
                let mut text = String::new();
                match File::open(&log).unwrap().read_to_string(&mut text) {
                    Ok(_) => assert!(text.ends_with('\n') && text.starts_with("first\n")),
                    // A lock violation.
                    Err(error) => {
                        assert_eq!(error.raw_os_error(), Some(33));
                        met += 1;
                    }
                }
            }
            met
        });
        for n in 0..2_000 {
            write(&appender, &n.to_string());
        }
        drop(stop);
        println!("{} reads met the lock", reader.join().unwrap());
        assert_eq!(lines(&scratch.log).len(), 2_001);
    }

    #[test]
    fn a_log_is_read_back_beside_a_busy_writer() {
        let scratch = scratch();
        let appender = FileAppender::new(&scratch.log).unwrap();
        for n in 0..2_000 {
            write(&appender, &format!("2026-11-23T07:55:01Z {n}"));
            if n % 100 == 99 {
                let log = scratch.log.clone();
                let writer = appender.clone();
                let busy = std::thread::spawn(move || {
                    (0..100).for_each(|_| write(&writer, "2026-11-23T07:55:01Z more"));
                });
                let records = Merge::open(log).unwrap();
                let numbered = records
                    .map(Result::unwrap)
                    .filter(|record| !record.bytes().ends_with(b"more\n"));
                assert_eq!(numbered.count(), n + 1);
                busy.join().unwrap();
            }
        }
    }

    #[test]
    fn who_locks_without_sharing_is_waited_for_and_left() {
        let scratch = scratch();
        let appender = FileAppender::new(&scratch.log).unwrap();
        write(&appender, "one");
        let held = common::hold(&scratch.log);
        write(&appender, "two");
        assert_eq!(lines(&scratch.variant(1)), ["two"]);
        let unlocked = OpenOptions::new().append(true).open(&scratch.log);
        let refused = unlocked.unwrap().write_all(b"torn\n").unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(33));
        drop(held);
        assert_eq!(lines(&scratch.log), ["one"]);
    }
}
