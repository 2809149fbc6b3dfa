//! Given what an attempt answered, what next. No clock, no file: the caller brings the answers.

use std::mem;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::notify::SwitchReason;
use crate::sys::FailureScope;

/// So many times a file is tried again while it is waited for, and so long is a pause at most.
///
/// All pauses are of one length, and there is one before the first try again. A process that tries
/// at once, or soon, gets into the way of the one that has the lock: of 8 processes flat out on 2
/// cores (`lock_wait` 10 ms) all together wrote 0.61 of the records of one alone with two tries at
/// once and pauses growing from 25 to 100 µs, 0.76 with pauses from 100 to 200 µs, 0.79 to 0.83
/// with 200 µs each time, and 0.83 with 250 µs. Fewer tries make switches: none in 16 runs each of
/// 8 and of 32 such processes with 250 µs, one in 32 with 300 µs, 3 in 32 with 400 µs.
const TRIES: u32 = 40;
const LONGEST_PAUSE: Duration = Duration::from_micros(250);
const SHORTEST_PAUSE: Duration = Duration::from_micros(10);

/// The time that one call searches the variants for, after its wait. All 999 locked take 1.8 ms on a
/// local disk; where each takes milliseconds, the record waits in the backlog, and a thread goes on
/// with the search.
const MAX_SEARCH: Duration = Duration::from_millis(50);

/// What to do after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Pause that long, then try the current file again.
    Pause(Duration),
    /// Try this file, once, without waiting.
    Try(u16),
    /// No file takes the record now.
    GiveUp,
}

/// How far a record goes to find a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The current file, once.
    Current,
    /// The current file, and of the others these, once each.
    Part(RangeInclusive<u16>),
    /// Every file of the family.
    Family,
}

/// The way of one record from the current file through the family.
#[derive(Debug)]
pub(crate) struct Escalation {
    current: u16,
    wait: Duration,
    /// Why the current file is left, once it is.
    reason: Option<SwitchReason>,
    /// When the search of the other files began. On a busy machine the last pause may have been far
    /// longer than it should: that is no time of the search.
    search_began: Option<Duration>,
    others: RangeInclusive<u16>,
    and_the_primary: bool,
}

impl Escalation {
    /// Starts after the first try of `current`, whose lock is waited for so long; the variants are
    /// `1..=last`.
    pub(crate) fn new(current: u16, wait: Duration, last: u16, reach: &Reach) -> Self {
        let (others, and_the_primary) = match reach {
            Reach::Current => (NONE, false),
            Reach::Part(others) => (others.clone(), false),
            Reach::Family => (1..=last, true),
        };
        Escalation {
            current,
            wait,
            reason: None,
            search_began: None,
            others,
            and_the_primary,
        }
    }

    /// Why the current file was left, if it was.
    pub(crate) fn reason(&self) -> Option<&SwitchReason> {
        self.reason.as_ref()
    }

    /// What follows a refusal by the file tried last, `waited` after the first one.
    pub(crate) fn next(&mut self, refusal: FailureScope, waited: Duration) -> Next {
        if refusal.is_every_file() {
            return Next::GiveUp;
        }
        if self.reason.is_none() {
            let left = self.wait.saturating_sub(waited);
            self.reason = Some(match refusal {
                FailureScope::File(kind) => SwitchReason::Inaccessible(kind),
                _ if left.is_zero() => SwitchReason::Locked,
                _ => {
                    let pause = (self.wait / TRIES).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                    return Next::Pause(pause.min(left));
                }
            });
        }
        let began = *self.search_began.get_or_insert(waited);
        if waited.saturating_sub(began) > MAX_SEARCH {
            return Next::GiveUp;
        }
        match self.others.find(|other| *other != self.current) {
            Some(other) => Next::Try(other),
            // The primary comes last.
            None if mem::take(&mut self.and_the_primary) => Next::Try(0),
            None => Next::GiveUp,
        }
    }
}

#[allow(clippy::reversed_empty_ranges)] // That is what it is.
const NONE: RangeInclusive<u16> = 1..=0;

/// The family without the current file in parts, so that nobody has to wait for a look at all of
/// it: the variants, low numbers first, then the primary.
pub(crate) fn parts(last: u16) -> impl Iterator<Item = RangeInclusive<u16>> {
    const PART: u16 = 10;
    (1..=last)
        .step_by(PART.into())
        .map(move |first| first..=last.min(first + PART - 1))
        .chain([0..=0])
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn without_waiting(current: u16, last: u16) -> Escalation {
        Escalation::new(current, Duration::ZERO, last, &Reach::Family)
    }

    fn tried(current: u16, last: u16) -> Vec<u16> {
        let mut escalation = without_waiting(current, last);
        let mut tried = Vec::new();
        while let Next::Try(file) = escalation.next(FailureScope::Locked, Duration::ZERO) {
            tried.push(file);
        }
        tried
    }

    #[test]
    fn the_variants_are_tried_low_numbers_first_and_the_primary_last() {
        for (current, last, expected) in [
            (0, 3, vec![1, 2, 3, 0]),
            (1, 3, vec![2, 3, 0]),
            (2, 3, vec![1, 3, 0]),
            (3, 3, vec![1, 2, 0]),
            (0, 0, vec![0]),
            (0, 1, vec![1, 0]),
            (1, 1, vec![0]),
        ] {
            assert_eq!(
                tried(current, last),
                expected,
                "current {current} of {last}"
            );
        }
        assert_eq!(tried(0, 999).len(), 1000);
    }

    #[test]
    fn waiting_is_bounded_and_only_for_a_lock() {
        let wait = Duration::from_millis(10);
        let mut escalation = Escalation::new(0, wait, 2, &Reach::Family);
        let mut waited = Duration::ZERO;
        let mut pauses = 0;
        while let Next::Pause(pause) = escalation.next(FailureScope::Locked, waited) {
            waited += pause;
            pauses += 1;
        }
        assert_eq!(waited, wait);
        assert_eq!(pauses, TRIES);
        assert_eq!(escalation.reason(), Some(&SwitchReason::Locked));

        let mut escalation = Escalation::new(0, wait, 2, &Reach::Family);
        let denied = FailureScope::File(ErrorKind::PermissionDenied);
        assert_eq!(escalation.next(denied, Duration::ZERO), Next::Try(1));
        assert_eq!(
            escalation.next(FailureScope::Locked, Duration::ZERO),
            Next::Try(2)
        );
        assert_eq!(
            escalation.reason(),
            Some(&SwitchReason::Inaccessible(ErrorKind::PermissionDenied)),
            "the reason is why the current file was left"
        );
    }

    #[test]
    fn what_no_variant_escapes_tries_none() {
        let mut escalation = without_waiting(0, 999);
        assert_eq!(
            escalation.next(FailureScope::Directory, Duration::ZERO),
            Next::GiveUp
        );
        let mut escalation = without_waiting(0, 999);
        assert_eq!(
            escalation.next(FailureScope::Locked, Duration::ZERO),
            Next::Try(1)
        );
        assert_eq!(
            escalation.next(FailureScope::Directory, Duration::ZERO),
            Next::GiveUp
        );
    }

    #[test]
    fn a_search_on_a_slow_disk_ends_in_the_call() {
        let wait = Duration::from_millis(10);
        let mut escalation = Escalation::new(0, wait, 999, &Reach::Family);
        for (waited, next) in [
            (wait, Next::Try(1)),
            (wait + MAX_SEARCH, Next::Try(2)),
            (wait + MAX_SEARCH * 2, Next::GiveUp),
        ] {
            assert_eq!(escalation.next(FailureScope::Locked, waited), next);
        }
    }

    #[test]
    fn a_pause_that_the_machine_draws_out_takes_nothing_from_the_search() {
        let wait = Duration::from_millis(10);
        let mut escalation = Escalation::new(0, wait, 2, &Reach::Family);
        let pause = escalation.next(FailureScope::Locked, Duration::ZERO);
        assert!(matches!(pause, Next::Pause(_)));
        for next in [Next::Try(1), Next::Try(2), Next::Try(0), Next::GiveUp] {
            assert_eq!(escalation.next(FailureScope::Locked, MAX_SEARCH * 10), next);
        }
    }

    #[test]
    fn the_parts_are_the_family() {
        for last in [0, 1, 9, 10, 11, 999] {
            let tried: Vec<u16> = parts(last).flatten().collect();
            let expected: Vec<u16> = (1..=last).chain([0]).collect();
            assert_eq!(tried, expected);
        }
        let mut escalation = Escalation::new(2, Duration::ZERO, 999, &Reach::Part(1..=3));
        for next in [Next::Try(1), Next::Try(3), Next::GiveUp] {
            assert_eq!(escalation.next(FailureScope::Locked, Duration::ZERO), next);
        }
    }

    #[test]
    fn a_record_behind_a_backlog_tries_the_current_file_only() {
        let mut escalation = Escalation::new(3, Duration::ZERO, 999, &Reach::Current);
        assert_eq!(
            escalation.next(FailureScope::Locked, Duration::ZERO),
            Next::GiveUp
        );
    }

    proptest::proptest! {
        #[test]
        fn every_way_ends_within_its_bounds(
            current in 0u16..=20,
            last in 0u16..=20,
            wait in 0u64..30,
            refusals in proptest::collection::vec(0..10u8, 1..2_000),
        ) {
            let wait = Duration::from_millis(wait);
            let mut escalation = Escalation::new(current, wait, last, &Reach::Family);
            let mut waited = Duration::ZERO;
            let mut tried = Vec::new();
            for refusal in refusals {
                let refusal = match refusal {
                    0 => FailureScope::Directory,
                    1 => FailureScope::File(ErrorKind::PermissionDenied),
                    _ => FailureScope::Locked,
                };
                match escalation.next(refusal, waited) {
                    Next::Pause(pause) => {
                        assert!(tried.is_empty(), "only the current file is waited for");
                        waited += pause;
                    }
                    Next::Try(file) => tried.push(file),
                    Next::GiveUp => break,
                }
            }
            assert!(waited <= wait);
            let variants = (1..=last).filter(|file| *file != current);
            let order: Vec<u16> = variants.chain([0]).collect();
            assert!(order.starts_with(&tried), "{tried:?}");
        }
    }
}
