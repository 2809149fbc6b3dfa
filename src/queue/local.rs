//! The queue of one process: what callers and the worker share.

use std::fmt;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::file::{NewFile, QueueFile};
use super::journal::Journal;
use super::segment::{Memory, Segment};
use crate::sink::QueueOptions;
use crate::stats::QueuePlace;
use crate::sys::{self, Condvar, Instant, Mapping, Mutex, MutexGuard};

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
    /// How many lines are in a log. Only the worker changes it, without the lock: after each commit
    /// it would have to wait for the lock.
    written: AtomicU64,
    /// The length of the longest line that there can be room for.
    pub(super) capacity: usize,
    file: Mutex<Option<QueueFile>>,
}

/// The state that the lock protects.
pub(super) struct Front {
    /// Takes the lines.
    pub(super) segment: Segment,
    pub(super) phase: Phase,
    pub(super) worker: WorkerState,
    /// The number of callers that wait for room, or for what is queued before their record.
    pub(super) waiting: u32,
    /// The number of threads that wait in `flush`.
    pub(super) flushing: u32,
    /// How many lines the queue has taken.
    pub(super) taken: u64,
    /// The records dropped since the last line, and whether they are JSON.
    pub(super) missing: u64,
    pub(super) json: bool,
    /// Why no file takes the next lines.
    pub(super) refused: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The guard is gone: what is queued is written, and calls write for themselves after that.
    Closing,
    /// All is written, and the worker is about to end.
    Written,
    /// The worker has ended, and the file is removed.
    Closed,
}

pub(super) enum WorkerState {
    /// It starts with the first line.
    NotStarted(Box<Parts>),
    /// Its thread has not come to work yet.
    Starting(Box<Parts>),
    Working,
    /// It waits for lines.
    Asleep,
    /// It lets lines come together, for a moment.
    Resting,
    /// It waits until it tries again to write lines that no file takes.
    Pausing,
}

impl WorkerState {
    fn is_waiting(&self) -> bool {
        use WorkerState::{Asleep, Pausing, Resting};
        matches!(self, Asleep | Resting | Pausing)
    }
}

/// What only the worker uses.
pub(super) struct Parts {
    pub(super) segment: Segment,
    /// Of a mapped queue.
    pub(super) journal: Option<Journal<Mapping>>,
    /// Why the queue is on the heap.
    pub(super) heap: Option<(PathBuf, io::Error)>,
}

impl Front {
    /// A thread is about to be started.
    pub(super) fn start(&mut self) {
        match mem::replace(&mut self.worker, WorkerState::Working) {
            WorkerState::NotStarted(parts) => self.worker = WorkerState::Starting(parts),
            other => self.worker = other,
        }
    }

    /// Takes the worker's parts; `None` if another thread has them.
    pub(super) fn take_parts(&mut self) -> Option<Parts> {
        match mem::replace(&mut self.worker, WorkerState::Working) {
            WorkerState::NotStarted(parts) | WorkerState::Starting(parts) => Some(*parts),
            other => {
                self.worker = other;
                None
            }
        }
    }

    /// Ends the queue once all is written.
    pub(super) fn close(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
        }
    }
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
    pub(super) fn new(
        primary: &Path,
        options: &QueueOptions,
        mode: Option<u32>,
    ) -> (Local, QueuePlace) {
        let segment = options.segment();
        let directory = options.directory(primary);
        match QueueFile::create(primary, directory, mode, segment) {
            Ok(new) => (Local::mapped(new, segment), QueuePlace::File),
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
                (Local::with(first, parts, None, segment), QueuePlace::Heap)
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
            front: Mutex::new(Front {
                segment: first,
                phase: Phase::Open,
                worker: WorkerState::NotStarted(Box::new(parts)),
                waiting: 0,
                flushing: 0,
                taken: 0,
                missing: 0,
                json: false,
                refused: None,
            }),
            work: Condvar::new(),
            room: Condvar::new(),
            progress: Condvar::new(),
            watching: AtomicU32::new(0),
            written: AtomicU64::new(0),
            capacity: Segment::capacity(segment),
            file: Mutex::new(file),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Front> {
        sys::lock(&self.front)
    }

    /// Wakes the worker if it waits for lines, or rests and there are many.
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
    pub(super) fn wait_for_room<'a>(
        &'a self,
        front: MutexGuard<'a, Front>,
        length: usize,
    ) -> MutexGuard<'a, Front> {
        self.wait(front, &self.room, |front| front.segment.has_room(length))
    }

    /// For a caller: waits until the first `lines` lines are written, or the queue is closed.
    pub(super) fn wait_until_written<'a>(
        &'a self,
        front: MutexGuard<'a, Front>,
        lines: u64,
    ) -> MutexGuard<'a, Front> {
        self.watching.fetch_add(1, Ordering::SeqCst);
        let front = self.wait(front, &self.progress, |_| self.written() >= lines);
        self.watching.fetch_sub(1, Ordering::Relaxed);
        front
    }

    fn wait<'a>(
        &self,
        mut front: MutexGuard<'a, Front>,
        change: &Condvar,
        done: impl Fn(&Front) -> bool,
    ) -> MutexGuard<'a, Front> {
        front.waiting += 1;
        while front.phase != Phase::Closed && !done(&front) {
            // The worker may pause because no file takes the lines.
            self.wake(&mut front);
            front = sys::wait(change, front);
        }
        front.waiting -= 1;
        front
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

    /// There is an empty segment.
    pub(super) fn made_room(&self, front: MutexGuard<'_, Front>) {
        if front.waiting > 0 {
            // The lock is released first: otherwise the callers would wake up and wait for it.
            drop(front);
            self.room.notify_all();
        }
    }

    /// For the worker: this number of lines more is in a log.
    pub(super) fn made_progress(&self, lines: u64) {
        // Either a thread that is about to wait sees these lines, or this sees that thread.
        self.written.fetch_add(lines, Ordering::SeqCst);
        if self.watching.load(Ordering::SeqCst) > 0 {
            // It has the lock from its check until it waits.
            drop(self.lock());
            self.progress.notify_all();
        }
    }

    /// How many lines are in a log. For one who has the lock it is no more than were taken.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// The path of the queue's file.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let file = sys::lock(&self.file);
        file.as_ref().map(|file| file.path().to_owned())
    }

    /// All is written, and the worker's part of the memory is gone: so the rest goes, and the file.
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
mod tests {
    use super::*;

    #[test]
    fn a_resting_worker_is_woken_by_many_lines_or_by_a_thread_that_waits() {
        const SIZE: usize = 4096;
        let memory = || Segment::new(Memory::Heap(vec![0; SIZE].into()));
        let parts = Parts {
            segment: memory(),
            journal: None,
            heap: None,
        };
        let local = Local::with(memory(), parts, None, SIZE);
        let rests = || matches!(local.lock().worker, WorkerState::Resting);
        let rest = || local.lock().worker = WorkerState::Resting;
        rest();
        let mut length = 0;
        while rests() {
            let mut front = local.lock();
            assert!(front.segment.append(b"a line\n", true));
            length += 7;
            local.wake_for_lines(front);
        }
        assert!((SIZE / 8..SIZE / 2).contains(&length), "{length}");
        rest();
        drop(local.wait_for(local.lock(), Duration::ZERO, |_| false));
        assert!(!rests());
        rest();
        local.made_progress(1);
        assert!(rests());
        drop(local.wait_until_written(local.lock(), 1));
        assert_eq!(local.watching.load(Ordering::SeqCst), 0);
    }
}
