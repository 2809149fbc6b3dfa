//! The periods by which a log is rotated.

use std::time::{SystemTime, UNIX_EPOCH};

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

/// A time by its second, for tests.
#[cfg(test)]
pub(super) fn at(seconds: i64) -> SystemTime {
    match u64::try_from(seconds) {
        Ok(seconds) => UNIX_EPOCH + std::time::Duration::from_secs(seconds),
        Err(_) => UNIX_EPOCH - std::time::Duration::from_secs(seconds.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
