//! Which file of the family takes a record, and what the report of a commit changes.

use std::borrow::Cow;
use std::mem;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::current::CurrentFile;
use super::fallback::{Candidates, FallbackSearch, Next};
use super::file_state::{FileState, Records};
use super::lock_wait::LockWait;
use super::lock_watch::LockWatch;
use super::make_header::{is_in_header, HeaderText};
use super::process_lock::ProcessLockGuard;
use super::Sink;
use crate::file::{
    commit, Commit, CommitError, CommitOptions, FamilyFile, LastCommit, Payload, Rotation, Tail,
    TailCheck,
};
use crate::names;
use crate::notify::{Notice, Switch, SwitchReason, Warning};
use crate::sys::{self, Instant};

impl Sink {
    /// Finds a file that takes the bytes, in one commit: the current one or, if that fails, one of
    /// the candidates of `fallback`, after a wait for the current one's lock.
    #[inline]
    pub(super) fn write_to_family(
        &self,
        files: &mut FileState,
        turn: &mut ProcessLockGuard<'_>,
        records: Records<'_>,
        fallback: impl FnOnce() -> (Candidates, Duration),
    ) -> Result<(), CommitError> {
        if files.current.number != 0 && files.returning.is_due() {
            match self.commit_to(files, 0, records) {
                Ok(()) => {
                    self.switch(files, 0, SwitchReason::Returned);
                    return Ok(());
                }
                Err(error) if error.needs_header && !is_in_header() => {
                    files.returning.try_again();
                    return Err(error);
                }
                Err(error) if error.has_taken_some(records.bytes) => return Err(error),
                Err(_) => {}
            }
        }
        match self.commit_to(files, files.current.number, records) {
            Ok(()) => {
                if !files.current.linked {
                    self.link(files);
                }
                Ok(())
            }
            Err(error) => self.fall_back(files, turn, records, fallback(), error),
        }
    }

    /// Waits for the lock of the current file, which has failed with `error`, then tries the
    /// candidates. The one that takes the bytes becomes the current file.
    #[cold]
    fn fall_back(
        &self,
        files: &mut FileState,
        turn: &mut ProcessLockGuard<'_>,
        records: Records<'_>,
        (candidates, wait): (Candidates, Duration),
        mut error: CommitError,
    ) -> Result<(), CommitError> {
        let left = files.current.number;
        let wait = self.remaining_wait(wait, files, turn);
        let path = files.current.path.clone();
        let mut watch = LockWatch::new(&path);
        let mut search = FallbackSearch::new(left, self.lock_wait(wait, files), candidates);
        let found = loop {
            // The caller has to know which of them are in that file, before the rest goes to another.
            if error.has_taken_some(records.bytes) {
                break Err(error);
            }
            let next = search.next(error.scope, watch.waited(), || watch.look());
            let file = match next {
                Next::Pause(pause) => {
                    self.counters.lock_retries.fetch_add(1, Ordering::Relaxed);
                    watch.pause(pause);
                    left
                }
                Next::Try(file) => file,
                Next::GiveUp => break Err(error),
            };
            match self.commit_to(files, file, records) {
                Ok(()) => break Ok(file),
                Err(refused) => error = refused,
            }
        };
        if !wait.is_zero() && search.reason() == Some(&SwitchReason::Locked) {
            turn.timed_out(wait, left);
        }
        let file = found.inspect_err(|error| {
            files.has_waited = error.needs_header && search.reason().is_some();
        })?;
        match search.reason() {
            _ if file == left => {
                // What the call has given away itself counts as well.
                let waited = watch.waited().time + watch.yielded();
                let commits = self.counters.commits.load(Ordering::Relaxed);
                files
                    .current
                    .has_waited(waited, search.unchanged(), commits);
            }
            _ if file == 0 => self.switch(files, 0, SwitchReason::Returned),
            Some(reason) => self.switch(files, file, reason.clone()),
            None => {}
        }
        Ok(())
    }

    fn lock_wait(&self, wait: Duration, files: &FileState) -> LockWait {
        let commits = self.counters.commits.load(Ordering::Relaxed);
        match files.current.writes_flat_out(commits, Instant::now()) {
            true => LockWait::new(wait).flat_out(),
            false => LockWait::new(wait),
        }
    }

    /// How much of `wait` is left to this call.
    fn remaining_wait(
        &self,
        wait: Duration,
        files: &FileState,
        turn: &ProcessLockGuard<'_>,
    ) -> Duration {
        let current = &files.current;
        let has_waited = files.has_waited || turn.has_waited(wait, current.number);
        match wait.is_zero() || has_waited {
            true => Duration::ZERO,
            false => wait.min(current.remaining_waits(wait)),
        }
    }

    /// Commits to one file of the family, and acts on the report.
    fn commit_to(
        &self,
        files: &mut FileState,
        number: u16,
        records: Records<'_>,
    ) -> Result<(), CommitError> {
        let payload = Payload {
            bytes: records.bytes,
            before_write: records.before_write,
        };
        let family_file = FamilyFile {
            primary: &self.primary,
            number,
        };
        let is_current = number == files.current.number;
        let (path, check, rotation, sync_name) = if is_current {
            let rotation = self.rotation(&mut files.current);
            let current = &files.current;
            let check = match records.before_write {
                None => current.tail.check(),
                Some(_) => current.tail.verify(),
            };
            let path = Cow::Borrowed(&current.path);
            (path, check, rotation, !current.name_synced)
        } else {
            let path = names::member(&self.primary, number);
            let check = TailCheck::Verify(LastCommit::Unknown);
            (Cow::Owned(path), check, self.options.rotation(), true)
        };
        let one = Commit {
            path: &path,
            file: family_file,
            payload,
            options: CommitOptions {
                rotation,
                sync: self.options.sync,
                mode: self.options.mode,
                sync_name,
                header: files.header.for_commit(),
            },
        };
        let rotations = &mut files.rotations;
        let result = commit(&one, check, rotations);
        let rotated = !files.rotations.archives.is_empty();
        if rotated {
            self.count_rotations(files, number);
        }
        if is_current {
            let current = &mut files.current;
            current.name_synced = result.is_ok();
            if rotated {
                current.backoff.rotated(number, self.period());
                current.tail = Tail::new(None);
                self.retention.wake(number);
            }
            match &result {
                Ok(report) => {
                    if report.created {
                        current.tail = Tail::new(None);
                        if !rotated {
                            // Another program has made an archive, unless this is a log's start.
                            self.retention.wake(number);
                        }
                    }
                    current.tail.committed(payload.bytes.len(), report.end);
                }
                Err(error) if error.needs_header => {}
                Err(error) => current.tail.refused(error.left_piece),
            }
        }
        if let Err(error) = &result {
            if error.needs_header {
                files.header = HeaderText::Wanted;
            }
        }
        let report = result?;
        files.current.rotate_first = false;
        self.counters
            .written
            .fetch_add(records.count, Ordering::Relaxed);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        if let (Some(cause), false) = (report.lock_unsupported, files.warned_of_no_locks) {
            files.warned_of_no_locks = true;
            let warning = Notice::warning(Warning::NoLocks, &self.primary, cause);
            files.notices.push(warning);
        }
        if let Some(cause) = report.rotation_failed {
            if files.current.backoff.failed(number) {
                let path = names::member(&self.primary, number);
                let warning = Notice::warning(Warning::NotRotated, &path, cause);
                files.notices.push(warning);
            }
        }
        Ok(())
    }

    /// When the current file is rotated: not for a while after a rotation that failed.
    #[inline]
    fn rotation(&self, current: &mut CurrentFile) -> Option<Rotation<'_>> {
        let rotation = Rotation {
            at_once: current.rotate_first,
            ..self.options.rotation()?
        };
        let number = current.number;
        current.backoff.allowed(number, rotation, || self.period())
    }

    /// Returns the start of the current period, if files are rotated by period.
    fn period(&self) -> Option<i64> {
        let calendar = self.options.calendar.as_ref()?;
        Some(calendar.start(sys::now()))
    }

    fn switch(&self, files: &mut FileState, number: u16, reason: SwitchReason) {
        let path = names::member(&self.primary, number);
        let backoff = mem::take(&mut files.current.backoff);
        let mut current = CurrentFile::new(number, path.clone(), Tail::shared(), backoff);
        // The commit that caused this switch has synced it.
        current.name_synced = true;
        let left = mem::replace(&mut files.current, current);
        files.returning.switched(number);
        self.counters.current.store(number, Ordering::Relaxed);
        self.counters.switches.fetch_add(1, Ordering::Relaxed);
        files.notices.push(Notice::Switched(Switch {
            original: self.primary.clone(),
            fallback: if number == 0 { left.path } else { path },
            reason,
        }));
        self.link(files);
        self.retention.wake(number);
    }

    /// Makes the link lead to the current file, if there is to be one.
    #[cold]
    fn link(&self, files: &mut FileState) {
        let current = &mut files.current;
        current.linked = true;
        if let Some(link) = &self.options.latest {
            if let Err(cause) = sys::point_link(link, &current.path) {
                let warning = Notice::warning(Warning::NotLinked, link, cause);
                files.notices.push(warning);
            }
        }
    }
}
