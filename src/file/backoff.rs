//! The pause after a rotation: in the same period, and after a failure.

use std::time::Duration;

use super::due::Rotation;
use crate::sys::Instant;

/// Time after which a file that could not be rotated is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps an appender from rotating one file at every commit.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// The number of the file.
    file: u16,
    /// When the period began in which this appender has rotated it.
    rotated: Option<i64>,
    /// When it could not be rotated, if it could not the last time.
    failed: Option<Instant>,
}

impl Backoff {
    /// Returns how much of `rotation` applies to a file now, in the period that began at `period`.
    pub(crate) fn allowed<'a>(
        &mut self,
        file: u16,
        mut rotation: Rotation<'a>,
        period: impl Fn() -> Option<i64>,
    ) -> Option<Rotation<'a>> {
        if file != self.file {
            return Some(rotation);
        }
        if self.failed.is_some_and(|at| at.elapsed() < RETRY_INTERVAL) {
            // It is never due; but a file that others have rotated and removed is still noticed.
            return Some(Rotation::default());
        }
        if self.rotated.is_some() {
            match self.rotated == period() {
                // The clock of the files may still be in the last period: it is a coarse one on
                // some file systems, and another machine's on a network disk.
                true => rotation.is_of_period = true,
                // A clock that was set ahead and back comes to that period once more.
                false => self.rotated = None,
            }
        }
        Some(rotation)
    }

    /// The file was rotated.
    pub(crate) fn rotated(&mut self, file: u16, period: Option<i64>) {
        *self = Backoff {
            file,
            rotated: period,
            failed: None,
        };
    }

    /// The file could not be rotated. Returns true if the last time it could.
    pub(crate) fn failed(&mut self, file: u16) -> bool {
        if file != self.file {
            *self = Backoff {
                file,
                ..Backoff::default()
            };
        }
        self.failed.replace(Instant::now()).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::Calendar;
    use super::super::period::{at, Period};
    use super::*;

    #[test]
    fn a_period_is_rotated_once_also_after_the_clock_jumped_ahead_and_back() {
        let daily = Calendar::new(Period::Daily);
        let rotation = Rotation {
            max_size: Some(100),
            calendar: Some(&daily),
            ..Rotation::default()
        };
        let mut backoff = Backoff::default();
        backoff.rotated(0, Some(10));
        let mut by_period = |file, day| {
            let allowed = backoff.allowed(file, rotation, || Some(day)).unwrap();
            assert!(allowed.calendar.is_some(), "the look has to be noted");
            assert_eq!(
                allowed.is_due(1, at(0), 0, at(86_400)),
                !allowed.is_of_period
            );
            !allowed.is_of_period
        };
        assert!(!by_period(0, 10));
        assert!(by_period(1, 10), "another file");
        // Back, and then the day comes.
        assert!(by_period(0, 5));
        assert!(by_period(0, 10));
    }

    #[test]
    fn a_rotation_that_failed_is_said_once_and_put_off_for_that_file() {
        let rotation = Rotation {
            max_size: Some(100),
            ..Rotation::default()
        };
        let mut backoff = Backoff::default();
        assert!(backoff.failed(0));
        assert!(!backoff.failed(0));
        let is_put_off = |backoff: &mut Backoff, file| {
            let left = backoff.allowed(file, rotation, || None).unwrap();
            left.max_size.is_none()
        };
        assert!(is_put_off(&mut backoff, 0));
        assert!(!is_put_off(&mut backoff, 1));
        backoff.rotated(0, None);
        assert!(!is_put_off(&mut backoff, 0));
        assert!(backoff.failed(0));
        assert!(backoff.failed(1));
        assert!(!is_put_off(&mut backoff, 0));
    }
}
