//! What the virtual processes have written, and what they were told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::Arc;

use crate::appender::FileAppender;
use crate::queue::WorkerGuard;
use crate::sys::sim::machine::ProcessId;

/// A record: process, thread and number.
pub(super) type Record = (usize, usize, usize);

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its call has begun.
    Begun,
    /// Its call has returned.
    Returned,
    /// The appender has said that nothing is pending, since its call returned.
    Safe,
}

#[derive(Default)]
pub(super) struct Journal {
    pub(super) records: BTreeMap<Record, (Fate, Vec<u8>)>,
    /// The processes that came to their ends.
    pub(super) ended: Vec<ProcessId>,
    /// The switches that each has counted, and those that it was told.
    pub(super) switches: BTreeMap<ProcessId, (u64, Arc<AtomicU64>)>,
    /// The appenders of processes that live or were killed.
    pub(super) appenders: Vec<(ProcessId, FileAppender)>,
    /// Those of their queues.
    pub(super) guards: Vec<(ProcessId, WorkerGuard)>,
    /// The processes that were killed while records of theirs were in a backlog.
    pub(super) pending: BTreeSet<ProcessId>,
    /// How often a process had forked when a call for a record began, if it had.
    pub(super) generations: BTreeMap<Record, u32>,
    /// What each process that forked had counted and was told when it did so last.
    pub(super) forked: BTreeMap<ProcessId, (u64, u64)>,
    /// The file that each process wrote to last.
    pub(super) current: BTreeMap<ProcessId, PathBuf>,
    /// Records have waited in a backlog, from which many go into a file at once.
    pub(super) has_waited: bool,
}

impl Journal {
    /// Finds out which processes have left records in a backlog, and which file they wrote to.
    pub(super) fn find_pending(&mut self) {
        let left = self.appenders.iter();
        for (process, appender) in left {
            if appender.stats().pending > 0 {
                self.pending.insert(*process);
            }
            self.current.insert(*process, appender.current_path());
        }
    }
}

/// Takes what `process` has left.
pub(super) fn take<T>(all: &mut Vec<(ProcessId, T)>, process: ProcessId) -> Option<T> {
    let at = all.iter().position(|(owner, _)| *owner == process)?;
    Some(all.swap_remove(at).1)
}

pub(super) type Shared = Rc<RefCell<Journal>>;

/// Nothing was pending: what this process has written until now is in a file.
pub(super) fn settle(shared: &Shared, me: ProcessId) {
    let mut journal = shared.borrow_mut();
    for ((process, ..), (fate, _)) in &mut journal.records {
        if *process == me && *fate == Fate::Returned {
            *fate = Fate::Safe;
        }
    }
}
