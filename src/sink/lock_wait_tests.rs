use super::*;

impl Pause {
    /// How long it takes at least.
    pub(in crate::sink) fn time(self) -> Duration {
        match self {
            Pause::Sleep(time) => time,
            Pause::Yield => Duration::ZERO,
        }
    }
}

const LOCK_WAIT: Duration = Duration::from_millis(10);
/// What a try takes.
const TRY: Duration = Duration::from_micros(2);
const SAME: Look = Look::Unchanged { load: 0.0 };

/// Waits until the policy gives up. Returns the time, with delays, and the number of tries.
fn wait(
    lock_wait: Duration,
    delay: Duration,
    mut look: impl FnMut(Duration) -> Look,
) -> (Duration, u32) {
    let mut policy = LockWait::new(lock_wait);
    let (mut time, mut all, mut tries) = (Duration::ZERO, Duration::ZERO, 0);
    while let Some(pause) = policy.next(Waited { time, delay }, || look(time)) {
        let delay = match pause {
            Pause::Sleep(_) => delay,
            Pause::Yield => Duration::ZERO,
        };
        time += pause.time() + TRY;
        all += pause.time() + TRY + delay;
        tries += 1;
    }
    (all, tries)
}

fn is_about(time: Duration, expected: Duration) -> bool {
    (expected..expected + Duration::from_millis(1)).contains(&time)
}

#[test]
fn a_lock_that_somebody_sits_on_is_waited_for_lock_wait() {
    for lock_wait in [1, 10, 50, 60_000].map(Duration::from_millis) {
        let (waited, tries) = wait(lock_wait, Duration::ZERO, |_| SAME);
        assert!(is_about(waited, lock_wait), "{lock_wait:?}: {waited:?}");
        assert!(tries >= 10, "{lock_wait:?}: {tries}");
    }

    let mut none = LockWait::new(Duration::ZERO);
    assert_eq!(none.next(Waited::default(), || unreachable!()), None);
}

#[test]
fn a_file_that_changes_is_waited_for_until_it_stops_and_not_for_ever() {
    let until = |end| move |time| if time <= end { Look::Changed } else { SAME };
    let end = Duration::from_millis(100);
    let (waited, _) = wait(LOCK_WAIT, Duration::ZERO, until(end));
    let since = end - LOCK_WAIT * 3 / LOOK_PART..end + LOCK_WAIT * 3 / LOOK_PART;
    assert!(since.contains(&(waited - LOCK_WAIT)), "{waited:?}");
    let (waited, _) = wait(LOCK_WAIT, Duration::ZERO, until(Duration::MAX));
    assert!(is_about(waited, LOCK_WAIT * MAX_BUSY_WAITS), "{waited:?}");
}

#[test]
fn a_process_that_was_stopped_does_not_pause_for_as_long_again() {
    let hour = Duration::from_secs(3_600);
    let mut policy = LockWait::new(LOCK_WAIT);
    let time = Duration::from_millis(1);
    let pause = policy.next(Waited { time, delay: hour }, || SAME);
    assert_eq!(pause, Some(Pause::Sleep(LOCK_WAIT * MAX_BUSY_WAITS - time)));
}

#[test]
fn a_holder_that_writes_now_and_then_and_keeps_the_lock_is_left() {
    let mut writes = 0;
    let (waited, _) = wait(LOCK_WAIT, Duration::ZERO, |time| {
        let due = 1 + time.as_millis() / 100;
        match std::mem::replace(&mut writes, due) == due {
            true => SAME,
            false => Look::Changed,
        }
    });
    assert!(waited < LOCK_WAIT * 2, "{waited:?}");
}

#[test]
fn an_overloaded_machine_gets_more_time() {
    for (load, expected) in [(0.0, 10), (2.4, 10), (2.5, 30), (4.0, 50), (100.0, 300)] {
        let expected = Duration::from_millis(expected);
        let (waited, _) = wait(LOCK_WAIT, Duration::ZERO, |_| Look::Unchanged { load });
        assert!(
            (expected..=expected + LOCK_WAIT / LOOK_PART).contains(&waited),
            "{load}: {waited:?}"
        );
    }
}

#[test]
fn waiting_processes_that_wake_up_together_are_no_overload() {
    let mut looks = 0;
    let (waited, _) = wait(LOCK_WAIT, Duration::ZERO, |_| {
        looks += 1;
        // They have met at the first look and at the last one.
        Look::Unchanged {
            load: if looks % 4 == 1 { 4.0 } else { 1.0 },
        }
    });
    assert!(is_about(waited, LOCK_WAIT), "{waited:?}");

    // A change begins it anew.
    let (waited, _) = wait(LOCK_WAIT, Duration::ZERO, |time| match time.as_millis() {
        0..5 => Look::Unchanged { load: 1.0 },
        5..10 => Look::Changed,
        _ => Look::Unchanged { load: 4.0 },
    });
    assert!(waited > LOCK_WAIT + TURN * 2, "{waited:?}");
}

#[test]
fn the_time_without_a_change_is_that_between_looks_that_found_none() {
    let of = |look: fn(Duration) -> Look| {
        let mut policy = LockWait::new(LOCK_WAIT);
        let mut time = Duration::ZERO;
        while time < LOCK_WAIT * 9 / 10 {
            let delay = Duration::ZERO;
            let pause = policy.next(Waited { time, delay }, || look(time)).unwrap();
            time += pause.time() + TRY;
        }
        policy.unchanged()
    };
    assert!(of(|_| SAME) >= LOCK_WAIT * 2 / 5);
    assert_eq!(of(|_| Look::Changed), Duration::ZERO);
    assert_eq!(of(|_| Look::Unchanged { load: 9.0 }), Duration::ZERO);
}

#[test]
fn a_machine_that_is_late_is_asked_less_often() {
    let delay = Duration::from_millis(3);
    let (waited, tries) = wait(LOCK_WAIT, delay, |_| SAME);
    assert!(waited > LOCK_WAIT * 3 / 2, "{waited:?}");
    assert!(tries < 10, "{tries}");
}

/// The pauses of one wait.
fn pauses(mut policy: LockWait) -> Vec<Pause> {
    let mut waited = Waited::default();
    let mut pauses = Vec::new();
    while let Some(pause) = policy.next(waited, || SAME) {
        pauses.push(pause);
        waited.time += pause.time();
    }
    pauses
}

#[test]
fn a_try_after_a_sleep_is_repeated_after_a_yield() {
    let pauses = pauses(LockWait::new(LOCK_WAIT));
    for (n, pause) in pauses.iter().enumerate() {
        assert_eq!(*pause == Pause::Yield, n % 2 == 1, "{pauses:?}");
        assert!(pause.time() <= LONGEST_PAUSE, "{pauses:?}");
    }
    assert!(pauses.len() > 20, "{pauses:?}");
}

#[test]
fn who_writes_flat_out_sleeps_longer_at_first() {
    for (lock_wait, first) in [(10, 250), (1, 25)] {
        let lock_wait = Duration::from_millis(lock_wait);
        let first = Duration::from_micros(first);
        assert_eq!(pauses(LockWait::new(lock_wait))[0], Pause::Sleep(first));
        let flat_out = pauses(LockWait::new(lock_wait).flat_out());
        assert_eq!(flat_out[0], Pause::Sleep(first * FLAT_OUT_FACTOR));
        let all: Duration = flat_out.iter().map(|pause| pause.time()).sum();
        assert_eq!(all, lock_wait);
    }
}
