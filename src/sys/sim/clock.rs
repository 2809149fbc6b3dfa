//! The clocks: those of the system, or the machine's, which goes on when something is done.

use std::ops::{Add, Sub};
use std::time::{self, Duration, SystemTime};

use super::machine::{machine, State};
use super::metadata::time as file_time;

/// The time when the machine is started, in nanoseconds since 1970: 2026-11-23T07:55:00Z.
const START: u64 = 1_795_420_500 * 1_000_000_000;

/// A time by the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Instant {
    Real(time::Instant),
    /// In nanoseconds.
    Virtual(u64),
}

impl Instant {
    pub(crate) fn now() -> Self {
        match machine() {
            Some(machine) => Instant::Virtual(machine.state.borrow().clock),
            None => Instant::Real(time::Instant::now()),
        }
    }

    pub(crate) fn elapsed(self) -> Duration {
        Instant::now().saturating_duration_since(self)
    }

    pub(crate) fn duration_since(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }

    pub(crate) fn checked_sub(self, duration: Duration) -> Option<Instant> {
        match self {
            Instant::Real(at) => at.checked_sub(duration).map(Instant::Real),
            Instant::Virtual(at) => at
                .checked_sub(duration.as_nanos() as u64)
                .map(Instant::Virtual),
        }
    }

    pub(crate) fn saturating_duration_since(self, earlier: Instant) -> Duration {
        match (self, earlier) {
            (Instant::Real(later), Instant::Real(earlier)) => {
                later.saturating_duration_since(earlier)
            }
            (Instant::Virtual(later), Instant::Virtual(earlier)) => {
                Duration::from_nanos(later.saturating_sub(earlier))
            }
            _ => panic!("times of two machines"),
        }
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        match self {
            Instant::Real(at) => Instant::Real(at + duration),
            Instant::Virtual(at) => Instant::Virtual(at.saturating_add(duration.as_nanos() as u64)),
        }
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        match self {
            Instant::Real(at) => Instant::Real(at - duration),
            Instant::Virtual(at) => Instant::Virtual(at.saturating_sub(duration.as_nanos() as u64)),
        }
    }
}

pub(crate) fn now() -> SystemTime {
    match machine() {
        Some(machine) => file_time(machine.state.borrow().wall()),
        None => crate::sys::os::now(),
    }
}

pub(crate) fn timestamp() -> String {
    match machine() {
        Some(machine) => rfc3339(machine.state.borrow().wall() / 1_000),
        None => crate::sys::os::timestamp(),
    }
}

/// A time in microseconds since 1970, in UTC.
fn rfc3339(micros: u64) -> String {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that the day that is not always there is the last one.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + carry;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{micros:06}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

impl State {
    /// The time by the wall clock, in nanoseconds since 1970.
    pub(crate) fn wall(&self) -> u64 {
        (START + self.clock).saturating_add_signed(self.faults.wall_offset)
    }

    pub(crate) fn file_time(&self) -> u64 {
        let wall = self.wall();
        wall - wall % self.faults.resolution.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_that_of_the_second() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000007Z"),
            (951_827_696, "2000-02-29T12:34:56.000007Z"),
            (1_795_420_501, "2026-11-23T07:55:01.000007Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1_000_000 + 7), text);
        }
    }
}
