//! A line that is larger than a file may get (`RLIMIT_FSIZE`) must not hold up the backlog.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::backlog::Batch;
use super::fallback::Candidates;
use super::file_state::Records;
use super::gap::gap_line;
use super::process_lock::ProcessLockGuard;
use super::{Sink, State};
use crate::file::CommitError;

impl Sink {
    /// Drops the first line that waits, which is larger than a file may get, and notes that in the file:
    /// what comes behind it would wait for ever.
    #[cold]
    pub(super) fn drop_first(
        &self,
        state: &mut State,
        turn: &mut ProcessLockGuard<'_>,
        batch: Batch,
        error: CommitError,
    ) -> Result<(), CommitError> {
        let dropped = batch.records;
        if dropped > 0 {
            let json = state.backlog.bytes(&batch).first() == Some(&b'{');
            let line = gap_line("a file may not get that large", dropped, json);
            let noted = Records {
                bytes: line.as_bytes(),
                count: 0,
                before_write: None,
            };
            let noted = self.write_to_family(&mut state.files, turn, noted, || {
                (Candidates::none(), Duration::ZERO)
            });
            match noted {
                Err(refused) if !refused.is_too_large => return Err(refused),
                _ => {}
            }
        }
        state.backlog.pop(batch);
        self.count_pending(state);
        self.counters.dropped.fetch_add(dropped, Ordering::Relaxed);
        state.drops.add(dropped, error.into_cause());
        self.report_drops(state);
        Ok(())
    }
}
