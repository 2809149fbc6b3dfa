//! A record's way: the process lock, the backlog first, a commit to the current file, else to a
//! fallback, else into the backlog.

mod backlog;
mod current;
mod drain;
mod drop_report;
mod fallback;
mod file_state;
mod flush;
mod gap_line;
mod lock_wait;
mod lock_watch;
mod make_header;
mod options;
mod pending_notices;
mod process;
mod process_lock;
mod queued;
mod retry;
mod return_to_primary;
mod rotate_now;
mod write_to_family;

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use self::backlog::Backlog;
use self::current::CurrentFile;
use self::drop_report::DropReport;
use self::fallback::Candidates;
use self::file_state::{FileState, Records};
pub(crate) use self::gap_line::{gap_line, is_json};
pub(crate) use self::make_header::{is_in_header, MakeHeader};
pub(crate) use self::options::{Options, QueueOptions};
use self::process_lock::{ProcessLock, ProcessLockGuard};
pub(crate) use self::queued::{Refused, Unwritten};
use crate::file::{Backoff, CommitError, Tail};
use crate::names;
use crate::notify::{self, Notifier, Origin};
use crate::retention::{Gzip, Retention};
use crate::stats::{Counters, Stats};
use crate::sys::ForkSafeMutex;

/// What all clones of an appender share.
#[derive(Debug)]
pub(crate) struct Sink {
    primary: PathBuf,
    options: Options,
    process_lock: Arc<ProcessLock>,
    header: Option<MakeHeader>,
    notifier: Arc<Notifier>,
    retention: Arc<Retention>,
    state: ForkSafeMutex<State>,
    counters: Counters,
}

/// Only locked with the family's [`ProcessLock`] held; apart from it so that each appender of a
/// family has its own.
#[derive(Debug)]
struct State {
    files: FileState,
    backlog: Backlog,
    drops: DropReport,
    /// The retry thread has this appender on its list.
    retrying: bool,
}

impl State {
    fn new(current: CurrentFile, options: &Options) -> Self {
        State {
            files: FileState::new(current, options.return_to_primary),
            backlog: Backlog::new(options.backlog_limit, options.batch()),
            drops: DropReport::default(),
            retrying: false,
        }
    }
}

impl Sink {
    /// `length` is that of the primary, if it exists.
    pub(crate) fn new(
        primary: PathBuf,
        length: Option<u64>,
        options: Options,
        header: Option<MakeHeader>,
        notifier: Notifier,
    ) -> Self {
        let notifier = Arc::new(notifier);
        let gzip = Gzip::requested(options.compression);
        let retention =
            Retention::new(primary.clone(), options.limits, gzip, Arc::clone(&notifier));
        let retention = Arc::new(retention);
        retention.wake(0);
        let current = CurrentFile::new(0, primary.clone(), Tail::new(length), Backoff::default());
        Sink {
            header,
            process_lock: ProcessLock::of(&primary),
            notifier,
            retention,
            state: ForkSafeMutex::new(State::new(current, &options)),
            counters: Counters::default(),
            primary,
            options,
        }
    }

    pub(crate) fn primary(&self) -> &Path {
        &self.primary
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn notifier(&self) -> &Arc<Notifier> {
        &self.notifier
    }

    pub(crate) fn current_path(&self) -> PathBuf {
        names::member(&self.primary, self.counters.current.load(Ordering::Relaxed))
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.stats()
    }

    /// Takes over whole records, of which each ends where `ends` says: they are in one file, in the
    /// backlog or, where that is full, dropped, counted and reported.
    pub(crate) fn submit(self: &Arc<Self>, origin: Origin, records: &[u8], ends: &[usize]) {
        let records = Records {
            bytes: records,
            count: ends.len() as u64,
            before_write: None,
        };
        self.in_turn(|state, turn| self.enqueue(state, turn, origin, records, ends));
    }

    /// Has the next commit rotate the file, if that is asked for at the start of the program.
    pub(crate) fn start(&self) {
        if self.options.rotate_on_start {
            self.in_turn(|state, _| state.files.rotate_first());
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Runs `work` with the family's lock held; twice, if a header has to be made. After it, emits the
    /// notices.
    #[inline]
    fn in_turn<T>(&self, mut work: impl FnMut(&mut State, &mut ProcessLockGuard<'_>) -> T) -> T {
        let mut header = None;
        loop {
            let mut turn = self.process_lock.lock();
            let mut state = self.state.lock_or(|| self.state_in_child());
            if self.header.is_some() {
                state.files.begin_with_header(header.take());
            }
            let result = work(&mut state, &mut turn);
            let needs_header = self.header.is_some() && state.files.end_with_header();
            let notices = state.files.notices.take();
            drop(state);
            drop(turn);
            if notices.is_some() || self.notifier.has_no_thread() {
                self.notifier.announce(notices.unwrap_or_default());
            }
            match &self.header {
                Some(make) if needs_header => header = Some(make.text()),
                _ => return result,
            }
        }
    }

    fn count_pending(&self, state: &State) {
        let records = state.backlog.records();
        self.counters.pending.store(records, Ordering::Relaxed);
    }

    /// Makes the state of a forked child, whose parent writes what is pending.
    fn state_in_child(&self) -> State {
        self.counters.pending.store(0, Ordering::Relaxed);
        let number = self.counters.current.load(Ordering::Relaxed);
        let path = names::member(&self.primary, number);
        let current = CurrentFile::new(number, path, Tail::new(Some(0)), Backoff::default());
        State::new(current, &self.options)
    }

    #[inline]
    fn enqueue(
        self: &Arc<Self>,
        state: &mut State,
        turn: &mut ProcessLockGuard<'_>,
        origin: Origin,
        records: Records<'_>,
        ends: &[usize],
    ) {
        if let Err(error) = self.write(state, turn, origin, records, ends) {
            self.keep_refused(state, origin, records, ends, error);
        }
    }

    /// Writes the backlog, and then records, which end at `ends`.
    #[inline]
    fn write(
        &self,
        state: &mut State,
        turn: &mut ProcessLockGuard<'_>,
        origin: Origin,
        records: Records<'_>,
        ends: &[usize],
    ) -> Result<(), CommitError> {
        let drained = match state.backlog.is_empty() {
            true => Ok(()),
            false => self.drain(state, turn, &Candidates::none(), Duration::ZERO),
        };
        let written = match drained {
            Ok(()) => self.write_to_family(&mut state.files, turn, records, || {
                let all = Candidates::all(self.options.max_variants);
                (all, self.options.lock_wait)
            }),
            refused => refused,
        };
        if !state.files.notices.is_empty() {
            match notify::are_notices(origin, records.bytes, ends) {
                true => state.files.notices.hold_back(),
                false => state.files.notices.release(),
            }
        }
        written
    }

    /// Takes over records that no file took.
    #[cold]
    fn keep_refused(
        self: &Arc<Self>,
        state: &mut State,
        origin: Origin,
        records: Records<'_>,
        ends: &[usize],
        error: CommitError,
    ) {
        // They are tried again, with the header.
        if error.needs_header && !is_in_header() {
            return;
        }
        let are_notices = notify::are_notices(origin, records.bytes, ends);
        self.keep(state, records.bytes, ends, are_notices, error);
    }

    /// Puts records into the backlog that no file took.
    fn keep(
        self: &Arc<Self>,
        state: &mut State,
        records: &[u8],
        ends: &[usize],
        are_notices: bool,
        error: CommitError,
    ) {
        let mut dropped = 0;
        let mut start = 0;
        for &end in ends {
            if end <= error.left {
                self.counters.written.fetch_add(1, Ordering::Relaxed);
            } else if !state.backlog.push(&records[start..end], are_notices) {
                dropped += 1;
            }
            start = end;
        }
        self.count_pending(state);
        if dropped > 0 {
            self.counters.dropped.fetch_add(dropped, Ordering::Relaxed);
            state.drops.add(dropped, error.into_cause());
            self.report_drops(state);
        }
        self.retry_later(state);
    }

    fn report_drops(&self, state: &mut State) {
        if state.drops.is_due() && self.notifier.can_report_drop() {
            if let Some(report) = state.drops.take(&self.primary) {
                state.files.notices.push(report);
            }
        }
    }
}

impl Drop for Sink {
    /// The retry thread keeps an appender that has a backlog. So there is a backlog here only if no
    /// thread could be started.
    fn drop(&mut self) {
        let report = self.in_turn(|state, turn| {
            state.files.notices.release();
            let all = Candidates::all(self.options.max_variants);
            let mut wait = self.options.lock_wait;
            loop {
                let before = state.backlog.records();
                let drained = self.drain(state, turn, &all, mem::take(&mut wait));
                let records = state.backlog.records();
                match drained {
                    Ok(()) => break,
                    // One turn's batches; there is more.
                    Err(_) if records < before => {}
                    // It is done again, with the header.
                    Err(error) if error.needs_header => return None,
                    Err(error) => {
                        state.drops.add(records, error.into_cause());
                        break;
                    }
                }
            }
            state.drops.take(&self.primary)
        });
        self.notifier.announce_summary();
        if let Some(report) = report {
            self.notifier.report_drop(report);
        }
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
