//! What a call observes while it waits for a lock: the clock, the file and the load of the machine.

use std::path::Path;

use super::lock_wait::{Look, Waited};
use std::time::Duration;

use crate::sys::{self, FileState, Instant};

/// Sleeps come this late on an idle machine too: the system rounds them up.
const TIMER_SLACK: Duration = Duration::from_micros(500);

/// Observes the file at a path from the first try of its lock on.
#[derive(Debug)]
pub(super) struct LockWatch<'a> {
    path: &'a Path,
    began: Instant,
    state: Option<FileState>,
    /// The time by which all pauses, and the last one, came late.
    delayed: Duration,
    delay: Duration,
}

impl<'a> LockWatch<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        LockWatch {
            path,
            // Before the file is looked at, which takes time as well.
            began: Instant::now(),
            state: sys::state_at(path).ok(),
            delayed: Duration::ZERO,
            delay: Duration::ZERO,
        }
    }

    pub(super) fn waited(&self) -> Waited {
        Waited {
            time: self.began.elapsed().saturating_sub(self.delayed),
            delay: self.delay,
        }
    }

    pub(super) fn pause(&mut self, pause: Duration) {
        // Between two tries in a row.
        if pause.is_zero() {
            return;
        }
        let began = Instant::now();
        sys::sleep(pause);
        self.delay = began.elapsed().saturating_sub(pause + TIMER_SLACK);
        self.delayed += self.delay;
    }

    /// Compares the file with its state at the last observation.
    pub(super) fn look(&mut self) -> Look {
        let state = sys::state_at(self.path).ok();
        if state != self.state {
            self.state = state;
            return Look::Changed;
        }
        let threads = sys::runnable_threads().unwrap_or(0);
        let load = threads as f32 / sys::processors() as f32;
        Look::Unchanged { load }
    }
}
