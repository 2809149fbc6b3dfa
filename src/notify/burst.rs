//! Which switches have an event each, and which are summed up, when there are many.

use std::mem;
use std::time::Duration;

use super::notice::{Notice, Switch};
use crate::sys::Instant;

/// Maximum number of switches in one [`PERIOD`] that have an event each.
pub(super) const MAX_EVENTS: usize = 10;

/// It begins with a switch and ends by itself; the next switch begins another.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// The switches of one appender in one period.
#[derive(Debug, Default)]
pub(super) struct Burst {
    began: Option<Instant>,
    /// Events in this period: of switches, and one of a summary before its end.
    events: usize,
    /// The switches without an event since the last summary, and the newest of them.
    more: u64,
    newest: Option<Switch>,
}

impl Burst {
    /// Turns a switch into one without an event if its period has enough of them. Other notices
    /// pass.
    ///
    /// The summary that is due is taken before this.
    pub(super) fn admit(&mut self, notice: Notice, now: Instant) -> Notice {
        let Notice::Switched(switch) = &notice else {
            return notice;
        };
        if self.left(now).is_zero() {
            self.began = Some(now);
            self.events = 0;
        }
        if self.events < MAX_EVENTS {
            self.events += 1;
            return notice;
        }
        self.more += 1;
        self.newest = Some(switch.clone());
        notice.superseded()
    }

    /// The summary of a period that is over.
    pub(super) fn summary(&mut self, now: Instant) -> Option<Notice> {
        match self.left(now).is_zero() {
            true => self.take(),
            false => None,
        }
    }

    /// The summary of a period that may not be over, once in each: a program may flush after each
    /// record.
    pub(super) fn early_summary(&mut self) -> Option<Notice> {
        if self.events > MAX_EVENTS {
            return None;
        }
        let summary = self.take()?;
        self.events += 1;
        Some(summary)
    }

    fn take(&mut self) -> Option<Notice> {
        let newest = self.newest.take()?;
        let count = mem::take(&mut self.more);
        Some(Notice::Summary { newest, count })
    }

    /// The time until there is a summary, if there will be one.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        self.newest.as_ref().map(|_| self.left(now))
    }

    /// What is left of the period.
    fn left(&self, now: Instant) -> Duration {
        self.began.map_or(Duration::ZERO, |began| {
            PERIOD.saturating_sub(now.saturating_duration_since(began))
        })
    }
}
