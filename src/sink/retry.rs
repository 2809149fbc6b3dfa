//! The thread that tries the backlogs of all appenders of this process when no call comes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::process::process;
use super::Sink;
use crate::sys::Instant;
use crate::thread::Background;

/// A backlog is tried again after this time, and after twice as long each time that no file has
/// taken any of it: a full disk may stay full for days.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// What a try of one backlog has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retried {
    /// Nothing is left.
    Done,
    /// A file has taken some of it.
    Progress,
    /// No file has taken any.
    Refused,
}

#[derive(Debug)]
pub(super) struct Retries {
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

/// Has the backlog of `appender` tried until it is empty.
///
/// # Errors
///
/// What the system answers where it has no thread.
pub(crate) fn enlist(appender: Arc<Sink>) -> io::Result<()> {
    let process = process();
    let mut retries = process.retries.lock();
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
    let process = process();
    let now = Instant::now();
    let due = match &mut *process.retries.lock() {
        Some(retries) => take_due(&mut retries.appenders, now),
        None => Vec::new(),
    };
    // Without the lock: a file may take its time, and the drop of an appender may come here.
    for retry in due {
        if let Some(retry) = retry.run() {
            if let Some(retries) = &mut *process.retries.lock() {
                retries.appenders.push(retry);
            }
        }
    }
    let retries = process.retries.lock();
    let next = retries.as_ref()?.appenders.iter().map(|retry| retry.due);
    Some(next.min()?.saturating_duration_since(Instant::now()))
}

fn take_due(appenders: &mut Vec<Retry>, now: Instant) -> Vec<Retry> {
    let (due, later) = appenders.drain(..).partition(|retry| retry.due <= now);
    *appenders = later;
    due
}
