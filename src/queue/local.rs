//! The queue of one process, which callers and the worker share.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::file::{NewFile, QueueFile};
use super::front::{Front, Parts, Phase, WorkerState};
use super::journal::Journal;
use super::segment::{Memory, Segment};
use crate::sink::QueueOptions;
use crate::stats::QueuePlace;
use crate::sys::{self, Condvar, Instant, Mutex, MutexGuard};

/// The queue of one process.
pub(super) struct Local {
    front: Mutex<Front>,
    /// The worker waits for lines, and pauses.
    work: Condvar,
    /// Callers wait for room.
    room: Condvar,
    /// Threads wait for lines to be in a log.
    progress: Condvar,
    /// The number of threads that wait for `progress`.
    watching: AtomicU32,
    /// How many lines are in a log. Only the worker changes it; without the lock, as it would have
    /// to wait for it after each commit.
    written: AtomicU64,
    /// The length of the longest line that fits into an empty segment.
    pub(super) capacity: usize,
    /// It was made in a forked child, by the first thread that came or by several.
    pub(super) is_of_child: bool,
    file: Mutex<Option<QueueFile>>,
}

/// How the wait of a caller has ended.
pub(super) enum Waited<'a> {
    Done(MutexGuard<'a, Front>),
    /// No file takes lines.
    InVain(MutexGuard<'a, Front>),
}

impl Local {
    /// A queue that takes nothing.
    pub(super) fn closed() -> Local {
        let parts = Parts {
            segment: Segment::none(),
            journal: None,
            heap: None,
        };
        let local = Local::with(Segment::none(), parts, None, 0);
        local.lock().phase = Phase::Closed;
        local
    }

    /// Makes the queue of the log `primary`, in a file if there can be one.
    pub(super) fn new(primary: &Path, options: &QueueOptions, mode: Option<u32>) -> Local {
        let segment = options.segment();
        let directory = options.directory(primary);
        match QueueFile::create(primary, directory, mode, segment) {
            Ok(new) => Local::mapped(new, segment),
            Err(cause) => {
                let heap = Some((directory.to_owned(), cause));
                let memory = || Segment::new(Memory::Heap(vec![0; segment].into()));
                let parts = Parts {
                    segment: memory(),
                    journal: None,
                    heap,
                };
                let mut first = memory();
                first.open(1);
                Local::with(first, parts, None, segment)
            }
        }
    }

    fn mapped(new: NewFile, segment: usize) -> Local {
        let [mut first, second] = new.segments.map(|map| Segment::new(Memory::Mapped(map)));
        first.open(1);
        let parts = Parts {
            segment: second,
            journal: Some(Journal::new(new.header, 0)),
            heap: None,
        };
        Local::with(first, parts, Some(new.file), segment)
    }

    fn with(first: Segment, parts: Parts, file: Option<QueueFile>, segment: usize) -> Local {
        Local {
            front: Mutex::new(Front::new(first, parts)),
            work: Condvar::new(),
            room: Condvar::new(),
            progress: Condvar::new(),
            watching: AtomicU32::new(0),
            written: AtomicU64::new(0),
            capacity: Segment::capacity(segment),
            is_of_child: false,
            file: Mutex::new(file),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Front> {
        sys::lock(&self.front)
    }

    /// Wakes the worker if it waits for lines, or if it rests and there are many.
    #[inline]
    pub(super) fn wake_for_lines(&self, mut front: MutexGuard<'_, Front>) {
        let has_work = match front.worker {
            WorkerState::Asleep => true,
            WorkerState::Resting => front.segment.is_filling(),
            _ => false,
        };
        if has_work {
            front.worker = WorkerState::Working;
            // The lock is released first: otherwise the worker would wake up and wait for it.
            drop(front);
            self.work.notify_one();
        }
    }

    /// Wakes the worker, if it waits for anything.
    pub(super) fn wake(&self, front: &mut Front) {
        if front.worker.is_waiting() {
            front.worker = WorkerState::Working;
            self.work.notify_one();
        }
    }

    /// For the worker: waits in this state until it is woken, for at most `pause`.
    pub(super) fn sleep<'a>(
        &self,
        mut front: MutexGuard<'a, Front>,
        state: WorkerState,
        pause: Option<Duration>,
    ) -> MutexGuard<'a, Front> {
        let until = pause.map(|pause| Instant::now() + pause);
        front.worker = state;
        while front.worker.is_waiting() {
            front = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => sys::wait(&self.work, front),
                Some(Duration::ZERO) => break,
                Some(left) => sys::wait_timeout(&self.work, front, left),
            };
        }
        front.worker = WorkerState::Working;
        front
    }

    /// For a caller: waits until there is room for a line of `length` bytes, or the queue is closed.
    /// While no file takes lines it waits for at most `patience`: then there is no room.
    pub(super) fn wait_for_room<'a>(
        &'a self,
        front: MutexGuard<'a, Front>,
        length: usize,
        patience: Duration,
    ) -> Waited<'a> {
        self.wait(front, &self.room, patience, |front| {
            front.segment.has_room(length)
        })
    }

    /// For a caller: waits until the first `lines` lines are written, or the queue is closed; in the
    /// same way.
    pub(super) fn wait_until_written<'a>(
        &'a self,
        front: MutexGuard<'a, Front>,
        lines: u64,
        patience: Duration,
    ) -> Waited<'a> {
        self.watching.fetch_add(1, Ordering::SeqCst);
        let waited = self.wait(front, &self.progress, patience, |_| self.written() >= lines);
        self.watching.fetch_sub(1, Ordering::Relaxed);
        waited
    }

    fn wait<'a>(
        &self,
        mut front: MutexGuard<'a, Front>,
        change: &Condvar,
        patience: Duration,
        done: impl Fn(&Front) -> bool,
    ) -> Waited<'a> {
        let is_done = |front: &Front| front.phase == Phase::Closed || done(front);
        // When this call first saw that no file takes lines. Until then its wait has no limit, as
        // the worker makes progress.
        let mut refused_since = None;
        front.waiting += 1;
        if !is_done(&front) && !front.waited_in_vain {
            // It may be resting, or pausing because no file takes the lines.
            self.wake(&mut front);
        }
        while !is_done(&front) && !front.waited_in_vain {
            if front.refused.is_none() {
                refused_since = None;
                front = sys::wait(change, front);
                continue;
            }
            let since = *refused_since.get_or_insert_with(Instant::now);
            match patience.saturating_sub(since.elapsed()) {
                Duration::ZERO => front.waited_in_vain = true,
                left => front = sys::wait_timeout(change, front, left),
            }
        }
        front.waiting -= 1;
        match is_done(&front) {
            true => Waited::Done(front),
            false => Waited::InVain(front),
        }
    }

    /// For the worker: no file takes the next lines. Returns the cause of the refusal before.
    pub(super) fn refuse(&self, front: &mut Front, cause: io::Error) -> Option<io::Error> {
        let earlier = front.refused.replace(cause);
        if earlier.is_none() && front.waiting > 0 {
            // From now on their waits have a limit.
            self.room.notify_all();
            self.progress.notify_all();
        }
        earlier
    }

    /// For `flush`: waits until `done`, and for at most `timeout`.
    pub(super) fn wait_for<'a>(
        &self,
        mut front: MutexGuard<'a, Front>,
        timeout: Duration,
        done: impl Fn(&Front) -> bool,
    ) -> MutexGuard<'a, Front> {
        let began = Instant::now();
        front.flushing += 1;
        self.watching.fetch_add(1, Ordering::SeqCst);
        self.wake(&mut front);
        while !done(&front) {
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            front = sys::wait_timeout(&self.progress, front, left);
        }
        self.watching.fetch_sub(1, Ordering::Relaxed);
        front.flushing -= 1;
        front
    }

    /// For the worker: wakes the callers that wait for room, as there is an empty segment.
    pub(super) fn made_room(&self, front: MutexGuard<'_, Front>) {
        if front.waiting > 0 {
            // The lock is released first: otherwise the callers would wake up and wait for it.
            drop(front);
            self.room.notify_all();
        }
    }

    /// For the worker: adds to the number of lines in a log.
    pub(super) fn made_progress(&self, lines: u64) {
        // Both are SeqCst: either a thread that is about to wait sees these lines, or this sees
        // that thread.
        self.written.fetch_add(lines, Ordering::SeqCst);
        if self.watching.load(Ordering::SeqCst) > 0 {
            // That thread has the lock from its check until it waits.
            drop(self.lock());
            self.progress.notify_all();
        }
    }

    /// How many lines are in a log. While the caller has the lock, it is at most the number taken.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// The path of the queue's file.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let file = sys::lock(&self.file);
        file.as_ref().map(|file| file.path().to_owned())
    }

    /// Where a queue that is not closed lies.
    pub(super) fn place(&self) -> QueuePlace {
        match *sys::lock(&self.file) {
            Some(_) => QueuePlace::File,
            None => QueuePlace::Heap,
        }
    }

    /// For the worker: all is written, and its part of the memory is unmapped. Unmaps the rest and
    /// removes the file.
    pub(super) fn close(&self, front: &mut Front) {
        front.phase = Phase::Closed;
        front.segment = Segment::none();
        let file = sys::lock(&self.file).take();
        if let Some(file) = file {
            file.remove();
        }
        self.room.notify_all();
        self.progress.notify_all();
    }

    /// For a forked child, of its parent's queue: closes its handle of the file, with which it would
    /// keep the lock after the parent's end.
    pub(super) fn disown(&self) {
        if let Ok(mut file) = self.file.try_lock() {
            drop(file.take());
        }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("path", &self.path()).finish()
    }
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
