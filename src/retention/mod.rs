//! Keeps a log within its limits: when a sweep is due, and the thread that does it.
//!
//! Each appender has a thread for it while there is something to do: a large archive of one log may
//! take minutes to be compressed, and the other logs do not wait for it.

mod grace;
mod gzip;
mod limits;
mod sweep;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::grace::{Observations, SETTLED};
pub use self::gzip::Compression;
pub(crate) use self::gzip::{read_compressed, Gzip};
pub(crate) use self::limits::Limits;
use self::sweep::Sweep;
use crate::notify::{Notice, Notifier};
use crate::sys::{Background, ForkSafeMutex, Instant};

/// The shortest time from one sweep to the next one: a busy log may rotate all the time.
const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// Keeps one appender's log within its limits.
#[derive(Debug)]
pub(crate) struct Retention {
    primary: PathBuf,
    limits: Limits,
    gzip: Option<Gzip>,
    notifier: Arc<Notifier>,
    thread: Background,
    state: ForkSafeMutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the file that is written to.
    current: u16,
    observations: Observations,
    last_sweep: Option<Instant>,
    /// When the next sweep is due; `None` if nothing is left to do.
    next: Option<Instant>,
    /// A failure has been announced, and there has been one in each sweep since.
    has_failed: bool,
}

impl Retention {
    pub(crate) fn new(
        primary: PathBuf,
        limits: Limits,
        gzip: Option<Gzip>,
        notifier: Arc<Notifier>,
    ) -> Self {
        Retention {
            primary,
            limits,
            gzip,
            notifier,
            thread: Background::new("fallback-retention"),
            state: ForkSafeMutex::default(),
        }
    }

    /// Starts a sweep of the log, now or a little later. If no thread can be started, the next call
    /// tries.
    pub(crate) fn wake(self: &Arc<Self>, current: u16) {
        if !self.limits.any() && self.gzip.is_none() {
            return;
        }
        let mut state = self.state.lock();
        state.current = current;
        state.schedule(Instant::now());
        drop(state);
        let retention = Arc::clone(self);
        let _ = self.thread.wake(move || retention.sweep_if_due());
    }

    /// Returns the time until the next sweep is due.
    fn sweep_if_due(self: &Arc<Self>) -> Option<Duration> {
        let is_due = |next: Instant| next <= Instant::now();
        let next = self.state.lock().next;
        if next.is_some_and(is_due) {
            self.sweep();
            // For an appender that was dropped, that was the last sweep.
            if Arc::strong_count(self) == 1 {
                return None;
            }
        }
        let next = self.state.lock().next?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn sweep(&self) {
        let mut state = self.state.lock();
        state.next = None;
        let current = state.current;
        let mut observations = std::mem::take(&mut state.observations);
        drop(state);
        let outcome = Sweep {
            primary: &self.primary,
            limits: &self.limits,
            gzip: self.gzip,
            current,
            observations: &mut observations,
            settled_after: SETTLED,
            is_urgent: &|| self.state.lock().next.is_some(),
        }
        .run();
        let now = Instant::now();
        let next = match outcome.is_incomplete {
            true => Some(now),
            false => observations.next(),
        };
        let is_failing = outcome.failure.is_some() || observations.leaves_any();
        let mut state = self.state.lock();
        let is_new = outcome.failure.is_some() && !state.has_failed;
        state.has_failed = is_failing;
        state.observations = observations;
        state.last_sweep = Some(now);
        if let Some(next) = next {
            state.schedule(next);
        }
        drop(state);
        let mut notices: Vec<_> = outcome.rotated.into_iter().map(Notice::Rotated).collect();
        notices.extend(outcome.failure.filter(|_| is_new));
        if !notices.is_empty() {
            self.notifier.announce(notices);
        }
    }
}

impl State {
    /// Has a sweep done then, unless one is due earlier, but not too soon after the last one.
    fn schedule(&mut self, due: Instant) {
        let earliest = self.last_sweep.map_or(due, |last| last + MIN_INTERVAL);
        let due = due.max(earliest);
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
    }
}
