//! When the period that it is now has begun.

use std::time::SystemTime;

use super::period::{seconds, Period};

/// The clock by which the periods of a log end.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    period: Period,
}

impl Calendar {
    pub(crate) fn new(period: Period) -> Self {
        Calendar { period }
    }

    /// When the period that a time is in has begun, in seconds since 1970. Later periods have begun
    /// later.
    pub(crate) fn start(&self, time: SystemTime) -> i64 {
        self.period.start(seconds(time))
    }

    /// Returns true if a period has ended between the last change of a file and now.
    pub(super) fn is_over(&self, changed: SystemTime, now: SystemTime) -> bool {
        seconds(changed) < self.start(now)
    }
}
