//! What the callers and the worker of a queue share behind its lock.

use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use super::journal::Journal;
use super::segment::Segment;
use crate::sink::Sink;
use crate::sys::Mapping;

/// What is behind the lock.
pub(super) struct Front {
    /// Callers append lines to it.
    pub(super) segment: Segment,
    pub(super) phase: Phase,
    pub(super) worker: WorkerState,
    /// The number of callers that wait for room, or for what is queued before their record.
    pub(super) waiting: u32,
    /// The number of threads that wait in `flush`.
    pub(super) flushing: u32,
    /// How many lines the queue has taken.
    pub(super) taken: u64,
    /// The records dropped since the last line, and whether they are JSON.
    pub(super) missing: u64,
    pub(super) json: bool,
    /// Why no file takes the next lines.
    pub(super) refused: Option<io::Error>,
    /// A caller has waited in vain for a file to take them, so no other one waits.
    pub(super) waited_in_vain: bool,
    /// The number of records dropped since the last report, because callers do not wait.
    pub(super) unreported: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The guard is gone: the worker writes what is queued, and after that each call writes its own
    /// record.
    Closing,
    /// All is written, and the worker is about to end.
    Written,
    /// The worker has ended, and the file is removed.
    Closed,
}

pub(super) enum WorkerState {
    /// It starts with the first line.
    NotStarted(Box<Parts>),
    /// Its thread has been started but does not run yet, and may never do so. What it works with is
    /// here, and not the thread's: who does its work in its place ends what it uses.
    Starting(Box<Parts>, Arc<Sink>),
    Working,
    /// It waits for lines.
    Asleep,
    /// It lets lines come together, for a moment.
    Resting,
    /// It waits until it tries again to write lines that no file takes.
    Pausing,
}

impl WorkerState {
    pub(super) fn is_waiting(&self) -> bool {
        use WorkerState::{Asleep, Pausing, Resting};
        matches!(self, Asleep | Resting | Pausing)
    }
}

/// What only the worker uses.
pub(super) struct Parts {
    pub(super) segment: Segment,
    /// Of a mapped queue.
    pub(super) journal: Option<Journal<Mapping>>,
    /// Why the queue is on the heap.
    pub(super) heap: Option<(PathBuf, io::Error)>,
}

impl Front {
    pub(super) fn new(segment: Segment, parts: Parts) -> Self {
        Front {
            segment,
            phase: Phase::Open,
            worker: WorkerState::NotStarted(Box::new(parts)),
            waiting: 0,
            flushing: 0,
            taken: 0,
            missing: 0,
            json: false,
            refused: None,
            waited_in_vain: false,
            unreported: 0,
        }
    }

    /// Returns true if the worker may let lines come together: the queue is open, three quarters of the
    /// segment or more are free, and no call waits for anything.
    pub(super) fn may_fill(&self) -> bool {
        let is_open = self.phase == Phase::Open && self.missing == 0;
        is_open && self.waiting + self.flushing == 0 && !self.segment.is_filling()
    }

    /// A thread is about to be started.
    pub(super) fn start(&mut self, sink: &Arc<Sink>) {
        self.worker = match mem::replace(&mut self.worker, WorkerState::Working) {
            WorkerState::NotStarted(parts) => WorkerState::Starting(parts, Arc::clone(sink)),
            other => other,
        };
    }

    /// Takes the worker's parts; the first caller gets them.
    pub(super) fn take_parts(&mut self) -> Option<(Parts, Arc<Sink>)> {
        match mem::replace(&mut self.worker, WorkerState::Working) {
            WorkerState::Starting(parts, sink) => Some((*parts, sink)),
            other => {
                self.worker = other;
                None
            }
        }
    }

    /// Ends the queue once all is written.
    pub(super) fn close(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
        }
    }
}
