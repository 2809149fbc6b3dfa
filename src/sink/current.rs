//! The file that the next record goes to, and when the primary is returned to.

use std::path::PathBuf;
use std::time::Duration;

use crate::file::{Backoff, Tail};
use crate::sys::Instant;

/// The current file. A switch makes a new one.
#[derive(Debug)]
pub(super) struct CurrentFile {
    /// 0 is the primary.
    pub(super) number: u16,
    pub(super) path: PathBuf,
    pub(super) tail: Tail,
    pub(super) backoff: Backoff,
    /// How long the calls since the last one that got the lock at its first try have waited.
    pub(super) waited: Duration,
    /// The link to the current file was made, or has failed and been reported.
    pub(super) linked: bool,
    /// A commit has synced the file's name, if commits are synced.
    pub(super) name_synced: bool,
    /// It is to be rotated before the first record of this appender.
    pub(super) rotate_first: bool,
}

impl CurrentFile {
    pub(super) fn new(number: u16, path: PathBuf, tail: Tail, backoff: Backoff) -> Self {
        CurrentFile {
            number,
            path,
            tail,
            backoff,
            waited: Duration::ZERO,
            linked: false,
            name_synced: false,
            rotate_first: false,
        }
    }
}

/// When an appender that has left the primary tries it again.
#[derive(Debug)]
pub(super) struct ReturnToPrimary {
    /// The option; `None` is never.
    every: Option<Duration>,
    /// When the primary was left, or tried last since then.
    tried: Instant,
    returned: Option<Instant>,
    /// The least time between two tries, whatever the option says.
    pause: Duration,
}

/// A primary that is left this soon after the return to it is returned to ever more seldom.
/// Otherwise, where another process locks it again and again, each record would switch twice.
const SHORT_STAY: Duration = Duration::from_secs(1);
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(60);

impl ReturnToPrimary {
    pub(super) fn new(every: Option<Duration>) -> Self {
        ReturnToPrimary {
            every,
            tried: Instant::now(),
            returned: None,
            pause: Duration::ZERO,
        }
    }

    /// Returns true if the primary, which is not the current file, is to be tried now.
    #[inline]
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = |every: Duration| self.tried.elapsed() >= every.max(self.pause);
        if !self.every.is_some_and(is_due) {
            return false;
        }
        self.tried = Instant::now();
        true
    }

    /// The appender has switched to a file.
    pub(super) fn switched(&mut self, to: u16) {
        self.tried = Instant::now();
        if to == 0 {
            self.returned = Some(self.tried);
            return;
        }
        let stayed = self.returned.map(|at| at.elapsed());
        self.pause = match stayed.is_some_and(|stayed| stayed < SHORT_STAY) {
            true => (self.pause * 2).clamp(MIN_PAUSE, MAX_PAUSE),
            false => Duration::ZERO,
        };
    }
}
