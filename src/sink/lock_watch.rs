//! What a call observes while it waits for a lock: the clock, the file and the load of the machine.

use std::path::Path;
use std::time::Duration;

use super::lock_wait::{Look, Pause, Waited};
use crate::sys::{self, FileState, Instant};

/// Sleeps come this late on an idle machine too: the system rounds them up.
const TIMER_SLACK: Duration = Duration::from_micros(500);

/// Maximum time that the yields of one call come late together.
const MAX_YIELDED: Duration = Duration::from_millis(100);

/// Observes the file at a path from the first try of its lock on.
#[derive(Debug)]
pub(super) struct LockWatch<'a> {
    path: &'a Path,
    began: Instant,
    state: Option<FileState>,
    /// The time by which all sleeps and yields came late, and the last sleep.
    delayed: Duration,
    delay: Duration,
    /// The time by which all yields came late.
    yielded: Duration,
    may_yield: bool,
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
            yielded: Duration::ZERO,
            may_yield: true,
        }
    }

    pub(super) fn waited(&self) -> Waited {
        Waited {
            time: self.began.elapsed().saturating_sub(self.delayed),
            delay: self.delay,
        }
    }

    pub(super) fn pause(&mut self, pause: Pause) {
        match pause {
            Pause::Sleep(time) => self.delay = self.lateness(time, || sys::sleep(time)),
            Pause::Yield if self.may_yield => {
                let late = self.lateness(Duration::ZERO, sys::yield_now);
                self.yielded += late;
                // Where both come late, hundreds of processes may be waiting for this lock, and yields
                // are right. Where only yields do, threads that never rest have the processors.
                let are_sleeps_late = !self.delay.is_zero();
                self.may_yield = late.is_zero() || are_sleeps_late && self.yielded < MAX_YIELDED;
            }
            Pause::Yield => {}
        }
    }

    /// The time by which all yields came late.
    pub(super) fn yielded(&self) -> Duration {
        self.yielded
    }

    /// Does what should take `time`, and returns how much longer it took.
    fn lateness(&mut self, time: Duration, pause: impl FnOnce()) -> Duration {
        let began = Instant::now();
        pause();
        let late = began.elapsed().saturating_sub(time + TIMER_SLACK);
        self.delayed += late;
        late
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
