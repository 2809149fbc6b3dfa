//! What the appenders of one process share.

use std::collections::BTreeMap;

use super::process_lock::ProcessLocks;
use super::retry::Retries;
use crate::thread::ForkSafeMutex;

/// The one place for what lives as long as the process.
pub(super) struct Process {
    pub(super) locks: ForkSafeMutex<ProcessLocks>,
    /// The appenders with a backlog, and their thread; `None` until there is one.
    pub(super) retries: ForkSafeMutex<Option<Retries>>,
}

impl Process {
    const fn new() -> Self {
        Process {
            locks: ForkSafeMutex::of_first_process(BTreeMap::new()),
            retries: ForkSafeMutex::of_first_process(None),
        }
    }
}

/// The process that this code runs in.
#[cfg(not(all(test, unix)))]
#[inline]
pub(super) fn process() -> &'static Process {
    static PROCESS: Process = Process::new();
    &PROCESS
}

/// The process that this code runs in, which may be a virtual one.
#[cfg(all(test, unix))]
pub(super) fn process() -> std::sync::Arc<Process> {
    static REAL: std::sync::OnceLock<std::sync::Arc<Process>> = std::sync::OnceLock::new();
    crate::sys::of_process(&REAL, Process::new)
}
