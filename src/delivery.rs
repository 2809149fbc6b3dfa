//! The way of a record: in order, into a file or into the backlog; and out of the backlog again.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::backlog::Backlog;
use crate::drop_report::DropReport;
use crate::escalation::{self, Escalation, Next, Reach};
use crate::family;
use crate::file::{
    commit, Backoff, CommitError, CommitOptions, FamilyFile, LastCommit, Tail, TailCheck,
};
use crate::notify::{self, Notice, Notifier, Switch, SwitchReason, Warning};
use crate::options::Options;
use crate::process_lock::{ProcessLock, ProcessLockGuard};
use crate::retention::{Gzip, Retention};
use crate::retry::{self, Retried};
use crate::stats::{Counters, Stats};
use crate::sys;
use crate::thread::ForkSafeMutex;

/// A file is left when calls in a row, none of which got its lock at the first try, have waited
/// this many times `lock_wait` together. See [`crate::Builder::lock_wait`] for the figures.
const PATIENCE: u32 = 10;

/// The batches of the backlog that are written in one turn, so that a call does not write for
/// others without end. With the default limit it is all of the backlog.
const MAX_BATCHES: usize = 20;

/// How often `flush` tries every file of the family.
const SCAN_INTERVAL: Duration = Duration::from_millis(100);

/// A primary that is left so soon after the return to it is returned to ever more seldom, lest each
/// record and each notice switch twice.
const SHORT_STAY: Duration = Duration::from_secs(1);
const MIN_RETURN_PAUSE: Duration = Duration::from_millis(100);
const MAX_RETURN_PAUSE: Duration = Duration::from_secs(60);

/// What all clones of an appender share.
#[derive(Debug)]
pub(crate) struct Delivery {
    primary: PathBuf,
    options: Options,
    process_lock: Arc<ProcessLock>,
    notifier: Arc<Notifier>,
    retention: Arc<Retention>,
    state: ForkSafeMutex<State>,
    counters: Counters,
}

/// Only locked with the family's [`ProcessLock`] held; apart from it so that each appender of a
/// family has its own.
#[derive(Debug)]
struct State {
    place: Place,
    backlog: Backlog,
    drops: DropReport,
    /// Notices of switches that the record of a notice has made. They go out with the next record
    /// that is none: at once they would start each other, without end where several appenders are
    /// in one subscriber.
    held_back: Vec<Notice>,
    /// The retry thread has this appender on its list.
    retrying: bool,
}

/// Where the next record goes.
#[derive(Debug)]
struct Place {
    current: u16,
    path: PathBuf,
    tail: Tail,
    /// How long the calls since the last one that got the lock at its first try have waited.
    waited: Duration,
    /// When the primary was left, or tried last since then.
    left: Instant,
    /// When the primary was returned to.
    returned: Option<Instant>,
    /// The primary is not tried for this time after it was left, whatever `return_to_primary` says.
    return_pause: Duration,
    /// That the link to the current file is right, or that it can't be made, has been seen to.
    linked: bool,
    backoff: Backoff,
    /// That there are no locks here has been said.
    no_locks: bool,
    /// To be said after the turn.
    notices: Vec<Notice>,
}

impl Place {
    /// How long the primary, which has just been left, is not tried again.
    fn next_return_pause(&self) -> Duration {
        match self.returned {
            Some(at) if at.elapsed() < SHORT_STAY => {
                (self.return_pause * 2).clamp(MIN_RETURN_PAUSE, MAX_RETURN_PAUSE)
            }
            _ => Duration::ZERO,
        }
    }
}

impl State {
    fn new(path: PathBuf, current: u16, length: Option<u64>, options: &Options) -> Self {
        State {
            place: Place {
                current,
                path,
                tail: Tail::new(length),
                waited: Duration::ZERO,
                left: Instant::now(),
                returned: None,
                return_pause: Duration::ZERO,
                linked: false,
                backoff: Backoff::default(),
                no_locks: false,
                notices: Vec::new(),
            },
            backlog: Backlog::new(options.backlog_limit, options.batch()),
            drops: DropReport::default(),
            held_back: Vec::new(),
            retrying: false,
        }
    }
}

impl State {
    /// Keeps the event of the newest alone: where notices switch each other's files, one record
    /// would have more of them than the one before.
    fn hold_back_notices(&mut self) {
        for notice in self.place.notices.drain(..) {
            if let Some(last) = self.held_back.pop() {
                self.held_back.push(last.superseded());
            }
            self.held_back.push(notice);
        }
    }

    /// Lets the notices out that were held back, before the newer ones.
    fn release_notices(&mut self) {
        self.held_back.append(&mut self.place.notices);
        mem::swap(&mut self.held_back, &mut self.place.notices);
    }
}

impl Delivery {
    pub(crate) fn new(
        primary: PathBuf,
        length: Option<u64>,
        options: Options,
        notifier: Notifier,
    ) -> Self {
        let notifier = Arc::new(notifier);
        let rotates = options.commit.rotation.is_some();
        let gzip = Gzip::requested(options.compression).filter(|_| rotates);
        let retention =
            Retention::new(primary.clone(), options.limits, gzip, Arc::clone(&notifier));
        let retention = Arc::new(retention);
        retention.wake(0);
        Delivery {
            process_lock: ProcessLock::of(&primary),
            notifier,
            retention,
            state: ForkSafeMutex::new(State::new(primary.clone(), 0, length, &options)),
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
        family::member(&self.primary, self.counters.current.load(Ordering::Relaxed))
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.stats()
    }

    /// Takes over whole records, of which each ends where `ends` says: they are in one file, in the
    /// backlog or, where that is full, dropped, counted and reported.
    pub(crate) fn deliver(self: &Arc<Self>, records: &[u8], ends: &[usize]) {
        self.in_turn(|state, turn| self.accept(state, turn, records, ends));
    }

    /// Waits at most `timeout` for the backlog to be empty.
    pub(crate) fn flush(&self, timeout: Duration) -> io::Result<()> {
        let began = Instant::now();
        let mut scanned: Option<Instant> = None;
        loop {
            if scanned.is_none_or(|at| at.elapsed() >= SCAN_INTERVAL) {
                self.scan();
                scanned = Some(Instant::now());
            }
            let waiting = self.in_turn(|state, turn| {
                let _ = self.drain(state, turn, &Reach::Current);
                state.backlog.waiting()
            });
            let Some(waiting) = waiting else {
                return Ok(());
            };
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(io::Error::new(ErrorKind::TimedOut, waiting));
            }
            thread::sleep(left.min(SCAN_INTERVAL / 10));
        }
    }

    /// Tries the backlog in every file of the family, in many short turns: a call that comes in
    /// between does not wait for all of them.
    fn scan(&self) {
        for part in escalation::parts(self.options.max_variants) {
            let drained = self.in_turn(|state, turn| self.drain(state, turn, &Reach::Part(part)));
            match drained {
                Ok(()) => break,
                // The other files are refused for the same reason.
                Err(failure) if failure.scope.is_every_file() => break,
                Err(_) => {}
            }
        }
    }

    /// Runs `work` with the family's lock held, then says what there is to say.
    fn in_turn<T>(&self, work: impl FnOnce(&mut State, &mut ProcessLockGuard<'_>) -> T) -> T {
        let mut turn = self.process_lock.lock();
        let mut state = self.state.lock_or(|| self.state_in_child());
        let result = work(&mut state, &mut turn);
        let notices = mem::take(&mut state.place.notices);
        drop(state);
        drop(turn);
        if !notices.is_empty() || self.notifier.has_no_thread() {
            self.notifier.announce(notices);
        }
        result
    }

    fn count_pending(&self, state: &State) {
        let records = state.backlog.records();
        self.counters.pending.store(records, Ordering::Relaxed);
    }

    /// In a forked child: what is pending is the parent's to write.
    fn state_in_child(&self) -> State {
        self.counters.pending.store(0, Ordering::Relaxed);
        let current = self.counters.current.load(Ordering::Relaxed);
        let path = family::member(&self.primary, current);
        State::new(path, current, Some(0), &self.options)
    }

    fn accept(
        self: &Arc<Self>,
        state: &mut State,
        turn: &mut ProcessLockGuard<'_>,
        records: &[u8],
        ends: &[usize],
    ) {
        let taken = self.drain(state, turn, &Reach::Current).and_then(|()| {
            let number = ends.len() as u64;
            self.settle(&mut state.place, turn, records, number, &Reach::Family)
        });
        if !(state.place.notices.is_empty() && state.held_back.is_empty()) {
            match notify::are_notices(records, ends) {
                true => state.hold_back_notices(),
                false => state.release_notices(),
            }
        }
        let Err(failure) = taken else {
            return;
        };
        let are_notices = notify::are_notices(records, ends);
        let mut dropped = 0;
        let mut start = 0;
        for &end in ends {
            let is_taken = state.backlog.push(&records[start..end], are_notices);
            dropped += u64::from(!is_taken);
            start = end;
        }
        self.count_pending(state);
        if dropped > 0 {
            self.counters.dropped.fetch_add(dropped, Ordering::Relaxed);
            state.drops.add(dropped, failure.into_cause());
            self.report_drops(state);
        }
        self.retry_later(state);
    }

    /// Writes what waits. An error means that some of it still does, and why.
    fn drain(
        &self,
        state: &mut State,
        turn: &mut ProcessLockGuard<'_>,
        reach: &Reach,
    ) -> Result<(), CommitError> {
        for _ in 0..MAX_BATCHES {
            let Some(batch) = state.backlog.front() else {
                return Ok(());
            };
            let bytes = state.backlog.bytes(&batch);
            self.settle(&mut state.place, turn, bytes, batch.records, reach)?;
            if batch.are_notices {
                state.hold_back_notices();
            }
            state.backlog.pop(batch);
            self.count_pending(state);
        }
        match state.backlog.is_empty() {
            true => Ok(()),
            // More than a call should write for others; the thread goes on with it.
            false => Err(io::Error::from(ErrorKind::WouldBlock).into()),
        }
    }

    /// Finds a file that takes the bytes, in one commit.
    fn settle(
        &self,
        place: &mut Place,
        turn: &mut ProcessLockGuard<'_>,
        bytes: &[u8],
        records: u64,
        reach: &Reach,
    ) -> Result<(), CommitError> {
        if self.primary_is_due(place) && self.try_file(place, 0, bytes, records).is_ok() {
            self.switch(place, 0, SwitchReason::Returned);
            return Ok(());
        }
        let left = place.current;
        let mut failure = match self.try_file(place, left, bytes, records) {
            Ok(()) => {
                place.waited = Duration::ZERO;
                self.link(place);
                return Ok(());
            }
            Err(failure) => failure,
        };
        let began = Instant::now();
        let wait = match reach {
            Reach::Family => self.may_wait(place, turn),
            _ => Duration::ZERO,
        };
        let mut escalation = Escalation::new(left, wait, self.options.max_variants, reach);
        let result = loop {
            let file = match escalation.next(failure.scope, began.elapsed()) {
                Next::Pause(pause) => {
                    self.counters.lock_retries.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(pause);
                    left
                }
                Next::Try(file) => file,
                Next::GiveUp => break Err(failure),
            };
            match self.try_file(place, file, bytes, records) {
                Ok(()) => break Ok(file),
                Err(refused) => failure = refused,
            }
        };
        if !wait.is_zero() && escalation.reason() == Some(&SwitchReason::Locked) {
            turn.timed_out(wait, left);
        }
        let file = result?;
        match escalation.reason() {
            _ if file == left => place.waited += began.elapsed(),
            _ if file == 0 => self.switch(place, 0, SwitchReason::Returned),
            Some(reason) => self.switch(place, file, reason.clone()),
            None => {}
        }
        Ok(())
    }

    /// How much of `lock_wait` is left to this call.
    fn may_wait(&self, place: &Place, turn: &ProcessLockGuard<'_>) -> Duration {
        let wait = self.options.lock_wait;
        if turn.has_waited(wait, place.current) {
            return Duration::ZERO;
        }
        wait.min(wait.saturating_mul(PATIENCE).saturating_sub(place.waited))
    }

    /// Whether it is time to look if the primary is free again.
    fn primary_is_due(&self, place: &mut Place) -> bool {
        match self.options.return_to_primary {
            Some(every)
                if place.current != 0 && place.left.elapsed() >= every.max(place.return_pause) =>
            {
                place.left = Instant::now();
                true
            }
            _ => false,
        }
    }

    fn try_file(
        &self,
        place: &mut Place,
        file: u16,
        bytes: &[u8],
        records: u64,
    ) -> Result<(), CommitError> {
        let family_file = FamilyFile {
            primary: &self.primary,
            number: file,
        };
        let is_current = file == place.current;
        let (path, check, options) = if is_current {
            let options = self.commit_options(place);
            (Cow::Borrowed(&place.path), place.tail.check(), options)
        } else {
            let path = family::member(&self.primary, file);
            let check = TailCheck::Verify(LastCommit::Unknown);
            (Cow::Owned(path), check, self.options.commit)
        };
        let result = commit(&path, family_file, bytes, check, &options);
        let rotated = match &result {
            Ok(report) => report.rotated,
            Err(error) => error.rotated,
        };
        if rotated {
            self.counters.rotations.fetch_add(1, Ordering::Relaxed);
        }
        if is_current {
            if rotated {
                place.backoff.rotated(file, self.period());
                place.tail = Tail::new(None);
                self.retention.wake(place.current);
            }
            match &result {
                Ok(report) => {
                    if report.created {
                        place.tail = Tail::new(None);
                    }
                    place.tail.committed(bytes.len(), report.end);
                }
                Err(error) => place.tail.refused(error.left_piece),
            }
        }
        let report = result?;
        self.counters.written.fetch_add(records, Ordering::Relaxed);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        if let (Some(cause), false) = (report.lock_unsupported, place.no_locks) {
            place.no_locks = true;
            let warning = Notice::warning(Warning::NoLocks, &self.primary, cause);
            place.notices.push(warning);
        }
        if let Some(cause) = report.rotation_failed {
            if place.backoff.failed(file) {
                let warning = Notice::warning(Warning::NotRotated, &path, cause);
                place.notices.push(warning);
            }
        }
        Ok(())
    }

    /// How the current file is written: after a rotation that failed, without another one for a
    /// while.
    fn commit_options(&self, place: &mut Place) -> CommitOptions {
        let mut options = self.options.commit;
        if let Some(rotation) = options.rotation {
            let file = place.current;
            options.rotation = place.backoff.allowed(file, rotation, || self.period());
        }
        options
    }

    /// The period that it is now, if files are rotated by period.
    fn period(&self) -> Option<i64> {
        let period = self.options.commit.rotation?.period?;
        Some(period.number(SystemTime::now()))
    }

    fn switch(&self, place: &mut Place, file: u16, reason: SwitchReason) {
        let path = family::member(&self.primary, file);
        let left = mem::replace(&mut place.path, path.clone());
        place.current = file;
        place.tail = Tail::shared();
        place.waited = Duration::ZERO;
        place.left = Instant::now();
        match file {
            0 => place.returned = Some(place.left),
            _ => place.return_pause = place.next_return_pause(),
        }
        self.counters.current.store(file, Ordering::Relaxed);
        self.counters.switches.fetch_add(1, Ordering::Relaxed);
        place.notices.push(Notice::Switched(Switch {
            original: self.primary.clone(),
            fallback: if file == 0 { left } else { path },
            reason,
        }));
        place.linked = false;
        self.link(place);
        self.retention.wake(file);
    }

    /// Makes the link lead to the current file, if there is to be one and it does not yet.
    fn link(&self, place: &mut Place) {
        if let (false, Some(link)) = (mem::replace(&mut place.linked, true), &self.options.latest) {
            if let Err(cause) = sys::point_link(link, &place.path) {
                let warning = Notice::warning(Warning::NotLinked, link, cause);
                place.notices.push(warning);
            }
        }
    }

    fn report_drops(&self, state: &mut State) {
        if state.drops.is_due() && self.notifier.can_report_drop() {
            let report = state.drops.take(&self.primary);
            state.place.notices.extend(report);
        }
    }

    /// Puts this appender on the list of the retry thread. Where no thread can be had, the next call
    /// tries, or the drop.
    fn retry_later(self: &Arc<Self>, state: &mut State) {
        if !state.retrying {
            state.retrying = retry::enlist(Arc::clone(self)).is_ok();
        }
    }

    /// Tries the backlog. What is left is to be tried again.
    pub(crate) fn retry(&self) -> Retried {
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

impl Drop for Delivery {
    /// The retry thread keeps an appender that has a backlog, so here is one only where there was
    /// no thread to be had.
    fn drop(&mut self) {
        let report = self.in_turn(|state, turn| {
            state.release_notices();
            if let Err(failure) = self.drain(state, turn, &Reach::Family) {
                state
                    .drops
                    .add(state.backlog.records(), failure.into_cause());
            }
            state.drops.take(&self.primary)
        });
        if let Some(report) = report {
            self.notifier.report_drop(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use fd_lock::RwLock;

    use super::*;

    #[test]
    fn a_call_writes_a_bounded_part_of_a_large_backlog() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.log");
        let appender = crate::FileAppender::builder()
            .max_variants(0)
            .lock_wait(Duration::ZERO)
            .backlog_limit(64 << 20)
            .build(&log)
            .unwrap();
        let delivery = appender.delivery();
        // The retry thread is to leave this one alone.
        delivery.in_turn(|state, _| state.retrying = true);
        let mut file = RwLock::new(std::fs::File::create(&log).unwrap());
        let held = file.write().unwrap();
        let record = [[b'x'; 9_999].as_slice(), b"\n"].concat();
        for _ in 0..500 {
            delivery.deliver(&record, &[record.len()]);
        }
        assert_eq!(delivery.stats().pending, 500);
        drop(held);
        delivery.deliver(&record, &[record.len()]);
        let stats = delivery.stats();
        assert_eq!(stats.commits, MAX_BATCHES as u64);
        assert_eq!(stats.pending + stats.written, 501);
        appender.flush(Duration::from_secs(10)).unwrap();
        assert_eq!(delivery.stats().written, 501);
    }
}
