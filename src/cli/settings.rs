//! How all logs are read, and how times are shown.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;

use super::time_argument;
use crate::read::{Merge, MergeBuilder};

pub(crate) struct Settings {
    pub(crate) zone: TimeZone,
    pub(crate) shown_zone: Option<TimeZone>,
    pub(crate) window: Duration,
    pub(crate) queue_dir: Option<PathBuf>,
    pub(crate) is_terminal: bool,
    pub(crate) colours: bool,
}

impl Settings {
    pub(crate) fn builder(&self) -> MergeBuilder {
        /// The offset of a zone changes at the quarter of an hour, if it does.
        const QUARTER: i64 = 900;
        let zone = self.zone.clone();
        let known = Mutex::new((i64::MIN, 0));
        let at = move |civil: i64| {
            let quarter = civil.div_euclid(QUARTER);
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.0 != quarter {
                *known = (quarter, time_argument::offset_at(&zone, civil));
            }
            known.1
        };
        let builder = Merge::builder().window(self.window).local_offset(at);
        match &self.queue_dir {
            Some(path) => builder.queue_dir(path),
            None => builder,
        }
    }

    /// A time in a table.
    pub(crate) fn time(&self, time: SystemTime) -> String {
        let Ok(time) = jiff::Timestamp::try_from(time) else {
            return "?".into();
        };
        match &self.shown_zone {
            Some(zone) => {
                let time = time.to_zoned(zone.clone());
                time.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
            }
            None => time.to_string(),
        }
    }
}
