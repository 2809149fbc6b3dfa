//! Which file is tried next, after the answer of each attempt: the current one again, the variants,
//! the primary. It uses no clock and no file: the caller passes the answers.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::lock_wait::{LockWait, Look, Pause, Waited};
use crate::notify::SwitchReason;
use crate::sys::FailureScope;

/// The time that one call searches the variants for, after its wait. All 999 locked take 1.8 ms on a
/// local disk; where each takes milliseconds, the record waits in the backlog, and a thread goes on
/// with the search.
const MAX_SEARCH: Duration = Duration::from_millis(50);

/// What to do after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Pause, then try the current file again.
    Pause(Pause),
    /// Try this file, once, without waiting.
    Try(u16),
    /// No file takes the record now.
    GiveUp,
}

/// The other files that a record may go to, in the order in which they are tried.
#[derive(Clone, Debug)]
pub(crate) struct Candidates {
    variants: RangeInclusive<u16>,
    last_resort: Option<u16>,
}

impl Candidates {
    /// No other file.
    pub(crate) fn none() -> Self {
        Candidates::only(RangeInclusive::new(1, 0))
    }

    /// Every file of the family: the variants, low numbers first, then the primary.
    pub(crate) fn all(max_variants: u16) -> Self {
        Candidates {
            variants: 1..=max_variants,
            last_resort: Some(0),
        }
    }

    /// The same files in parts, so that no other call waits for a search of all of them.
    pub(crate) fn parts(max_variants: u16) -> impl Iterator<Item = Self> {
        const PART: u16 = 10;
        (1..=max_variants)
            .step_by(PART.into())
            .map(move |first| first..=max_variants.min(first + PART - 1))
            .chain([0..=0])
            .map(Candidates::only)
    }

    fn only(files: RangeInclusive<u16>) -> Self {
        Candidates {
            variants: files,
            last_resort: None,
        }
    }

    fn next(&mut self, current: u16) -> Option<u16> {
        self.variants
            .find(|file| *file != current)
            .or_else(|| self.last_resort.take())
    }
}

/// The search of one record for a file that takes it: first the current one, then the candidates.
#[derive(Debug)]
pub(crate) struct FallbackSearch {
    current: u16,
    wait: LockWait,
    /// Why the current file is left, once it is.
    reason: Option<SwitchReason>,
    /// When the search of the candidates began.
    search_began: Option<Duration>,
    candidates: Candidates,
}

impl FallbackSearch {
    /// Starts after the first try of `current`.
    pub(super) fn new(current: u16, wait: LockWait, candidates: Candidates) -> Self {
        FallbackSearch {
            current,
            wait,
            reason: None,
            search_began: None,
            candidates,
        }
    }

    /// Why the current file was left, if it was.
    pub(crate) fn reason(&self) -> Option<&SwitchReason> {
        self.reason.as_ref()
    }

    /// The part of the wait in which somebody sat on the lock, as far as is known.
    pub(super) fn unchanged(&self) -> Duration {
        self.wait.unchanged()
    }

    /// What follows a failure at the file tried last, `waited` after the first one.
    pub(super) fn next(
        &mut self,
        failure: FailureScope,
        waited: Waited,
        look: impl FnOnce() -> Look,
    ) -> Next {
        if failure.is_every_file() {
            return Next::GiveUp;
        }
        if self.reason.is_none() {
            self.reason = Some(match failure {
                FailureScope::File(kind) => SwitchReason::Inaccessible(kind),
                _ => match self.wait.next(waited, look) {
                    Some(pause) => return Next::Pause(pause),
                    None => SwitchReason::Locked,
                },
            });
        }
        let began = *self.search_began.get_or_insert(waited.time);
        if waited.time.saturating_sub(began) > MAX_SEARCH {
            return Next::GiveUp;
        }
        self.candidates
            .next(self.current)
            .map_or(Next::GiveUp, Next::Try)
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::numbers::Numbers;

    /// The next step, `waited` after the first try, where the file does not change.
    fn after(search: &mut FallbackSearch, failure: FailureScope, time: Duration) -> Next {
        let delay = Duration::ZERO;
        search.next(failure, Waited { time, delay }, || Look::Unchanged {
            load: 0.0,
        })
    }

    fn without_waiting(current: u16, last: u16) -> FallbackSearch {
        FallbackSearch::new(
            current,
            LockWait::new(Duration::ZERO),
            Candidates::all(last),
        )
    }

    fn tried(current: u16, last: u16) -> Vec<u16> {
        let mut search = without_waiting(current, last);
        let mut tried = Vec::new();
        while let Next::Try(file) = after(&mut search, FailureScope::Locked, Duration::ZERO) {
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
        let mut search = FallbackSearch::new(0, LockWait::new(wait), Candidates::all(2));
        let mut waited = Duration::ZERO;
        let mut pauses = 0;
        while let Next::Pause(pause) = after(&mut search, FailureScope::Locked, waited) {
            waited += pause.time();
            pauses += 1;
        }
        assert_eq!(waited, wait);
        assert!(pauses > 10);
        assert_eq!(search.reason(), Some(&SwitchReason::Locked));

        let mut search = FallbackSearch::new(0, LockWait::new(wait), Candidates::all(2));
        let denied = FailureScope::File(ErrorKind::PermissionDenied);
        assert_eq!(after(&mut search, denied, Duration::ZERO), Next::Try(1));
        assert_eq!(
            after(&mut search, FailureScope::Locked, Duration::ZERO),
            Next::Try(2)
        );
        assert_eq!(
            search.reason(),
            Some(&SwitchReason::Inaccessible(ErrorKind::PermissionDenied)),
            "the reason is why the current file was left"
        );
    }

    #[test]
    fn what_no_variant_escapes_tries_none() {
        let mut search = without_waiting(0, 999);
        assert_eq!(
            after(&mut search, FailureScope::Directory, Duration::ZERO),
            Next::GiveUp
        );
        let mut search = without_waiting(0, 999);
        assert_eq!(
            after(&mut search, FailureScope::Locked, Duration::ZERO),
            Next::Try(1)
        );
        assert_eq!(
            after(&mut search, FailureScope::Directory, Duration::ZERO),
            Next::GiveUp
        );
    }

    #[test]
    fn a_search_on_a_slow_disk_ends_in_the_call() {
        let wait = Duration::from_millis(10);
        let mut search = FallbackSearch::new(0, LockWait::new(wait), Candidates::all(999));
        for (waited, next) in [
            (wait, Next::Try(1)),
            (wait + MAX_SEARCH, Next::Try(2)),
            (wait + MAX_SEARCH * 2, Next::GiveUp),
        ] {
            assert_eq!(after(&mut search, FailureScope::Locked, waited), next);
        }
    }

    #[test]
    fn a_pause_that_the_machine_draws_out_takes_nothing_from_the_search() {
        let wait = Duration::from_millis(10);
        let mut search = FallbackSearch::new(0, LockWait::new(wait), Candidates::all(2));
        let pause = after(&mut search, FailureScope::Locked, Duration::ZERO);
        assert!(matches!(pause, Next::Pause(_)));
        for next in [Next::Try(1), Next::Try(2), Next::Try(0), Next::GiveUp] {
            assert_eq!(
                after(&mut search, FailureScope::Locked, MAX_SEARCH * 10),
                next
            );
        }
    }

    #[test]
    fn the_parts_are_the_family() {
        for last in [0, 1, 9, 10, 11, 999] {
            let tried: Vec<u16> = Candidates::parts(last)
                .flat_map(|part| part.variants)
                .collect();
            let expected: Vec<u16> = (1..=last).chain([0]).collect();
            assert_eq!(tried, expected);
        }
        let mut search =
            FallbackSearch::new(2, LockWait::new(Duration::ZERO), Candidates::only(1..=3));
        for next in [Next::Try(1), Next::Try(3), Next::GiveUp] {
            assert_eq!(
                after(&mut search, FailureScope::Locked, Duration::ZERO),
                next
            );
        }
    }

    #[test]
    fn a_record_behind_a_backlog_tries_the_current_file_only() {
        let mut search = FallbackSearch::new(3, LockWait::new(Duration::ZERO), Candidates::none());
        assert_eq!(
            after(&mut search, FailureScope::Locked, Duration::ZERO),
            Next::GiveUp
        );
    }

    #[test]
    fn every_way_ends_within_its_bounds() {
        let mut numbers = Numbers::new(1);
        for _ in 0..1_000 {
            let current = numbers.below(21) as u16;
            let last = numbers.below(21) as u16;
            let wait = Duration::from_millis(numbers.below(30));
            let refusals = 1 + numbers.below(1_999);
            let mut search =
                FallbackSearch::new(current, LockWait::new(wait), Candidates::all(last));
            let mut waited = Duration::ZERO;
            let mut tried = Vec::new();
            for _ in 0..refusals {
                let refusal = match numbers.below(10) {
                    0 => FailureScope::Directory,
                    1 => FailureScope::File(ErrorKind::PermissionDenied),
                    _ => FailureScope::Locked,
                };
                match after(&mut search, refusal, waited) {
                    Next::Pause(pause) => {
                        assert!(tried.is_empty(), "only the current file is waited for");
                        waited += pause.time();
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
