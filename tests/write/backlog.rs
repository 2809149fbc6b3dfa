//! Records that no file takes: kept in order, written later, and counted if there are too many.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tracing_fallback_file::FileAppender;

use crate::common::{self, family_lines, hold, lines, scratch, try_hold, write, Held, Scratch};

/// The number of variants that are held. The server of wine has all files of all tests open.
const HELD: u16 = if cfg!(windows) { 100 } else { 999 };

fn hold_all(scratch: &Scratch) -> Vec<Held> {
    common::raise_descriptor_limit();
    let mut held = vec![hold(&scratch.log)];
    held.extend((1..=HELD).map(|n| hold(&scratch.variant(n))));
    held
}

#[test]
fn with_every_file_locked_nothing_is_lost_and_nobody_stuck() {
    const CALLS: usize = 500;
    common::within_attempts(10, || {
        let scratch = scratch();
        let builder = FileAppender::builder().max_variants(HELD);
        let appender = builder.build(&scratch.log).unwrap();
        let held = hold_all(&scratch);
        let idle = common::Control::start();
        let (mut took, mut control) = (Vec::new(), Duration::ZERO);
        for n in 0..CALLS {
            let began = Instant::now();
            write(&appender, &n.to_string());
            took.push(began.elapsed());
            if n % 50 == 0 {
                let began = Instant::now();
                assert!((1..=HELD).all(|n| try_hold(&scratch.variant(n)).is_none()));
                control = control.max(began.elapsed());
            }
        }
        control += idle.latest();
        took.sort_unstable();
        // The system may take the processor away from a call at any time, but not from each fiftieth.
        let (longest, long) = (took[CALLS - 1], took[CALLS - CALLS / 50]);
        let limit = Duration::from_millis(20);
        if long > limit + control || longest > limit * 50 + control {
            return Err(format!(
                "{long:?} and {longest:?}, where an idle thread was {control:?} late"
            ));
        }
        let stats = appender.stats();
        assert_eq!((stats.pending, stats.written, stats.dropped), (500, 0, 0));
        let error = appender.flush(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("500 records"), "{error}");

        drop(held);
        // No call: the appender comes back to them by itself.
        common::wait_until(|| appender.stats().pending == 0);
        let expected: Vec<_> = (0..CALLS).map(|n| n.to_string()).collect();
        assert_eq!(family_lines(&scratch.log), expected, "in order, once");
        assert_eq!(appender.stats().written, 500);
        Ok(())
    });
}

#[test]
fn records_behind_a_backlog_keep_their_order_and_flush_gets_them_out() {
    let scratch = scratch();
    let appender = common::without_variants(&scratch.log);
    let held = hold(&scratch.log);
    (0..100).for_each(|n| write(&appender, &n.to_string()));
    assert_eq!(appender.stats().pending, 100);
    assert!(appender.flush(Duration::ZERO).is_err());
    drop(held);
    (100..200).for_each(|n| write(&appender, &n.to_string()));
    appender.flush(Duration::from_secs(10)).unwrap();
    let expected: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    assert_eq!(lines(&scratch.log), expected);
    assert_eq!(appender.stats().pending, 0);
    appender
        .flush(Duration::ZERO)
        .expect("nothing pending, nothing to wait for");
}

#[test]
fn over_the_limit_the_newest_are_dropped_and_counted_in_the_file() {
    let scratch = scratch();
    let appender = common::with_backlog_limit(&scratch.log, 1000);
    let held = hold(&scratch.log);
    let record = "x".repeat(99);
    for _ in 0..25 {
        write(&appender, &record);
    }
    let stats = appender.stats();
    assert_eq!((stats.pending, stats.dropped), (10, 15));
    drop(held);
    write(&appender, "after");
    let mut found = lines(&scratch.log);
    assert_eq!(found.pop().unwrap(), "after");
    let gap = found.pop().unwrap();
    assert!(gap.contains("WARN") && gap.ends_with("missing=15"), "{gap}");
    assert_eq!(found, vec![record; 10]);
}

#[test]
fn one_line_says_how_many_are_missing_however_often_it_was_tried() {
    let scratch = scratch();
    let appender = common::with_backlog_limit(&scratch.log, 0);
    let held = hold(&scratch.log);
    for _ in 0..10 {
        write(&appender, "x");
        appender
            .flush(Duration::ZERO)
            .expect_err("the count is not in the file yet");
    }
    drop(held);
    appender.flush(Duration::from_secs(10)).unwrap();
    let found = lines(&scratch.log);
    assert!(
        found.len() == 1 && found[0].ends_with("missing=10"),
        "{found:?}"
    );
}

#[test]
fn the_line_for_dropped_json_records_is_json() {
    let scratch = scratch();
    let appender = common::with_backlog_limit(&scratch.log, 0);
    let held = hold(&scratch.log);
    write(&appender, r#"{"n":1}"#);
    drop(held);
    appender.flush(Duration::from_secs(10)).unwrap();
    let line: serde_json::Value = serde_json::from_str(&lines(&scratch.log)[0]).unwrap();
    assert_eq!(line["fields"]["missing"], 1);
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["target"], tracing_fallback_file::TARGET);
}
