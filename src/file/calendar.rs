//! The start of the current period, by the clock of a log.

#[cfg(feature = "local-time")]
#[path = "zone/enabled.rs"]
mod zone;
#[cfg(not(feature = "local-time"))]
#[path = "zone/disabled.rs"]
mod zone;

use std::time::SystemTime;

use super::period::{seconds, Period};
#[cfg(feature = "local-time")]
pub use zone::TimeZone;
use zone::Zone;

/// The clock by which the periods of a log end.
#[derive(Debug)]
pub(crate) struct Calendar {
    period: Period,
    zone: Zone,
}

impl Calendar {
    /// In UTC.
    #[cfg(any(test, not(feature = "local-time")))]
    pub(crate) fn new(period: Period) -> Self {
        Calendar {
            period,
            zone: Zone::UTC,
        }
    }

    /// The same in a time zone.
    ///
    /// # Errors
    ///
    /// A text, if the system does not know it.
    #[cfg(feature = "local-time")]
    pub(crate) fn in_zone(period: Period, zone: &TimeZone) -> Result<Self, String> {
        let zone = Zone::find(zone)?;
        Ok(Calendar { period, zone })
    }

    /// Returns the start of the period that contains `time`, in seconds since 1970. It grows with
    /// the period.
    pub(crate) fn start(&self, time: SystemTime) -> i64 {
        self.zone.start(self.period, seconds(time))
    }

    /// Returns true if a period has ended between the last change of a file and now.
    pub(super) fn is_over(&self, changed: SystemTime, now: SystemTime) -> bool {
        seconds(changed) < self.start(now)
    }
}
