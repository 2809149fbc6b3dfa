//! When a file is rotated: it is full, or its period is over.

use std::path::PathBuf;
#[cfg(test)]
use std::time::Duration;
use std::time::SystemTime;

use super::calendar::Calendar;
use crate::sys::Identity;

/// When to rotate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rotation<'a> {
    pub(crate) max_size: Option<u64>,
    pub(crate) calendar: Option<&'a Calendar>,
    /// Whatever is in the file.
    pub(crate) at_once: bool,
    /// This appender has rotated the file in this period.
    pub(crate) is_of_period: bool,
}

impl Rotation<'_> {
    /// Returns true if a file of `length` bytes that was changed at `changed` has to be rotated before
    /// `bytes` bytes go into it.
    pub(crate) fn is_due(
        &self,
        length: u64,
        changed: SystemTime,
        bytes: usize,
        now: SystemTime,
    ) -> bool {
        let is_full = |max| length.saturating_add(bytes as u64) > max;
        let is_over = |calendar: &Calendar| calendar.is_over(changed, now);
        // No archive is empty.
        length > 0
            && (self.at_once
                || self.max_size.is_some_and(is_full)
                || !self.is_of_period && self.calendar.is_some_and(is_over))
    }

    /// How many bytes of records may go into a file together, where `most` is enough otherwise.
    pub(crate) fn batch(&self, most: usize) -> usize {
        let max = self.max_size.unwrap_or(u64::MAX);
        usize::try_from(max).map_or(most, |max| max.min(most))
    }
}

/// What the commits of an appender have rotated, and when they last checked.
#[derive(Debug, Default)]
pub(crate) struct Rotations {
    /// The archives that have been made and not been reported yet.
    pub(crate) archives: Vec<PathBuf>,
    pub(super) last_look: LastLook,
}

/// The last check of a file that was not due: which file, and when.
///
/// A commit that checks just before the end of a period may write just after it. Then the file's
/// last change is in the new period, and without this the file would not be rotated in that period
/// at all.
#[derive(Debug, Default)]
pub(super) struct LastLook(pub(super) Option<(Identity, SystemTime)>);

#[cfg(all(test, unix))]
impl Rotations {
    /// As if the last look had been earlier.
    pub(crate) fn look_earlier(&mut self, by: Duration) {
        let (_, looked) = self.last_look.0.as_mut().unwrap();
        *looked -= by;
    }
}

impl LastLook {
    /// Returns when this file was changed last or, if that is earlier, checked last.
    pub(super) fn or_earlier(&self, file: Option<Identity>, changed: SystemTime) -> SystemTime {
        match (file, self.0) {
            (Some(file), Some((known, looked))) if file == known => changed.min(looked),
            _ => changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::period::{at, Period};
    use super::*;

    #[test]
    fn size_and_period_rotate_what_is_not_empty() {
        let size = Rotation {
            max_size: Some(100),
            ..Rotation::default()
        };
        let minutely = Calendar::new(Period::Minutely);
        let both = Rotation {
            calendar: Some(&minutely),
            ..size
        };
        let at_once = Rotation {
            at_once: true,
            ..Rotation::default()
        };
        let (before, now) = (at(59), at(60));
        for (rotation, length, changed, bytes, due) in [
            (size, 0, now, 1_000, false),
            (size, 90, now, 10, false),
            (size, 90, now, 11, true),
            (size, 101, now, 1, true),
            (size, 90, before, 10, false),
            (size, u64::MAX, now, usize::MAX, true),
            (both, 90, before, 10, true),
            (both, 0, before, 10, false),
            (both, 90, now, 10, false),
            // The clock was set back.
            (both, 90, at(600), 10, false),
            (Rotation::default(), u64::MAX, before, 10, false),
            (at_once, 1, now, 10, true),
            (at_once, 0, before, 10, false),
        ] {
            assert_eq!(
                rotation.is_due(length, changed, bytes, now),
                due,
                "{rotation:?} {length} {bytes}"
            );
        }
        assert_eq!((size.batch(64), size.batch(1_000)), (64, 100));
    }

    #[test]
    fn a_file_that_was_looked_at_in_the_last_period_and_changed_in_this_one_is_of_the_last() {
        let file = (1, 2, None);
        let last_look = LastLook(Some((file, at(59))));
        let file = Some(file);
        for (file, changed, expected) in [
            (file, 61, 59),
            (file, 58, 58),
            (Some((1, 3, None)), 61, 61),
            (None, 61, 61),
        ] {
            assert_eq!(last_look.or_earlier(file, at(changed)), at(expected));
        }
        assert_eq!(LastLook::default().or_earlier(file, at(61)), at(61));
    }
}
