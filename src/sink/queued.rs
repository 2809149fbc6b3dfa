//! What a queue asks of the sink: the queue keeps its lines until a file has taken them.

use std::io;
use std::sync::Arc;

use super::file_state::Records;
use super::Sink;
use crate::file::BeforeWrite;
use crate::notify::{Notice, Origin};

/// What becomes of lines of a queue that no file takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// They stay the queue's.
    Keep,
    /// They are taken over as [`Sink::submit`] takes records.
    HandOver,
}

/// Why no file has taken the lines of a queue.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The number of their bytes that are in a file all the same, and stay there.
    pub(crate) left: usize,
    /// No file of this process may get as large as they are together.
    pub(crate) is_too_large: bool,
    pub(crate) cause: io::Error,
}

impl Sink {
    /// Writes lines of a queue, which end at `ends`, in one commit; `records` of them are records.
    pub(crate) fn submit_queued(
        self: &Arc<Self>,
        bytes: &[u8],
        ends: &[usize],
        records: u64,
        before_write: Option<BeforeWrite<'_>>,
        unwritten: Unwritten,
    ) -> Result<(), Refused> {
        let lines = Records {
            bytes,
            count: records,
            before_write,
        };
        let written = self.in_turn(|state, turn| {
            let written = self.write(state, turn, Origin::Queue, lines, ends);
            match (unwritten, written) {
                (Unwritten::HandOver, Err(error)) => {
                    self.keep_refused(state, Origin::Queue, lines, ends, error);
                    Ok(())
                }
                (_, written) => written,
            }
        });
        written.map_err(|error| Refused {
            left: error.left,
            is_too_large: error.is_too_large,
            cause: error.into_cause(),
        })
    }

    /// Reports records that a full queue has dropped, because no file takes those before them.
    pub(crate) fn report_dropped(self: &Arc<Self>, records: u64, cause: io::Error) {
        let mut cause = Some(cause);
        self.in_turn(|state, _| {
            if let Some(cause) = cause.take() {
                state.drops.add(records, cause);
                self.report_drops(state);
            }
            if !state.drops.is_empty() {
                self.retry_later(state);
            }
        });
    }

    /// Runs `work` while no thread of this process commits to the family.
    pub(crate) fn exclusively<T>(&self, mut work: impl FnMut() -> T) -> T {
        self.in_turn(|_, _| work())
    }

    /// Emits a warning.
    pub(crate) fn warn(&self, warning: Notice) {
        let mut warning = Some(warning);
        self.in_turn(|state, _| {
            warning
                .take()
                .into_iter()
                .for_each(|it| state.files.notices.push(it))
        });
    }
}
