//! What a queue asks of the sink: the queue keeps its lines until a file has taken them.

use std::io;

use super::files::Records;
use super::Sink;
use crate::file::BeforeWrite;
use crate::notify::{Notice, Origin};

/// Why no file has taken the lines of a queue.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The number of their bytes that are in a file all the same, and stay there.
    pub(crate) left: usize,
    pub(crate) cause: io::Error,
}

impl Sink {
    /// Writes lines of a queue, which end at `ends`, in one commit; `records` of them are records.
    /// What no file takes stays the queue's.
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
            cause: error.into_cause(),
        })
    }

    /// Runs `work` while no thread of this process commits to the family.
    pub(crate) fn exclusively<T>(&self, work: impl FnOnce() -> T) -> T {
        self.in_turn(|_, _| work())
    }

    /// Emits a warning.
    pub(crate) fn warn(&self, warning: Notice) {
        self.in_turn(|state, _| state.files.notices.push(warning));
    }
}
