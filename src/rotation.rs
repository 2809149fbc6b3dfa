//! When a file is full or its period is over, and the name it gets then.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime as Now};

use crate::family;

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
    fn number(self, time: SystemTime) -> i64 {
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

/// The name that `file` gets now. Whoever asks has its lock, so nobody else asks for it.
pub(crate) fn archive_name(file: &Path) -> PathBuf {
    let stamp = stamp();
    (1..)
        .map(|n| family::archive(file, &stamp, n))
        .find(|archive| !is_taken(archive))
        .unwrap_or_else(|| file.to_owned())
}

fn is_taken(archive: &Path) -> bool {
    archive.symlink_metadata().is_ok()
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
    use std::time::Duration;

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
    fn archives_of_one_second_are_numbered() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("app.log");
        let mut made: Vec<PathBuf> = Vec::new();
        for _ in 0..12 {
            made.push(archive_name(&file));
            std::fs::write(made.last().unwrap(), "").unwrap();
        }
        let name = made[0].file_name().unwrap().to_str().unwrap();
        assert_eq!(name.len(), "app.2026-11-23T07-55-01Z.log".len(), "{name}");
        assert_eq!(crate::Family::of(&file).unwrap().archives, made);
    }
}
