//! Dropped records, until they are reported on stderr.

use std::io;
use std::mem;
use std::path::Path;
use std::time::Duration;

use crate::notify::Notice;
use crate::sys::Instant;

/// Dropped records are reported at most this often.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The records dropped since the last report.
#[derive(Debug, Default)]
pub(crate) struct DropReport {
    records: u64,
    /// Why no file took the last one; there is one if there are records.
    cause: Option<io::Error>,
    last: Option<Instant>,
}

impl DropReport {
    pub(crate) fn add(&mut self, records: u64, cause: io::Error) {
        if records > 0 {
            self.records += records;
            self.cause = Some(cause);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(crate) fn is_due(&self) -> bool {
        !self.is_empty() && self.last.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL)
    }

    /// The report, if there is something to report. Counts anew from here.
    pub(crate) fn take(&mut self, log: &Path) -> Option<Notice> {
        let cause = self.cause.take()?;
        self.last = Some(Instant::now());
        Some(Notice::Dropped {
            path: log.to_owned(),
            records: mem::take(&mut self.records),
            cause,
        })
    }
}
