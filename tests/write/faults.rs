//! Files that go, change, fill up or refuse, while the appender runs.

use crate::common;

use std::fs;

use common::{lines, scratch, with_switches, write};
use tracing_fallback_file::FileAppender;

#[cfg(unix)]
mod unix;

#[test]
fn a_directory_in_the_primary_s_place_is_inaccessible() {
    let scratch = scratch();
    fs::create_dir(&scratch.log).unwrap();
    fs::create_dir(scratch.variant(1)).unwrap();
    let (appender, seen) = with_switches(FileAppender::builder(), &scratch.log);
    write(&appender, "one");
    assert_eq!(lines(&scratch.variant(2)), ["one"]);
    assert_eq!(
        appender.stats().lock_retries,
        0,
        "there is nothing to wait for"
    );
    seen.assert_inaccessible();
}

#[test]
fn a_directory_that_goes_is_made_again() {
    let scratch = scratch();
    let log = scratch.path("a/b/app.log");
    let appender = FileAppender::new(&log).unwrap();
    write(&appender, "one");
    fs::remove_dir_all(scratch.path("a")).unwrap();
    write(&appender, "two");
    assert_eq!(lines(&log), ["two"]);
    assert_eq!(appender.stats().switches, 0);
}

#[test]
fn a_primary_that_goes_is_made_again() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    fs::rename(&scratch.log, scratch.path("moved.log")).unwrap();
    write(&appender, "two");
    fs::remove_file(&scratch.log).unwrap();
    write(&appender, "three");
    assert_eq!(lines(&scratch.path("moved.log")), ["one"]);
    assert_eq!(lines(&scratch.log), ["three"]);
    assert_eq!(appender.stats().switches, 0);
}

#[test]
fn a_file_in_the_directory_s_place_keeps_records_until_it_goes() {
    let scratch = scratch();
    let log = scratch.path("logs/app.log");
    let appender = FileAppender::new(&log).unwrap();
    fs::remove_dir(scratch.path("logs")).unwrap();
    fs::write(scratch.path("logs"), "").unwrap();
    write(&appender, "one");
    write(&appender, "two");
    assert_eq!(appender.stats().pending, 2);
    fs::remove_file(scratch.path("logs")).unwrap();
    write(&appender, "three");
    assert_eq!(lines(&log), ["one", "two", "three"]);
}

/// What a writer leaves that was killed while the system copied its record.
#[test]
fn half_a_line_at_the_end_of_the_file_does_not_spoil_the_next_record() {
    let scratch = scratch();
    fs::write(&scratch.log, "whole\nhal").unwrap();
    fs::write(scratch.variant(1), "hal").unwrap();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    write(&appender, "two");
    assert_eq!(lines(&scratch.log), ["whole", "hal", "one", "two"]);
    let held = common::hold(&scratch.log);
    write(&appender, "three");
    drop(held);
    assert_eq!(lines(&scratch.variant(1)), ["hal", "three"]);

    let late = FileAppender::new(scratch.path("late.log")).unwrap();
    fs::write(scratch.path("late.log"), "hal").unwrap();
    write(&late, "four");
    assert_eq!(lines(&scratch.path("late.log")), ["hal", "four"]);
}
