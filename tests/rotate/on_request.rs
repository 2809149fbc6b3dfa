//! A rotation on request, or at the start of a program.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use tracing_fallback_file::FileAppender;

use crate::common::{self, all_files, archives, hold, lines, scratch, write};

#[test]
fn a_rotation_on_request_renames_what_has_something_in_it() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    assert_eq!(appender.rotate().unwrap(), None, "there is no file");
    fs::write(&scratch.log, "").unwrap();
    assert_eq!(appender.rotate().unwrap(), None, "it is empty");
    write(&appender, "one");
    let archive = appender.rotate().unwrap().unwrap();
    assert_eq!(
        archives(&scratch.log).as_slice(),
        std::slice::from_ref(&archive)
    );
    assert_eq!(lines(&archive), ["one"]);
    assert!(!scratch.log.exists());
    write(&appender, "two");
    assert_eq!(lines(&scratch.log), ["two"]);
    assert_eq!(appender.stats().rotations, 1);
}

#[test]
fn a_rotation_on_request_waits_for_the_lock_as_a_record_does() {
    let scratch = scratch();
    let appender = common::with_lock_wait(&scratch.log, Duration::from_millis(1));
    write(&appender, "one");
    let held = hold(&scratch.log);
    let error = appender.rotate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(lines(&scratch.log), ["one"]);
    drop(held);
    assert!(appender.rotate().unwrap().is_some());
}

#[test]
fn a_record_does_not_wait_again_for_a_lock_that_a_rotation_on_request_has_waited_for() {
    common::within_attempts(10, || {
        let scratch = scratch();
        let appender = FileAppender::builder()
            .lock_wait(Duration::from_millis(500))
            .build(&scratch.log)
            .unwrap();
        let _held = hold(&scratch.log);
        std::thread::scope(|scope| {
            scope.spawn(|| appender.rotate().unwrap_err());
            // Enough for it to be at its wait, on a machine that is free.
            std::thread::sleep(Duration::from_millis(50));
            write(&appender, "one");
        });
        let stats = appender.stats();
        assert_eq!((stats.written, stats.switches), (1, 1));
        // Those of the rotation do not count.
        match stats.lock_retries {
            0 => Ok(()),
            retries => Err(format!("{retries} tries")),
        }
    });
}

#[test]
fn a_rotation_on_request_is_one_of_the_variant_that_is_written_to() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    let held = hold(&scratch.log);
    write(&appender, "two");
    let archive = appender.rotate().unwrap().unwrap();
    assert_eq!(lines(&archive), ["two"]);
    drop(held);
    assert_eq!(lines(&scratch.log), ["one"]);
    write(&appender, "three");
    assert_eq!(lines(&scratch.variant(1)), ["three"]);
}

#[test]
fn a_start_has_a_log_of_its_own() {
    let scratch = scratch();
    for start in 0..3 {
        let builder = FileAppender::builder().rotate_on_start(true);
        let appender = builder.build(&scratch.log).unwrap();
        for n in 0..3 {
            write(&appender, &format!("start {start} record {n}"));
        }
    }
    let files = all_files(&scratch.log);
    assert_eq!(files.len(), 3);
    for (start, file) in files.iter().enumerate() {
        let expected: Vec<_> = (0..3)
            .map(|n| format!("start {start} record {n}"))
            .collect();
        assert_eq!(lines(file), expected);
    }
}

#[test]
fn a_start_beside_a_foreign_lock_rotates_no_variant_that_it_finds() {
    let scratch = scratch();
    fs::write(scratch.variant(1), "found\n").unwrap();
    let held = hold(&scratch.log);
    let builder = FileAppender::builder().rotate_on_start(true);
    let appender = builder.build(&scratch.log).unwrap();
    write(&appender, "one");
    write(&appender, "two");
    drop(held);
    assert_eq!(lines(&scratch.variant(1)), ["found", "one", "two"]);
    assert!(archives(&scratch.log).is_empty());
}

/// A program writes on while the command rotates its log.
#[cfg(feature = "cli")]
#[test]
fn the_command_rotates_what_is_written_to() {
    let scratch = scratch();
    let rotate = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fallback-log"));
        let output = command.arg("--rotate").arg(&scratch.log).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, _, stderr) = rotate();
    assert_eq!(code, Some(2));
    assert!(stderr.contains("there is no such log"), "{stderr}");
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    fs::write(scratch.variant(1), "two\n").unwrap();
    let (code, stdout, stderr) = rotate();
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let mut printed: Vec<_> = stdout
        .lines()
        .map(|line| lines(std::path::Path::new(line)))
        .collect();
    printed.sort();
    assert_eq!(printed, [["one"], ["two"]]);
    assert_eq!(archives(&scratch.log).len(), 2);
    write(&appender, "three");
    assert_eq!(lines(&scratch.log), ["three"]);
    fs::write(&scratch.log, "").unwrap();
    assert_eq!(rotate().0, Some(1), "there is nothing in it");
    fs::write(&scratch.log, "four\n").unwrap();
    let held = hold(&scratch.log);
    let (code, stdout, stderr) = rotate();
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("locked"), "{stderr}");
    drop(held);
}
