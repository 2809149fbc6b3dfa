//! Processes that are forked without `exec`.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};

use rustix::process::{getpid, kill_process, waitpid, Pid, Signal, WaitOptions, WaitStatus};

/// A child that is still there after this time is stuck.
const LIMIT: Duration = Duration::from_secs(120);

/// With this signal a child ends that has done all it was to do.
const DONE: Signal = Signal::TERM;

/// A forked child.
pub struct Forked(Pid);

/// Forks. The child calls `work` and ends, without what a process does at its end: that is the
/// parent's to do.
pub fn forked(work: impl FnOnce()) -> Forked {
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            let signal = match catch_unwind(AssertUnwindSafe(work)) {
                Ok(()) => DONE,
                Err(_) => Signal::KILL,
            };
            kill_process(getpid(), signal).unwrap();
            unreachable!()
        }
        fork::Fork::Parent(child) => Forked(Pid::from_raw(child).unwrap()),
    }
}

impl Forked {
    /// Waits until it has done all it was to do.
    pub fn end(self) {
        let status = self.end_in_any_way();
        let done = status.terminating_signal() == Some(DONE.as_raw());
        assert!(done, "{status:?}");
    }

    /// Waits for its end, which need not be a good one; kills a child that is stuck.
    pub fn end_in_any_way(self) -> WaitStatus {
        let began = Instant::now();
        loop {
            if let Some((_, status)) = waitpid(Some(self.0), WaitOptions::NOHANG).unwrap() {
                return status;
            }
            if began.elapsed() > LIMIT {
                kill_process(self.0, Signal::KILL).unwrap();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn kill(self) {
        kill_process(self.0, Signal::KILL).unwrap();
        self.end_in_any_way();
    }
}
