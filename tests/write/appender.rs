//! What an appender does with records and locked files, in one process.

use crate::common;

use std::fs;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    assert_each_once, child_command, family, family_lines, hold, lines, scratch, try_hold, write,
    Child, Held, Scratch,
};
use tracing_fallback_file::{FileAppender, Switch, SwitchReason};
use tracing_subscriber::fmt::MakeWriter;

/// More than the machine's noise, less than any wait that a call must not make.
const NOISE: Duration = Duration::from_millis(40);

fn switches(scratch: &Scratch) -> (FileAppender, Arc<Mutex<Vec<Switch>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let appender = FileAppender::builder()
        .on_switch(move |switch| sink.lock().unwrap().push(switch.clone()))
        .build(&scratch.log)
        .unwrap();
    (appender, seen)
}

#[test]
fn the_first_record_makes_the_file() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    assert!(
        family(&scratch.log).unwrap().is_empty(),
        "building leaves nothing behind"
    );
    assert_eq!(fs::read_dir(scratch.dir.path()).unwrap().count(), 0);
    write(&appender, "one");
    write(&appender, "two");
    assert_eq!(lines(&scratch.log), ["one", "two"]);
    let stats = appender.stats();
    assert_eq!(
        (stats.written, stats.commits, stats.switches, stats.pending),
        (2, 2, 0, 0)
    );
}

#[test]
fn records_are_appended_to_what_is_there() {
    let scratch = scratch();
    fs::write(&scratch.log, "old\n").unwrap();
    write(&FileAppender::new(&scratch.log).unwrap(), "new");
    assert_eq!(lines(&scratch.log), ["old", "new"]);
}

#[test]
fn a_locked_primary_sends_the_record_to_the_first_variant_and_the_switch_is_kept() {
    let scratch = scratch();
    let (appender, seen) = switches(&scratch);
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
    common::wait_until(|| !seen.lock().unwrap().is_empty());
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
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
    let (appender, seen) = switches(&scratch);
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
    common::wait_until(|| seen.lock().unwrap().len() == 3);
    let seen = seen.lock().unwrap();
    let fallbacks: Vec<_> = seen.iter().map(|switch| switch.fallback.clone()).collect();
    assert_eq!(fallbacks, [2, 1, 4].map(|n| scratch.variant(n)));
    assert!(seen.iter().all(|switch| switch.original == scratch.log));
}

#[test]
fn the_primary_is_the_last_resort_and_that_is_a_return() {
    let scratch = scratch();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let appender = FileAppender::builder()
        .max_variants(1)
        .on_switch(move |switch| sink.lock().unwrap().push(switch.clone()))
        .build(&scratch.log)
        .unwrap();
    let held = hold(&scratch.log);
    write(&appender, "one");
    drop(held);
    let _held = hold(&scratch.variant(1));
    write(&appender, "two");
    assert_eq!(lines(&scratch.log), ["two"]);
    common::wait_until(|| seen.lock().unwrap().len() == 2);
    let seen = seen.lock().unwrap();
    assert_eq!(seen[1].reason, SwitchReason::Returned);
    assert_eq!(
        (&seen[1].original, &seen[1].fallback),
        (&scratch.log, &scratch.variant(1))
    );
}

#[test]
fn lock_wait_is_waited_and_not_much_longer() {
    common::within_attempts(10, || {
        let scratch = scratch();
        let wait = Duration::from_millis(150);
        let appender = common::with_lock_wait(&scratch.log, wait);
        let _held = hold(&scratch.log);
        let began = Instant::now();
        common::timely(wait + NOISE, || write(&appender, "one"))?;
        assert!(began.elapsed() >= wait);
        let retries = appender.stats().lock_retries;
        assert!(retries > 10);
        write(&appender, "two");
        assert_eq!(
            appender.stats().lock_retries,
            retries,
            "after the switch nothing waits"
        );
        Ok(())
    });
}

#[test]
fn no_lock_wait_is_one_try() {
    let scratch = scratch();
    let appender = common::with_lock_wait(&scratch.log, Duration::ZERO);
    let _held = hold(&scratch.log);
    write(&appender, "one");
    assert_eq!(lines(&scratch.variant(1)), ["one"]);
    assert_eq!(appender.stats().lock_retries, 0);
}

#[test]
fn a_lock_that_is_soon_free_makes_no_switch() {
    let scratch = scratch();
    let appender = common::with_lock_wait(&scratch.log, Duration::from_secs(60));
    let held = hold(&scratch.log);
    thread::scope(|scope| {
        scope.spawn(|| write(&appender, "one"));
        while appender.stats().lock_retries < 5 {
            thread::yield_now();
        }
        drop(held);
    });
    assert_eq!(lines(&scratch.log), ["one"]);
    assert_eq!(appender.stats().switches, 0);
}

/// A holder whose lock is free for a moment whenever a call has nearly waited in vain.
#[test]
fn a_file_that_makes_every_call_wait_is_left() {
    common::within_attempts(10, || {
        let scratch = scratch();
        let wait = Duration::from_millis(80);
        let appender = common::with_lock_wait(&scratch.log, wait);
        let began = Instant::now();
        for n in 0..2_000 {
            let held = hold(&scratch.log);
            let retries = appender.stats().lock_retries;
            thread::scope(|scope| {
                scope.spawn(|| write(&appender, &n.to_string()));
                common::wait_until(|| {
                    let stats = appender.stats();
                    stats.lock_retries >= retries + 5 || stats.switches > 0
                });
                drop(held);
            });
            if appender.stats().switches > 0 {
                assert_each_once(&scratch.log, (0..=n).map(|n| n.to_string()));
                // Sooner it is left only if one call has waited for all of `lock_wait`.
                let waited = began.elapsed();
                let late_enough = n > 5 && waited > wait * 9;
                return late_enough
                    .then_some(())
                    .ok_or(format!("{n} calls, {waited:?}"));
            }
        }
        panic!("the file made 2,000 calls wait and was not left");
    });
}

#[test]
fn appenders_of_one_process_wait_for_a_stranger_once_together() {
    common::within_attempts(10, wait_for_a_stranger_once_together);
}

fn wait_for_a_stranger_once_together() -> Result<(), String> {
    let scratch = scratch();
    let wait = Duration::from_millis(200);
    let appenders: Vec<_> = (0..6)
        .map(|_| common::with_lock_wait(&scratch.log, wait))
        .collect();
    let _held = hold(&scratch.log);
    let barrier = Barrier::new(appenders.len());
    common::timely(wait * 2 + NOISE, || {
        thread::scope(|scope| {
            for appender in &appenders {
                scope.spawn(|| {
                    barrier.wait();
                    write(appender, "x");
                });
            }
        });
    })?;
    assert_eq!(lines(&scratch.variant(1)).len(), 6);
    assert_eq!(family(&scratch.log).unwrap().len(), 2);
    Ok(())
}

/// Also when the wait leads nowhere.
#[test]
fn appenders_of_one_process_wait_once_together_for_a_family_that_is_all_locked() {
    common::within_attempts(10, wait_once_together_for_a_family_that_is_all_locked);
}

fn wait_once_together_for_a_family_that_is_all_locked() -> Result<(), String> {
    let scratch = scratch();
    let wait = Duration::from_millis(100);
    let build = || {
        FileAppender::builder()
            .lock_wait(wait)
            .max_variants(0)
            .build(&scratch.log)
    };
    let appenders: Vec<_> = (0..20).map(|_| build().unwrap()).collect();
    let _held = hold(&scratch.log);
    common::timely(wait * 3 + NOISE, || {
        thread::scope(|scope| {
            for appender in &appenders {
                scope.spawn(|| write(appender, "x"));
            }
        });
    })?;
    assert!(appenders
        .iter()
        .all(|appender| appender.stats().pending == 1));
    Ok(())
}

#[test]
fn five_threads_with_a_clone_each_lose_nothing() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    thread::scope(|scope| {
        for writer in 0..5 {
            let appender = appender.clone();
            scope.spawn(move || {
                (0..10).for_each(|n| write(&appender, &format!("{writer} {n}")));
            });
        }
    });
    let expected = (0..5).flat_map(|writer| (0..10).map(move |n| format!("{writer} {n}")));
    assert_each_once(&scratch.log, expected);
    assert_eq!(lines(&scratch.log).len(), 50);
}

#[test]
fn three_appenders_on_one_path_share_it() {
    let scratch = scratch();
    thread::scope(|scope| {
        for writer in 0..3 {
            let appender = common::with_lock_wait(&scratch.log, Duration::ZERO);
            scope.spawn(move || {
                (0..500).for_each(|n| write(&appender, &format!("{writer} {n}")));
            });
        }
    });
    let expected = (0..3).flat_map(|writer| (0..500).map(move |n| format!("{writer} {n}")));
    assert_each_once(&scratch.log, expected);
    assert_eq!(
        lines(&scratch.log).len(),
        1500,
        "no switch, though none of them waits"
    );
}

#[cfg(unix)]
#[test]
fn threads_that_spell_the_path_differently_do_not_escalate_each_other() {
    let scratch = scratch();
    fs::create_dir(scratch.path("real")).unwrap();
    std::os::unix::fs::symlink("real", scratch.path("link")).unwrap();
    // As a relative path from wherever the tests run.
    let here = std::env::current_dir().unwrap();
    let up: std::path::PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = up.join(scratch.path("real/app.log").strip_prefix("/").unwrap());
    assert!(relative.is_relative());
    let appenders = [relative, scratch.path("link/app.log")]
        .map(|path| common::with_lock_wait(path, Duration::ZERO));
    thread::scope(|scope| {
        for writer in 0..4 {
            let appender = &appenders[writer % 2];
            scope.spawn(move || {
                (0..20_000).for_each(|n| write(appender, &format!("{writer} {n}")));
            });
        }
    });
    let log = scratch.path("real/app.log");
    assert_eq!(family(&log).unwrap(), [&*log]);
    let expected = (0..4).flat_map(|writer| (0..20_000).map(move |n| format!("{writer} {n}")));
    assert_each_once(&log, expected);
}

#[test]
fn the_way_back_is_taken_when_it_is_asked_for_and_free() {
    let scratch = scratch();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let appender = FileAppender::builder()
        .return_to_primary(Duration::ZERO)
        .on_switch(move |switch| sink.lock().unwrap().push(switch.clone()))
        .build(&scratch.log)
        .unwrap();
    let held = hold(&scratch.log);
    write(&appender, "one");
    write(&appender, "two");
    drop(held);
    write(&appender, "three");
    assert_eq!(lines(&scratch.variant(1)), ["one", "two"]);
    assert_eq!(lines(&scratch.log), ["three"]);
    assert_eq!(appender.current_path(), scratch.log);
    common::wait_until(|| seen.lock().unwrap().len() == 2);
    let reasons: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|s| s.reason.clone())
        .collect();
    assert_eq!(reasons, [SwitchReason::Locked, SwitchReason::Returned]);

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

#[test]
fn a_record_is_what_stands_between_the_guard_and_its_newline() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    // `write!` with arguments makes a `write` call of each piece.
    let [one, two] = [1, 2].map(std::hint::black_box);
    writeln!(appender.make_writer(), "{one} and {two}").unwrap();
    assert_eq!(appender.stats().commits, 1);
    write!(appender.make_writer(), "no newline after {one}").unwrap();
    {
        let mut guard = appender.make_writer();
        writeln!(guard, "first {one}").unwrap();
        assert_eq!(appender.stats().commits, 3, "committed at its newline");
        write!(guard, "second").unwrap();
        guard.flush().unwrap();
        assert_eq!(appender.stats().commits, 3, "flush does not split a record");
        assert_eq!(guard.write(b"").unwrap(), 0);
        writeln!(guard).unwrap();
    }
    drop(appender.make_writer());
    assert_eq!(appender.make_writer().write(b"").unwrap(), 0);
    write(&appender, "pretty\n  with\n    more lines");
    assert_eq!(appender.stats().commits, 5);
    assert_eq!(appender.stats().written, 5);
    assert_eq!(
        fs::read_to_string(&scratch.log).unwrap(),
        "1 and 2\nno newline after 1\nfirst 1\nsecond\npretty\n  with\n    more lines\n"
    );
}

#[test]
fn a_large_record_is_one_commit() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let record = "x".repeat(10 * 1024 * 1024);
    assert_eq!(
        appender
            .make_writer()
            .write(format!("{record}\n").as_bytes())
            .unwrap(),
        record.len() + 1
    );
    assert_eq!(lines(&scratch.log), [record]);
    assert_eq!(appender.stats().commits, 1);
}

#[test]
fn a_later_chdir_changes_nothing() {
    let scratch = scratch();
    let mut command = child_command("appender::logs_before_and_after_a_chdir", &["sub/app.log"]);
    Child::from_command(command.current_dir(scratch.dir.path())).end();
    assert_eq!(lines(&scratch.path("sub/app.log")), ["one", "two"]);
}

#[test]
#[ignore = "a child of the others"]
fn logs_before_and_after_a_chdir() {
    let Some(arguments) = common::arguments() else {
        return;
    };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    assert!(appender.path().is_absolute());
    write(&appender, "one");
    std::env::set_current_dir(std::env::temp_dir()).unwrap();
    write(&appender, "two");
}

#[test]
fn clones_share_everything_and_debug_tells_it() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let clone = appender.clone();
    let _held = hold(&scratch.log);
    write(&appender, "one");
    assert_eq!(clone.current_path(), scratch.variant(1));
    assert_eq!(clone.stats(), appender.stats());
    let debug = format!(
        "{clone:?} {:?} {:?}",
        clone.make_writer(),
        clone.batch_writer()
    );
    assert!(
        debug.contains("app.001.log") && debug.contains("switches: 1"),
        "{debug}"
    );
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

#[test]
fn appenders_are_send_and_sync() {
    fn check<T: Clone + std::fmt::Debug + Send + Sync + 'static>() {}
    check::<FileAppender>();
    fn sends<T: Send + 'static>() {}
    sends::<tracing_fallback_file::BatchWriter>();
}
