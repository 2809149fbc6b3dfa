//! How long a call waits for a lock.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use tracing_fallback_file::FileAppender;

use crate::common::{self, assert_each_once, family, hold, lines, scratch, write};

/// More than the machine's noise, less than any wait that a call must not make.
const NOISE: Duration = Duration::from_millis(40);

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
                    // The call waits for most of the time of one round.
                    stats.lock_retries >= retries + 12 || stats.switches > 0
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
        Err("the file made 2,000 calls wait and was not left".to_owned())
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
