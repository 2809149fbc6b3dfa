//! What a queue asks of the sink: the queue keeps its lines until a file has taken them.

use std::io;
use std::sync::Arc;

use super::file_state::Records;
use super::Sink;
use crate::file::BeforeWrite;
use crate::notify::{Notice, Origin};

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
    /// Lines that no file takes stay in the queue.
    pub(crate) fn submit_queued(
        &self,
        bytes: &[u8],
        ends: &[usize],
        records: u64,
        before_write: Option<BeforeWrite<'_>>,
    ) -> Result<(), Refused> {
        let lines = Records {
            bytes,
            count: records,
            before_write,
        };
        let written =
            self.in_turn(|state, turn| self.write(state, turn, Origin::Queue, lines, ends));
        written.map_err(|error| Refused {
            left: error.left,
            is_too_large: error.is_too_large,
            cause: error.into_cause(),
        })
    }

    /// Takes over lines of a queue as [`Sink::submit`] takes records.
    pub(crate) fn submit_noted(
        self: &Arc<Self>,
        bytes: &[u8],
        ends: &[usize],
        before_write: BeforeWrite<'_>,
    ) {
        let lines = Records {
            bytes,
            count: ends.len() as u64,
            before_write: Some(before_write),
        };
        self.in_turn(|state, turn| self.enqueue(state, turn, Origin::Queue, lines, ends));
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
