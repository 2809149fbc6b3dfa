//! The periods by which a log is rotated.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// For how long a log is written to one file, by the clock: in UTC, unless
/// `Builder::time_zone` (feature `local-time`) says otherwise.
///
/// It is written and parsed as `minutely`, `hourly`, `daily`, `weekly`, `15m` or `6h`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tracing_fallback_file::Period;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let quarter_of_an_hour = Period::every(Duration::from_secs(15 * 60))?;
/// assert_eq!(quarter_of_an_hour, "15m".parse()?);
/// assert_eq!(quarter_of_an_hour.to_string(), "15m");
/// assert_eq!("daily".parse(), Ok(Period::Daily));
/// # Ok(())
/// # }
/// ```
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
    /// Until the end of a number of minutes or hours, from [`Period::every`].
    Every(Minutes),
}

/// A whole number of minutes, in a [`Period::Every`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Minutes(NonZeroU32);

impl Period {
    /// A period of any whole number of minutes.
    ///
    /// Periods that divide a day begin at midnight: six hours end at 00:00, 06:00, 12:00 and 18:00.
    /// Others are counted from 1 January 1970, 00:00.
    ///
    /// # Errors
    ///
    /// If it is not a whole number of minutes, or zero, or more than 2³² minutes.
    pub fn every(length: Duration) -> Result<Period, PeriodError> {
        let is_whole = length.subsec_nanos() == 0 && length.as_secs() % MINUTE as u64 == 0;
        u32::try_from(length.as_secs() / MINUTE as u64)
            .ok()
            .and_then(NonZeroU32::new)
            .filter(|_| is_whole)
            .map(Period::of_minutes)
            .ok_or_else(|| PeriodError(format!("{length:?}")))
    }

    fn of_minutes(minutes: NonZeroU32) -> Period {
        match minutes.get() {
            1 => Period::Minutely,
            60 => Period::Hourly,
            1_440 => Period::Daily,
            _ => Period::Every(Minutes(minutes)),
        }
    }

    /// Its length in seconds.
    pub(super) fn length(self) -> i64 {
        match self {
            Period::Minutely => MINUTE,
            Period::Hourly => HOUR,
            Period::Daily => DAY,
            Period::Weekly => 7 * DAY,
            Period::Every(Minutes(minutes)) => i64::from(minutes.get()) * MINUTE,
        }
    }

    /// The beginning of the period that a time is in. Both are seconds since 1970 on the clock by
    /// which periods end.
    pub(super) fn start(self, seconds: i64) -> i64 {
        // 1 January 1970 was a Thursday.
        let shift = match self {
            Period::Weekly => 3 * DAY,
            _ => 0,
        };
        seconds - (seconds + shift).rem_euclid(self.length())
    }
}

/// Whole seconds since 1970, rounded down.
pub(super) fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        // The second that a time before 1970 is in began before it.
        Err(before) => -(before.duration().as_secs_f64().ceil() as i64),
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Minutely => f.write_str("minutely"),
            Period::Hourly => f.write_str("hourly"),
            Period::Daily => f.write_str("daily"),
            Period::Weekly => f.write_str("weekly"),
            Period::Every(Minutes(minutes)) => match minutes.get() {
                minutes if minutes % 60 == 0 => write!(f, "{}h", minutes / 60),
                minutes => write!(f, "{minutes}m"),
            },
        }
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || PeriodError(format!("{text:?}"));
        let period = match text {
            "minutely" => Period::Minutely,
            "hourly" => Period::Hourly,
            "daily" => Period::Daily,
            "weekly" => Period::Weekly,
            _ => {
                let (number, minutes) = match text.strip_suffix('h') {
                    Some(hours) => (hours, 60),
                    None => (text.strip_suffix('m').ok_or_else(invalid)?, 1),
                };
                // `u32` would accept a plus sign as well.
                let number =
                    Some(number).filter(|number| number.bytes().all(|b| b.is_ascii_digit()));
                let number: Option<u32> = number.and_then(|number| number.parse().ok());
                number
                    .and_then(|number| NonZeroU32::new(number.checked_mul(minutes)?))
                    .map(Period::of_minutes)
                    .ok_or_else(invalid)?
            }
        };
        Ok(period)
    }
}

/// The error of a text or a duration that is no [`Period`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodError(String);

impl PeriodError {
    pub(crate) const ALLOWED: &'static str =
        "minutely, hourly, daily, weekly, or a whole number of minutes or hours such as 15m or 6h";
}

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no period: {}", self.0, Self::ALLOWED)
    }
}

impl Error for PeriodError {}

/// A time by its second, for tests.
#[cfg(test)]
pub(super) fn at(seconds: i64) -> SystemTime {
    match u64::try_from(seconds) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds),
        Err(_) => UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(minutes: u64) -> Period {
        Period::every(Duration::from_secs(minutes * 60)).unwrap()
    }

    #[test]
    fn a_period_ends_by_the_clock() {
        // Monday, 23 November 2026, 00:00:00.
        let monday = 1_795_392_000;
        for (period, ends) in [
            (Period::Minutely, vec![0, 60, 3_600, -60]),
            (Period::Hourly, vec![0, 3_600, -3_600]),
            (Period::Daily, vec![0, DAY, -DAY]),
            (Period::Weekly, vec![0, 7 * DAY, -7 * DAY]),
            (every(15), vec![0, 900, -900]),
            (every(360), vec![0, 6 * HOUR, -6 * HOUR]),
        ] {
            for end in ends {
                let (last, first) = (monday + end - 1, monday + end);
                assert_eq!(period.start(first), first, "{period:?} {end}");
                assert_eq!(
                    period.start(last),
                    first - period.length(),
                    "{period:?} {end}"
                );
            }
        }
        assert_eq!(every(7).start(7 * 60 * 1_000 - 1), 7 * 60 * 999);
        for (second, start) in [(0, 0), (1, 0), (-1, -DAY)] {
            assert_eq!(Period::Daily.start(seconds(at(second))), start);
        }
        let half = UNIX_EPOCH - Duration::from_millis(500);
        assert_eq!(seconds(half), -1);
    }

    #[test]
    fn a_period_is_parsed_as_it_is_written() {
        for (period, text) in [
            (Period::Minutely, "minutely"),
            (Period::Hourly, "hourly"),
            (Period::Daily, "daily"),
            (Period::Weekly, "weekly"),
            (every(2), "2m"),
            (every(15), "15m"),
            (every(90), "90m"),
            (every(6 * 60), "6h"),
            (every(48 * 60), "48h"),
        ] {
            assert_eq!(period.to_string(), text);
            assert_eq!(text.parse(), Ok(period));
        }
        for (text, period) in [
            ("1m", Period::Minutely),
            ("60m", Period::Hourly),
            ("24h", Period::Daily),
        ] {
            assert_eq!(text.parse(), Ok(period));
        }
    }

    #[test]
    fn what_is_no_whole_number_of_minutes_is_refused() {
        for text in [
            "",
            "0m",
            "0h",
            "m",
            "h",
            "15",
            "15 m",
            "+15m",
            "-1h",
            "1.5h",
            "90s",
            "1d",
            "Daily",
            "daily ",
            "99999999999m",
            "99999999h",
            "١m",
        ] {
            let error = text.parse::<Period>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{text:?} is no period: ")),
                "{error}"
            );
        }
        for length in [
            Duration::ZERO,
            Duration::from_secs(90),
            Duration::from_millis(60_001),
            Duration::MAX,
        ] {
            assert!(Period::every(length).is_err(), "{length:?}");
        }
    }
}
