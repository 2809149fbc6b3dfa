//! One lock a family in this process, whatever way its path was spelled.
//!
//! Two handles of one process exclude each other as two processes do. Without this, the threads and
//! appenders of one process would take each other for foreign holders and switch.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::process::shared_in_process;
use crate::sys::{self, generation, ForkSafeMutex, Instant, Thread};

type ProcessLocks = BTreeMap<PathBuf, Weak<ProcessLock>>;

shared_in_process! {
    /// The locks of the families that this process has appenders of, by the canonical path of the primary.
    fn process_locks() -> ForkSafeMutex<ProcessLocks> {
        ForkSafeMutex::of_first_process(BTreeMap::new())
    }
}

/// A thread that has waited for this time gets the lock from the one that releases it. Until then
/// the lock goes to the thread that comes first, which is the faster way: to wake a thread takes
/// longer than a commit.
const FAIR_AFTER: Duration = Duration::from_millis(5);

/// A thread tries the lock this often before it sleeps, since a commit is shorter than a sleep.
const SPINS: u32 = 100;

/// A lock that is fair in the long run and free in a forked child.
///
/// The states of `word`:
///
/// | word | meaning |
/// |---|---|
/// | 0 | free |
/// | [`WAITERS`] | free, and a thread that waits has been woken; any thread may take it |
/// | generation × 2 | held by a thread of that generation |
/// | generation × 2 + [`WAITERS`] | held, and who releases it must wake a thread or hand it over |
///
/// A word of another generation was inherited from the parent, whose thread is not here: it counts
/// as free.
#[derive(Debug)]
pub(crate) struct ProcessLock {
    word: AtomicU32,
    waiters: ForkSafeMutex<VecDeque<Arc<Waiter>>>,
    timeout: ForkSafeMutex<Option<LastTimeout>>,
}

const WAITERS: u32 = 1;

#[derive(Debug)]
struct Waiter {
    thread: Thread,
    since: Instant,
    /// The lock has been handed over to this thread.
    granted: AtomicBool,
}

/// The last time that a record waited for the lock of a file as long as it may, in vain.
#[derive(Debug)]
struct LastTimeout {
    file: u16,
    waited: Duration,
    at: Instant,
}

/// The right to commit to a family.
#[derive(Debug)]
pub(crate) struct ProcessLockGuard<'a> {
    lock: &'a ProcessLock,
    held: u32,
    /// When this thread began to wait for another one, if it had to.
    queued: Option<Instant>,
}

impl ProcessLock {
    /// The lock of the family of `primary`, an absolute path.
    pub(crate) fn of(primary: &Path) -> Arc<ProcessLock> {
        let key = sys::canonical(primary);
        // A forked child keeps the locks of the appenders that it has inherited.
        let locks = process_locks();
        let mut locks = locks.lock_inherited();
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(ProcessLock::new());
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }

    fn new() -> Self {
        ProcessLock {
            word: AtomicU32::new(0),
            waiters: ForkSafeMutex::default(),
            timeout: ForkSafeMutex::default(),
        }
    }

    /// Waits for the lock. A holder has it for one commit and its wait of `lock_wait`.
    #[inline]
    pub(crate) fn lock(&self) -> ProcessLockGuard<'_> {
        let held = generation() << 1;
        let queued = match self.exchange(0, held) {
            true => None,
            false => Some(self.lock_contended(held)),
        };
        ProcessLockGuard {
            lock: self,
            held,
            queued,
        }
    }

    #[inline]
    fn exchange(&self, from: u32, to: u32) -> bool {
        self.word
            .compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the lock if no thread of this generation holds it.
    fn try_lock(&self, held: u32) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        let (holder, waiters) = (word & !WAITERS, word & WAITERS);
        match holder {
            0 => self.exchange(word, held | waiters),
            _ if holder == held => false,
            // Of the parent.
            _ => self.exchange(word, held | waiters),
        }
    }

    #[cold]
    fn lock_contended(&self, held: u32) -> Instant {
        let since = Instant::now();
        for _ in 0..SPINS {
            if self.try_lock(held) {
                return since;
            }
            std::hint::spin_loop();
        }
        let waiter = Arc::new(Waiter {
            thread: sys::current_thread(),
            since,
            granted: AtomicBool::new(false),
        });
        let mut waiters = self.waiters.lock();
        waiters.push_back(Arc::clone(&waiter));
        loop {
            // The queue is locked here, because a thread that finds this flag reads the queue.
            self.word.fetch_or(WAITERS, Ordering::Relaxed);
            let locked = self.try_lock(held);
            if locked {
                waiters.retain(|other| !Arc::ptr_eq(other, &waiter));
                if waiters.is_empty() {
                    self.word.fetch_and(!WAITERS, Ordering::Relaxed);
                }
                return since;
            }
            drop(waiters);
            sys::park();
            if waiter.granted.load(Ordering::Acquire) {
                return since;
            }
            waiters = self.waiters.lock();
        }
    }

    #[cold]
    fn unlock_contended(&self, held: u32) {
        let mut waiters = self.waiters.lock();
        let Some(first) = waiters.front() else {
            self.word.store(0, Ordering::Release);
            return;
        };
        let first = Arc::clone(first);
        if first.since.elapsed() >= FAIR_AFTER {
            waiters.pop_front();
            if waiters.is_empty() {
                self.word.store(held, Ordering::Relaxed);
            }
            first.granted.store(true, Ordering::Release);
        } else {
            self.word.store(WAITERS, Ordering::Release);
        }
        drop(waiters);
        first.thread.unpark();
    }
}

impl ProcessLockGuard<'_> {
    /// Returns true if, while this thread waited for its turn, another one waited `wait` or longer
    /// for the lock of this file in vain. Then that was the wait of both, or a call would wait once
    /// for each appender of the process.
    pub(crate) fn has_waited(&self, wait: Duration, file: u16) -> bool {
        let Some(queued) = self.queued else {
            return false;
        };
        let last = self.lock.timeout.lock();
        last.as_ref().is_some_and(|timeout| {
            timeout.file == file && timeout.waited >= wait && timeout.at >= queued
        })
    }

    pub(crate) fn timed_out(&mut self, waited: Duration, file: u16) {
        let at = Instant::now();
        *self.lock.timeout.lock() = Some(LastTimeout { file, waited, at });
    }
}

impl Drop for ProcessLockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let free =
            self.lock
                .word
                .compare_exchange(self.held, 0, Ordering::Release, Ordering::Relaxed);
        if free.is_err() {
            self.lock.unlock_contended(self.held);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn every_spelling_of_a_path_leads_to_one_lock() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("sub");
        std::fs::create_dir(&sub).unwrap();
        let lock = ProcessLock::of(&sub.join("app.log"));
        let is_it = |path: &Path| Arc::ptr_eq(&lock, &ProcessLock::of(path));
        assert!(is_it(&dir.path().join("sub/../sub/./app.log")));
        assert!(!is_it(&dir.path().join("app.log")));
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(&sub, &link).unwrap();
            assert!(is_it(&link.join("app.log")));
            let file = dir.path().join("link.log");
            std::os::unix::fs::symlink("link/app.log", &file).unwrap();
            assert!(is_it(&file));
        }
        std::fs::write(sub.join("app.log"), "").unwrap();
        assert!(is_it(&sub.join("app.log")), "existing or not");
    }

    #[test]
    fn one_thread_at_a_time_has_it_and_no_waiter_is_forgotten() {
        let lock = ProcessLock::new();
        let (inside, turns) = (AtomicBool::new(false), AtomicU64::new(0));
        let start = Barrier::new(16);
        thread::scope(|scope| {
            for n in 0..16 {
                let (lock, inside, turns, start) = (&lock, &inside, &turns, &start);
                scope.spawn(move || {
                    start.wait();
                    for turn in 0..2_000 {
                        let guard = lock.lock();
                        assert!(!inside.swap(true, Ordering::Relaxed));
                        if (turn + n) % 50 == 0 {
                            thread::yield_now();
                        }
                        assert!(inside.swap(false, Ordering::Relaxed));
                        turns.fetch_add(1, Ordering::Relaxed);
                        drop(guard);
                    }
                });
            }
        });
        assert_eq!(turns.into_inner(), 16 * 2_000);
        assert_eq!(lock.word.into_inner(), 0);
    }

    #[test]
    fn a_thread_that_has_waited_gets_it_although_another_one_comes_back_at_once() {
        let lock = ProcessLock::new();
        let (waiting, served) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            let first = lock.lock();
            scope.spawn(|| {
                waiting.store(true, Ordering::Relaxed);
                let guard = lock.lock();
                served.store(true, Ordering::Relaxed);
                drop(guard);
            });
            while !waiting.load(Ordering::Relaxed) || lock.waiters.lock().is_empty() {
                thread::yield_now();
            }
            while lock.waiters.lock()[0].since.elapsed() < FAIR_AFTER {
                thread::yield_now();
            }
            drop(first);
            // The lock was handed over, so this thread is behind the other one.
            drop(lock.lock());
            assert!(served.load(Ordering::Relaxed));
        });
    }

    #[test]
    fn a_lock_of_another_generation_is_free() {
        let lock = ProcessLock::new();
        let parents = generation() + 1;
        for word in [parents << 1, parents << 1 | WAITERS, WAITERS] {
            lock.word.store(word, Ordering::Relaxed);
            drop(lock.lock());
            assert_eq!(lock.word.load(Ordering::Relaxed), 0);
        }
    }
}
