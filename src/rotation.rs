//! When a file is full or its period is over, and the name it gets then.

use std::io::{self, ErrorKind};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime as Now};

use crate::family;
use crate::sys;

/// For how long a log is written to one file, by the clock, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Period {
    /// Until the end of the minute.
    Minutely,
    /// Until the end of the hour.
    Hourly,
    /// Until midnight.
    Daily,
    /// Until midnight between Sunday and Monday.
    Weekly,
}

impl Period {
    /// The number of the period that a time is in; later periods have higher ones.
    pub(crate) fn number(self, time: SystemTime) -> i64 {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        let seconds = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_secs() as i64,
            // The second that a time before 1970 is in began before it.
            Err(before) => -(before.duration().as_secs_f64().ceil() as i64),
        };
        match self {
            Period::Minutely => seconds.div_euclid(MINUTE),
            Period::Hourly => seconds.div_euclid(HOUR),
            Period::Daily => seconds.div_euclid(DAY),
            // 1 January 1970 was a Thursday.
            Period::Weekly => (seconds.div_euclid(DAY) + 3).div_euclid(7),
        }
    }
}

/// When to rotate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rotation {
    pub(crate) max_size: Option<NonZeroU64>,
    pub(crate) period: Option<Period>,
}

impl Rotation {
    /// Whether a file of that length, last changed then, is to be rotated before so many bytes go
    /// into it.
    pub(crate) fn is_due(
        &self,
        length: u64,
        changed: SystemTime,
        bytes: usize,
        now: SystemTime,
    ) -> bool {
        let is_full = |max: NonZeroU64| length.saturating_add(bytes as u64) > max.get();
        let is_over = |period: Period| period.number(now) > period.number(changed);
        // An archive has something in it.
        length > 0 && (self.max_size.is_some_and(is_full) || self.period.is_some_and(is_over))
    }

    /// How many bytes of records may go into a file together, where `most` is enough otherwise.
    pub(crate) fn batch(&self, most: usize) -> usize {
        let max = self.max_size.map_or(u64::MAX, NonZeroU64::get);
        usize::try_from(max).map_or(most, |max| max.min(most))
    }
}

/// A file that could not be rotated is tried again after that.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What keeps an appender from rotating one file at every commit.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// The number of the file.
    file: u16,
    /// The period in which this appender has rotated it.
    rotated: Option<i64>,
    /// When it could not be rotated, if it could not the last time.
    failed: Option<Instant>,
}

impl Backoff {
    /// What is left of `rotation` for a file, now in `period`.
    pub(crate) fn allowed(
        &mut self,
        file: u16,
        mut rotation: Rotation,
        period: impl Fn() -> Option<i64>,
    ) -> Option<Rotation> {
        if file != self.file {
            return Some(rotation);
        }
        if self.failed.is_some_and(|at| at.elapsed() < RETRY_INTERVAL) {
            return None;
        }
        if self.rotated.is_some() {
            match self.rotated == period() {
                // The clock of the files may still be in the last period: it is a coarse one on
                // some file systems, and another machine's on a network disk.
                true => rotation.period = None,
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

/// Which file of a log is rotated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) primary: &'a Path,
    pub(crate) number: u16,
}

impl Member<'_> {
    /// Renames it to an archive, and tells to which. Whoever asks has its lock.
    ///
    /// Of a link it is the file that it leads to.
    pub(crate) fn rename(self, path: &Path) -> io::Result<(PathBuf, PathBuf)> {
        let real = path.canonicalize()?;
        let is_link = path.symlink_metadata()?.is_symlink();
        let (primary, number) = match (is_link, self.primary.file_name()) {
            (false, Some(name)) => (real.with_file_name(name), self.number),
            _ => (real.clone(), 0),
        };
        let stamp = stamp();
        let archive = |n| family::archive(&primary, number, &stamp, n);
        // Somebody who takes no lock may take a name as well.
        let mut tries = 100;
        loop {
            let to = archive(first_free(|n| is_taken(&archive(n))));
            match sys::rename_to_new(&real, &to) {
                Ok(()) => return Ok((real, to)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && tries > 0 => tries -= 1,
                Err(error) => return Err(error),
            }
        }
    }
}

/// A number, from 1, that is not taken but the one before it is: in few looks.
fn first_free(is_taken: impl Fn(u32) -> bool) -> u32 {
    let mut free = 1;
    while is_taken(free) && free < u32::MAX / 2 {
        free *= 2;
    }
    let mut taken = free / 2;
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        match is_taken(middle) {
            true => taken = middle,
            false => free = middle,
        }
    }
    free
}

/// Whether there is an archive of that name, or a compressed one.
fn is_taken(archive: &Path) -> bool {
    let found = archive.symlink_metadata();
    // In this order: the one is there until the other is. (And the longer name may be too long.)
    !found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
        || family::compressed(archive).symlink_metadata().is_ok()
}

/// The time, as `2026-11-23T07-55-01Z`: colons are not for file names.
fn stamp() -> String {
    let mut now = String::new();
    let _ = Now.format_time(&mut Writer::new(&mut now));
    let (seconds, _) = now.split_once('.').unwrap_or((&now, ""));
    format!("{}Z", seconds.trim_end_matches('Z').replace(':', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> SystemTime {
        match u64::try_from(seconds) {
            Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds),
            Err(_) => UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()),
        }
    }

    #[test]
    fn a_period_ends_by_the_clock_in_utc() {
        const DAY: i64 = 86_400;
        // Monday, 23 November 2026, 00:00:00 UTC.
        let monday = 1_795_392_000;
        for (period, ends) in [
            (Period::Minutely, vec![0, 60, 3_600, -60]),
            (Period::Hourly, vec![0, 3_600, -3_600]),
            (Period::Daily, vec![0, DAY, -DAY]),
            (Period::Weekly, vec![0, 7 * DAY, -7 * DAY]),
        ] {
            for end in ends {
                let (last, first) = (at(monday + end - 1), at(monday + end));
                assert_eq!(
                    period.number(first),
                    period.number(last) + 1,
                    "{period:?} {end}"
                );
            }
        }
        assert_eq!(
            Period::Weekly.number(at(monday)),
            Period::Weekly.number(at(monday + 7 * DAY - 1))
        );
        assert_eq!(Period::Daily.number(at(0)), 0);
        assert_eq!(Period::Daily.number(at(-1)), -1);
    }

    #[test]
    fn size_and_period_rotate_what_is_not_empty() {
        let size = Rotation {
            max_size: NonZeroU64::new(100),
            period: None,
        };
        let both = Rotation {
            period: Some(Period::Minutely),
            ..size
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
    fn a_period_is_rotated_once_also_after_the_clock_jumped_ahead_and_back() {
        let rotation = Rotation {
            max_size: NonZeroU64::new(100),
            period: Some(Period::Daily),
        };
        let mut backoff = Backoff::default();
        backoff.rotated(0, Some(10));
        let mut by_period = |file, day| {
            backoff
                .allowed(file, rotation, || Some(day))
                .unwrap()
                .period
        };
        assert_eq!(by_period(0, 10), None);
        assert_eq!(by_period(1, 10), rotation.period, "another file");
        // Back, and then the day comes.
        assert_eq!(by_period(0, 5), rotation.period);
        assert_eq!(by_period(0, 10), rotation.period);
    }

    #[test]
    fn a_rotation_that_failed_is_said_once_and_put_off_for_that_file() {
        let rotation = Rotation::default();
        let mut backoff = Backoff::default();
        assert!(backoff.failed(0));
        assert!(!backoff.failed(0));
        assert!(backoff.allowed(0, rotation, || None).is_none());
        assert!(backoff.allowed(1, rotation, || None).is_some());
        backoff.rotated(0, None);
        assert!(backoff.allowed(0, rotation, || None).is_some());
        assert!(backoff.failed(0));
        assert!(backoff.failed(1));
        assert!(backoff.allowed(0, rotation, || None).is_some());
    }

    #[test]
    fn archives_of_one_second_are_numbered() {
        let dir = tempfile::tempdir().unwrap();
        for (name, number) in [("app.log", 0), ("app.log", 7), ("plain", 0), ("plain", 7)] {
            let primary = dir.path().join(name);
            let path = family::member(&primary, number);
            let mut made = Vec::new();
            for n in 0..20 {
                std::fs::write(&path, n.to_string()).unwrap();
                let member = Member {
                    primary: &primary,
                    number,
                };
                made.push(member.rename(&path).unwrap().1);
            }
            for (n, archive) in made.iter().enumerate() {
                assert_eq!(std::fs::read_to_string(archive).unwrap(), n.to_string());
            }
            let archives = crate::Family::of(&primary).unwrap().archives;
            // They are spelled in another way on Windows.
            let is_made = |archive: &&PathBuf| {
                let mut names = made.iter().map(|made| made.file_name());
                names.any(|name| name == archive.file_name())
            };
            assert_eq!(archives.iter().filter(is_made).count(), 20);
        }
    }

    #[test]
    fn a_free_number_is_found_in_few_looks() {
        for taken in [0, 1, 2, 3, 7, 8, 1_000, 1_000_000] {
            let looks = std::cell::Cell::new(0);
            let free = first_free(|n| {
                looks.set(looks.get() + 1);
                n <= taken
            });
            assert_eq!(free, taken + 1);
            assert!(looks.get() <= 45, "{}", looks.get());
        }
    }
}
