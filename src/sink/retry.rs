//! The thread that tries the backlogs of all appenders of this process when no call comes.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use super::process::shared_in_process;
use super::{Sink, State};
use crate::sys::{Background, ForkSafeMutex, Instant};

/// A backlog is tried again after this time, and after twice as long each time that no file has
/// taken any of it: a full disk may stay full for days.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// What a try of one backlog has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retried {
    /// Nothing is left.
    Done,
    /// A file has taken some of it.
    Progress,
    /// No file has taken any.
    Refused,
}

shared_in_process! {
    /// The appenders with a backlog, and their thread; `None` until there is one.
    fn retries() -> ForkSafeMutex<Option<Retries>> {
        ForkSafeMutex::of_first_process(None)
    }
}

#[derive(Debug)]
struct Retries {
    thread: Background,
    appenders: Vec<Retry>,
}

/// An appender with a backlog. It is kept until that is in a file.
#[derive(Debug)]
struct Retry {
    appender: Arc<Sink>,
    pause: Duration,
    due: Instant,
}

impl Retry {
    fn after(appender: Arc<Sink>, pause: Duration) -> Self {
        Retry {
            appender,
            pause,
            due: Instant::now() + pause,
        }
    }

    /// Tries the backlog; `None` if nothing is left of it.
    fn run(self) -> Option<Retry> {
        let pause = match self.appender.retry() {
            Retried::Done => return None,
            Retried::Progress => FIRST_PAUSE,
            Retried::Refused => (self.pause * 2).min(MAX_PAUSE),
        };
        Some(Retry::after(self.appender, pause))
    }
}

impl Sink {
    /// Puts this appender on the list of the retry thread. Where no thread can be had, the next call
    /// tries, or the drop.
    pub(super) fn retry_later(self: &Arc<Self>, state: &mut State) {
        if !state.retrying {
            state.retrying = enlist(Arc::clone(self)).is_ok();
        }
    }

    /// Tries the backlog. What is left is to be tried again.
    fn retry(&self) -> Retried {
        let before = self.counters.pending.load(Ordering::Relaxed);
        self.scan();
        self.in_turn(|state, _| {
            self.report_drops(state);
            state.retrying = !(state.backlog.is_empty() && state.drops.is_empty());
            match state.retrying {
                false => Retried::Done,
                true if state.backlog.records() < before => Retried::Progress,
                true => Retried::Refused,
            }
        })
    }
}

/// Has the backlog of `appender` tried until it is empty.
///
/// # Errors
///
/// What the system answers where it has no thread.
fn enlist(appender: Arc<Sink>) -> io::Result<()> {
    let shared = retries();
    let mut retries = shared.lock();
    let retries = retries.get_or_insert_with(|| Retries {
        thread: Background::new("fallback-backlog"),
        appenders: Vec::new(),
    });
    retries.thread.wake(retry_all)?;
    retries.appenders.push(Retry::after(appender, FIRST_PAUSE));
    Ok(())
}

/// Tries the backlogs that are due. Returns the time until the next one is.
fn retry_all() -> Option<Duration> {
    let shared = retries();
    let now = Instant::now();
    let due = match &mut *shared.lock() {
        Some(retries) => take_due(&mut retries.appenders, now),
        None => Vec::new(),
    };
    // Without the lock: a file may take its time, and the drop of an appender may come here.
    for retry in due {
        if let Some(retry) = retry.run() {
            if let Some(retries) = &mut *shared.lock() {
                retries.appenders.push(retry);
            }
        }
    }
    let retries = shared.lock();
    let next = retries.as_ref()?.appenders.iter().map(|retry| retry.due);
    Some(next.min()?.saturating_duration_since(Instant::now()))
}

fn take_due(appenders: &mut Vec<Retry>, now: Instant) -> Vec<Retry> {
    let (due, later) = appenders.drain(..).partition(|retry| retry.due <= now);
    *appenders = later;
    due
}
