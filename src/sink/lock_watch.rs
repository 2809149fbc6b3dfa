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
    /// The time by which all pauses and yields came late, and the last pause.
    delayed: Duration,
    delay: Duration,
    /// A yield has come late after a pause that had not: threads that never rest take the processor,
    /// for a time slice each.
    yields_are_late: bool,
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
            yields_are_late: false,
        }
    }

    pub(super) fn waited(&self) -> Waited {
        Waited {
            time: self.began.elapsed().saturating_sub(self.delayed),
            delay: self.delay,
        }
    }

    /// Sleeps; a pause of zero only yields the processor.
    pub(super) fn pause(&mut self, pause: Duration) {
        let is_yield = pause.is_zero();
        if is_yield && self.yields_are_late {
            return;
        }
        let began = Instant::now();
        match is_yield {
            true => sys::yield_now(),
            false => sys::sleep(pause),
        }
        let late = began.elapsed().saturating_sub(pause + TIMER_SLACK);
        self.delayed += late;
        match is_yield {
            true => self.yields_are_late = !late.is_zero() && self.delay.is_zero(),
            false => self.delay = late,
        }
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
