//! When an appender that has left the primary returns to it.

use std::mem;
use std::time::Duration;

use crate::sys::Instant;

/// When the primary, which is not the current file, is tried again.
#[derive(Debug)]
pub(super) struct ReturnToPrimary {
    /// The option; `None` is never.
    every: Option<Duration>,
    /// When the primary was left, or tried last since then.
    tried: Instant,
    /// The next try is due at any time.
    again: bool,
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
            again: false,
            returned: None,
            pause: Duration::ZERO,
        }
    }

    /// Returns true if the primary, which is not the current file, is to be tried now.
    #[inline]
    pub(super) fn is_due(&mut self) -> bool {
        if mem::take(&mut self.again) {
            return true;
        }
        let is_due = |every: Duration| self.tried.elapsed() >= every.max(self.pause);
        if !self.every.is_some_and(is_due) {
            return false;
        }
        self.tried = Instant::now();
        true
    }

    /// The last try was given up for the header of a new file.
    pub(super) fn try_again(&mut self) {
        self.again = true;
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
