//! Writes the backlog to a file of the family.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::backlog::Batch;
use super::fallback::Candidates;
use super::file_state::Records;
use super::gap_line::{gap_line, is_json};
use super::process_lock::ProcessLockGuard;
use super::{Sink, State};
use crate::file::CommitError;

/// The batches of the backlog that are written in one turn, so that a call does not write for
/// others without end. With the default limit it is all of the backlog.
pub(super) const MAX_BATCHES: usize = 20;

impl Sink {
    /// Writes the backlog. An error says why some of it still waits.
    #[cold]
    pub(super) fn drain(
        &self,
        state: &mut State,
        turn: &mut ProcessLockGuard<'_>,
        candidates: &Candidates,
        wait: Duration,
    ) -> Result<(), CommitError> {
        let mut most = usize::MAX;
        for _ in 0..MAX_BATCHES {
            let Some(batch) = state.backlog.front(most) else {
                return Ok(());
            };
            let records = Records {
                bytes: state.backlog.bytes(&batch),
                count: batch.records,
                before_write: None,
            };
            let written = self.write_to_family(&mut state.files, turn, records, || {
                (candidates.clone(), wait)
            });
            if let Err(mut error) = written {
                if error.is_too_large {
                    most = batch.len / 2;
                    if batch.lines < 2 {
                        self.drop_first(state, turn, batch, error)?;
                    }
                    continue;
                }
                let left = state.backlog.first_lines_within(error.left);
                self.counters
                    .written
                    .fetch_add(left.records, Ordering::Relaxed);
                state.backlog.pop(left);
                self.count_pending(state);
                // `left` counts bytes of the backlog, not of the records that are to be written
                // after it.
                error.left = 0;
                return Err(error);
            }
            if batch.are_notices {
                state.files.notices.hold_back();
            }
            state.backlog.pop(batch);
            self.count_pending(state);
        }
        match state.backlog.is_empty() {
            true => Ok(()),
            // More than a call should write for others; the thread goes on with it.
            false => Err(io::Error::from(ErrorKind::WouldBlock).into()),
        }
    }

    /// Drops the first line that waits, which is larger than a file may get, and notes that in the file:
    /// what comes behind it would wait for ever.
    #[cold]
    fn drop_first(
        &self,
        state: &mut State,
        turn: &mut ProcessLockGuard<'_>,
        batch: Batch,
        error: CommitError,
    ) -> Result<(), CommitError> {
        let dropped = batch.records;
        if dropped > 0 {
            let json = is_json(state.backlog.bytes(&batch));
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
                Err(mut refused) if !refused.is_too_large => {
                    // These are bytes of the note.
                    refused.left = 0;
                    return Err(refused);
                }
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
