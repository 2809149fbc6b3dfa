//! The wait for what no file has taken yet.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::fallback::Candidates;
use super::Sink;
use crate::sys::{self, Instant};

/// How often `flush` tries every file of the family.
const SCAN_INTERVAL: Duration = Duration::from_millis(100);

impl Sink {
    /// Waits at most `timeout` for the backlog to be empty.
    pub(crate) fn flush(&self, timeout: Duration) -> io::Result<()> {
        let began = Instant::now();
        let mut scanned: Option<Instant> = None;
        self.notifier.announce_summary();
        loop {
            if scanned.is_none_or(|at| at.elapsed() >= SCAN_INTERVAL) {
                self.scan();
                scanned = Some(Instant::now());
            }
            let waiting = self.in_turn(|state, turn| {
                let _ = self.drain(state, turn, &Candidates::none(), Duration::ZERO);
                state.files.notices.release();
                state.files.current.tail.read_size_limit();
                state.backlog.waiting()
            });
            let waiting = waiting.or_else(|| {
                let is_done = self.notifier.has_reported_rotations();
                (!is_done).then(|| "on_rotate has not returned yet".to_owned())
            });
            let Some(waiting) = waiting else {
                return Ok(());
            };
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(io::Error::new(ErrorKind::TimedOut, waiting));
            }
            sys::sleep(left.min(SCAN_INTERVAL / 10));
        }
    }

    /// Tries the backlog in every file of the family, in many short turns: a call that comes in
    /// between does not wait for all of them.
    pub(super) fn scan(&self) {
        for part in Candidates::parts(self.options.max_variants) {
            let drained =
                self.in_turn(|state, turn| self.drain(state, turn, &part, Duration::ZERO));
            match drained {
                Ok(()) => break,
                // The other files are refused for the same reason.
                Err(error) if error.scope.is_every_file() => break,
                Err(_) => {}
            }
        }
    }
}
