//! Given what an attempt answered, what next. No clock, no file: the caller brings the answers.

use std::io::ErrorKind;
use std::mem;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::notice::SwitchReason;

/// Tries again at once so many times before the first pause: on a second core the other process
/// is done with its one write by then.
const TRIES_WITHOUT_PAUSE: u32 = 2;
/// The first pause, and the longest. Among busy processes it is the number of looks that counts,
/// not how long they take together: of 24 runs of 8 processes flat out on 2 cores (160,000 records
/// a run, `lock_wait` 10 ms) 5 made a switch with pauses of up to 1 ms, and none with up to 0.4,
/// 0.2 or 0.1 ms; the longest call went down from 11 ms to 6 ms.
const FIRST_PAUSE: Duration = Duration::from_micros(25);
const LONGEST_PAUSE: Duration = Duration::from_micros(100);

/// What an attempt at one file answered, other than that it took the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Somebody holds the lock.
    Locked,
    /// This file can't be written, another one may be.
    Inaccessible(ErrorKind),
    /// No file of the family can be written: a full disk, say.
    Everywhere,
}

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
    /// Every file of the family, with this much waiting for the current one.
    Family {
        /// How long to wait for the lock of the current file.
        wait: Duration,
    },
}

/// The way of one record from the current file through the family.
#[derive(Debug)]
pub(crate) struct Escalation {
    current: u16,
    wait: Duration,
    refusals: u32,
    /// Why the current file is left, once it is.
    reason: Option<SwitchReason>,
    others: RangeInclusive<u16>,
    and_the_primary: bool,
}

impl Escalation {
    /// Starts after the first try of `current`; the variants are `1..=last`.
    pub(crate) fn new(current: u16, last: u16, reach: Reach) -> Self {
        let (wait, others, and_the_primary) = match reach {
            Reach::Current => (Duration::ZERO, NONE, false),
            Reach::Part(others) => (Duration::ZERO, others, false),
            Reach::Family { wait } => (wait, 1..=last, true),
        };
        Escalation {
            current,
            wait,
            refusals: 0,
            reason: None,
            others,
            and_the_primary,
        }
    }

    /// Why the current file was left, if it was.
    pub(crate) fn reason(&self) -> Option<&SwitchReason> {
        self.reason.as_ref()
    }

    /// What follows a refusal by the file tried last, `waited` after the first one.
    pub(crate) fn next(&mut self, refusal: Refusal, waited: Duration) -> Next {
        if refusal == Refusal::Everywhere {
            return Next::GiveUp;
        }
        if self.reason.is_none() {
            let left = self.wait.saturating_sub(waited);
            self.reason = Some(match refusal {
                Refusal::Inaccessible(kind) => SwitchReason::Inaccessible(kind),
                _ if left.is_zero() => SwitchReason::Locked,
                _ => {
                    self.refusals += 1;
                    return Next::Pause(pause(self.refusals).min(left));
                }
            });
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
    const PART: u16 = 50;
    (1..=last)
        .step_by(PART.into())
        .map(move |first| first..=last.min(first + PART - 1))
        .chain([0..=0])
}

/// The pause before the `n`th try again, from 1.
fn pause(n: u32) -> Duration {
    match n.checked_sub(TRIES_WITHOUT_PAUSE + 1) {
        None => Duration::ZERO,
        Some(doublings) => (FIRST_PAUSE * 2u32.pow(doublings.min(10))).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: Reach = Reach::Family {
        wait: Duration::ZERO,
    };

    fn tried(current: u16, last: u16) -> Vec<u16> {
        let mut escalation = Escalation::new(current, last, FAMILY);
        let mut tried = Vec::new();
        while let Next::Try(file) = escalation.next(Refusal::Locked, Duration::ZERO) {
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
        let mut escalation = Escalation::new(0, 2, Reach::Family { wait });
        let mut waited = Duration::ZERO;
        let mut pauses = 0;
        while let Next::Pause(pause) = escalation.next(Refusal::Locked, waited) {
            waited += pause;
            pauses += 1;
        }
        assert_eq!(waited, wait);
        assert!((50..200).contains(&pauses), "{pauses}");
        assert_eq!(escalation.reason(), Some(&SwitchReason::Locked));

        let mut escalation = Escalation::new(0, 2, Reach::Family { wait });
        let denied = Refusal::Inaccessible(ErrorKind::PermissionDenied);
        assert_eq!(escalation.next(denied, Duration::ZERO), Next::Try(1));
        assert_eq!(
            escalation.next(Refusal::Locked, Duration::ZERO),
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
        let mut escalation = Escalation::new(0, 999, FAMILY);
        assert_eq!(
            escalation.next(Refusal::Everywhere, Duration::ZERO),
            Next::GiveUp
        );
        let mut escalation = Escalation::new(0, 999, FAMILY);
        assert_eq!(
            escalation.next(Refusal::Locked, Duration::ZERO),
            Next::Try(1)
        );
        assert_eq!(
            escalation.next(Refusal::Everywhere, Duration::ZERO),
            Next::GiveUp
        );
    }

    #[test]
    fn the_parts_are_the_family() {
        for last in [0, 1, 49, 50, 51, 999] {
            let tried: Vec<u16> = parts(last).flatten().collect();
            let expected: Vec<u16> = (1..=last).chain([0]).collect();
            assert_eq!(tried, expected);
        }
        let mut escalation = Escalation::new(2, 999, Reach::Part(1..=3));
        for next in [Next::Try(1), Next::Try(3), Next::GiveUp] {
            assert_eq!(escalation.next(Refusal::Locked, Duration::ZERO), next);
        }
    }

    #[test]
    fn a_record_behind_a_backlog_tries_the_current_file_only() {
        let mut escalation = Escalation::new(3, 999, Reach::Current);
        assert_eq!(
            escalation.next(Refusal::Locked, Duration::ZERO),
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
            let mut escalation = Escalation::new(current, last, Reach::Family { wait });
            let mut waited = Duration::ZERO;
            let mut tried = Vec::new();
            for refusal in refusals {
                let refusal = match refusal {
                    0 => Refusal::Everywhere,
                    1 => Refusal::Inaccessible(ErrorKind::PermissionDenied),
                    _ => Refusal::Locked,
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
