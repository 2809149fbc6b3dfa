//! The file that the next record goes to.

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
    waits: Waits,
    /// When the last wait has ended, and the number of commits until then.
    last_wait: Option<(Instant, u64)>,
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
            waits: Waits::default(),
            last_wait: None,
            linked: false,
            name_synced: false,
            rotate_first: false,
        }
    }
}

impl CurrentFile {
    /// A call has got the lock after a wait. In the part `unchanged` of it nobody wrote. This appender
    /// has made `commits` commits.
    pub(super) fn has_waited(&mut self, waited: Duration, unchanged: Duration, commits: u64) {
        let counts = match self.tail.others_write() {
            // The rest may have been theirs.
            true => unchanged,
            false => waited,
        };
        let now = Instant::now();
        self.waits.add(counts, now);
        self.last_wait = Some((now, commits));
    }

    /// Returns true if a commit has followed the other since the last wait, of `commits` in all: the
    /// next one will too.
    pub(super) fn writes_flat_out(&self, commits: u64) -> bool {
        self.last_wait.is_some_and(|(end, before)| {
            let commits = u32::try_from(commits.saturating_sub(before)).unwrap_or(u32::MAX);
            end.elapsed() < FLAT_OUT_INTERVAL.saturating_mul(commits.max(1))
        })
    }

    /// How long calls may still wait for this file.
    pub(super) fn remaining_waits(&self, lock_wait: Duration) -> Duration {
        let all = lock_wait.saturating_mul(MAX_WAITS);
        all.saturating_sub(self.waits.recent(Instant::now()))
    }
}

/// Between two commits of a caller that writes flat out: a commit takes 2 to 4 µs on a local disk.
const FLAT_OUT_INTERVAL: Duration = Duration::from_micros(100);

/// A file is left when calls have waited this many times `lock_wait` together, more than half of
/// the time, while nobody wrote to it: the holder lets go just in time, again and again.
const MAX_WAITS: u32 = 10;

/// The waits for a file while nobody wrote to it.
#[derive(Debug, Default)]
struct Waits {
    since: Option<Instant>,
    waited: Duration,
}

impl Waits {
    /// The waits, if they have taken more than half of the time until now.
    fn recent(&self, now: Instant) -> Duration {
        let all = self.since.map(|since| now.duration_since(since));
        match all {
            Some(all) if all <= self.waited * 2 => self.waited,
            _ => Duration::ZERO,
        }
    }

    fn add(&mut self, waited: Duration, now: Instant) {
        let all = self.since.map(|since| now.duration_since(since));
        if all.is_none_or(|all| all > (self.waited + waited) * 2) {
            self.since = now.checked_sub(waited);
            self.waited = Duration::ZERO;
        }
        self.waited += waited;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_count_while_they_take_more_than_half_of_the_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut waits = Waits::default();
        for end in [1, 2, 3] {
            waits.add(Duration::from_secs(1), at(end));
        }
        assert_eq!(waits.recent(at(6)), Duration::from_secs(3));
        assert_eq!(waits.recent(at(7)), Duration::ZERO);
        waits.add(Duration::from_secs(1), at(100));
        assert_eq!(waits.recent(at(100)), Duration::from_secs(1));
    }
}
