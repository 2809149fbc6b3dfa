//! To which file a record goes where another one is locked, and what `on_switch` is told.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tracing_fallback_file::{FileAppender, SwitchReason};

use crate::common::{self, family_lines, hold, lines, scratch, with_switches, write};

#[test]
fn a_locked_primary_sends_the_record_to_the_first_variant_and_the_switch_is_kept() {
    let scratch = scratch();
    let (appender, seen) = with_switches(FileAppender::builder(), &scratch.log);
    assert_eq!(appender.current_path(), scratch.log);
    let held = hold(&scratch.log);
    write(&appender, "one");
    assert_eq!(lines(&scratch.variant(1)), ["one"]);
    assert_eq!(
        fs::read(&scratch.log).unwrap(),
        b"",
        "the primary is untouched"
    );
    assert_eq!(appender.current_path(), scratch.variant(1));
    assert_eq!(appender.path(), scratch.log);
    drop(held);
    write(&appender, "two");
    assert_eq!(lines(&scratch.variant(1)), ["one", "two"]);
    assert_eq!(fs::read(&scratch.log).unwrap(), b"");
    let seen = seen.wait(1);
    assert_eq!(seen[0].original, scratch.log);
    assert_eq!(seen[0].fallback, scratch.variant(1));
    assert_eq!(seen[0].reason, SwitchReason::Locked);
    assert_eq!(appender.stats().switches, 1);

    let other = FileAppender::new(&scratch.log).unwrap();
    write(&other, "three");
    assert_eq!(
        lines(&scratch.log),
        ["three"],
        "a new appender starts at the primary"
    );
}

#[test]
fn locked_variants_are_passed_over_and_low_numbers_used_first() {
    let scratch = scratch();
    let (appender, seen) = with_switches(FileAppender::builder(), &scratch.log);
    let held = [hold(&scratch.log), hold(&scratch.variant(1))];
    write(&appender, "one");
    assert_eq!(lines(&scratch.variant(2)), ["one"]);
    assert_eq!(fs::read(scratch.variant(1)).unwrap(), b"");
    let [primary, first] = held;
    drop(first);
    let second = hold(&scratch.variant(2));
    write(&appender, "two");
    assert_eq!(lines(&scratch.variant(1)), ["two"]);
    drop(primary);
    let first = hold(&scratch.variant(1));
    let third = hold(&scratch.variant(3));
    write(&appender, "three");
    assert_eq!(
        lines(&scratch.variant(4)),
        ["three"],
        "the primary comes last"
    );
    drop((first, second, third));
    let seen = seen.wait(3);
    let fallbacks: Vec<_> = seen.iter().map(|switch| switch.fallback.clone()).collect();
    assert_eq!(fallbacks, [2, 1, 4].map(|n| scratch.variant(n)));
    assert!(seen.iter().all(|switch| switch.original == scratch.log));
}

#[test]
fn the_primary_is_the_last_resort_and_that_is_a_return() {
    let scratch = scratch();
    let builder = FileAppender::builder().max_variants(1);
    let (appender, seen) = with_switches(builder, &scratch.log);
    let held = hold(&scratch.log);
    write(&appender, "one");
    drop(held);
    let _held = hold(&scratch.variant(1));
    write(&appender, "two");
    assert_eq!(lines(&scratch.log), ["two"]);
    let seen = seen.wait(2);
    assert_eq!(seen[1].reason, SwitchReason::Returned);
    assert_eq!(
        (&seen[1].original, &seen[1].fallback),
        (&scratch.log, &scratch.variant(1))
    );
}

#[test]
fn the_way_back_is_taken_when_it_is_asked_for_and_free() {
    let scratch = scratch();
    let builder = FileAppender::builder().return_to_primary(Duration::ZERO);
    let (appender, seen) = with_switches(builder, &scratch.log);
    let held = hold(&scratch.log);
    write(&appender, "one");
    write(&appender, "two");
    drop(held);
    write(&appender, "three");
    assert_eq!(lines(&scratch.variant(1)), ["one", "two"]);
    assert_eq!(lines(&scratch.log), ["three"]);
    assert_eq!(appender.current_path(), scratch.log);
    assert_eq!(
        seen.reasons(2),
        [SwitchReason::Locked, SwitchReason::Returned]
    );

    let patient = FileAppender::builder()
        .return_to_primary(Duration::from_secs(3600))
        .build(&scratch.log)
        .unwrap();
    let held = hold(&scratch.log);
    write(&patient, "four");
    drop(held);
    write(&patient, "five");
    assert_eq!(lines(&scratch.variant(1)), ["one", "two", "four", "five"]);
}

#[test]
fn a_panicking_on_switch_harms_nothing() {
    let scratch = scratch();
    let panicked = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&panicked);
    let appender = FileAppender::builder()
        .on_switch(move |_| {
            flag.store(true, Ordering::Relaxed);
            panic!("this panic is part of a test");
        })
        .build(&scratch.log)
        .unwrap();
    let first = hold(&scratch.log);
    write(&appender, "one");
    drop(first);
    let _first = hold(&scratch.variant(1));
    write(&appender, "two");
    common::wait_until(|| panicked.load(Ordering::Relaxed));
    assert_eq!(appender.stats().switches, 2);
    assert_eq!(family_lines(&scratch.log), ["one", "two"]);
}

#[test]
fn on_switch_is_called_for_every_switch_in_order_however_long_it_takes() {
    let scratch = scratch();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let appender = FileAppender::builder()
        .on_switch(move |switch| {
            thread::sleep(Duration::from_millis(100));
            sink.lock().unwrap().push(switch.fallback.clone());
        })
        .build(&scratch.log)
        .unwrap();
    let mut held = vec![hold(&scratch.log)];
    for n in 1..=8 {
        write(&appender, &n.to_string());
        held.push(hold(&scratch.variant(n)));
    }
    common::wait_until(|| seen.lock().unwrap().len() == 8);
    let expected: Vec<_> = (1..=8).map(|n| scratch.variant(n)).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn on_switch_may_log_through_the_appender() {
    let scratch = scratch();
    let slot: Arc<Mutex<Option<FileAppender>>> = Arc::default();
    let inner = Arc::clone(&slot);
    let appender = FileAppender::builder()
        .on_switch(move |_| write(inner.lock().unwrap().as_ref().unwrap(), "switched"))
        .build(&scratch.log)
        .unwrap();
    *slot.lock().unwrap() = Some(appender.clone());
    let _held = hold(&scratch.log);
    write(&appender, "one");
    common::wait_until(|| appender.stats().written == 2);
    assert_eq!(lines(&scratch.variant(1)), ["one", "switched"]);
    slot.lock().unwrap().take();
}
