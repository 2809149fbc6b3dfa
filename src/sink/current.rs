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

    /// Returns true if the commits since the last wait, until `commits` in all, have followed each
    /// other within [`FLAT_OUT_INTERVAL`] on average.
    pub(super) fn writes_flat_out(&self, commits: u64, now: Instant) -> bool {
        self.last_wait.is_some_and(|(end, before)| {
            let since = commits.saturating_sub(before).clamp(1, MAX_COUNTED);
            now.duration_since(end) < FLAT_OUT_INTERVAL * since as u32
        })
    }

    /// How long calls may still wait for this file.
    pub(super) fn remaining_waits(&self, lock_wait: Duration) -> Duration {
        let all = lock_wait.saturating_mul(MAX_WAITS);
        all.saturating_sub(self.waits.recent(Instant::now()))
    }
}

/// Maximum mean time between two commits of a caller that writes flat out. A commit takes 2 to 4 µs on
/// a local disk.
const FLAT_OUT_INTERVAL: Duration = Duration::from_micros(100);

/// More commits do not count: a caller that rests for 100 ms does not write flat out any more.
const MAX_COUNTED: u64 = 1_000;

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
    fn commits_close_together_since_the_last_wait_are_flat_out() {
        let tail = Tail::new(None);
        let mut file = CurrentFile::new(0, PathBuf::new(), tail, Backoff::default());
        assert!(!file.writes_flat_out(10, Instant::now()));
        file.has_waited(Duration::ZERO, Duration::ZERO, 10);
        let (end, _) = file.last_wait.unwrap();
        for (commits, micros, expected) in [
            (10, 99, true),
            (10, 100, false),
            (15, 499, true),
            (15, 500, false),
            (1_000_000, 99_999, true),
            (1_000_000, 100_000, false),
            // Of a forked child, which counts anew.
            (0, 99, true),
        ] {
            let now = end + Duration::from_micros(micros);
            assert_eq!(
                file.writes_flat_out(commits, now),
                expected,
                "{commits} {micros}"
            );
        }
    }

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
