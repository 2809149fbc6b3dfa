//! Without the feature `local-time` periods end in UTC.

use crate::file::Period;

#[derive(Debug)]
pub(super) struct Zone;

impl Zone {
    pub(super) const UTC: Zone = Zone;

    pub(super) fn start(&self, period: Period, seconds: i64) -> i64 {
        period.start(seconds)
    }
}
