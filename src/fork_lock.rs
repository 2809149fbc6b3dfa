//! A mutex for a process that may `fork` without `exec`.
//!
//! A forked child has only the thread that forked. A mutex that another thread held at that moment
//! is held for ever in the child, and what it protects may be half-changed. Here such a child gets
//! a mutex and a value of its own instead.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// A child waits so long, and as long as a holder may, before it takes the holder for a thread that
/// was not forked along. It does so once: after that it has its own.
const ORPHANED_AFTER: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct ForkLock<T> {
    value: Mutex<T>,
    /// The process in which somebody has had to queue, at first the one that made this.
    process: AtomicU32,
    in_child: OnceLock<Box<ForkLock<T>>>,
}

/// The value, and since when this thread had to queue for it, if it had to.
#[derive(Debug)]
pub(crate) struct Locked<'a, T> {
    pub(crate) value: MutexGuard<'a, T>,
    #[allow(dead_code)]
    pub(crate) queued: Option<Instant>,
}

impl<T> ForkLock<T> {
    pub(crate) fn new(value: T) -> Self {
        ForkLock {
            value: Mutex::new(value),
            process: AtomicU32::new(process::id()),
            in_child: OnceLock::new(),
        }
    }

    /// Locks it; `fresh` makes the value for a child that can't have this one, and `hold` is how
    /// long a holder may have it.
    ///
    /// As long as nobody else has it, that is without a system call.
    pub(crate) fn lock(&self, fresh: &dyn Fn() -> T, hold: Duration) -> Locked<'_, T> {
        if let Some(own) = self.in_child.get() {
            return own.lock(fresh, hold);
        }
        if let Some(value) = self.try_lock() {
            let queued = None;
            return Locked { value, queued };
        }
        let start = Instant::now();
        let queued = Some(start);
        let here = process::id();
        if self.process.load(Ordering::Relaxed) == here {
            let value = lock(&self.value);
            return Locked { value, queued };
        }
        while self.in_child.get().is_none() && start.elapsed() < ORPHANED_AFTER.saturating_add(hold)
        {
            thread::sleep(Duration::from_micros(100));
            if let Some(value) = self.try_lock() {
                // The holder is alive in this process.
                self.process.store(here, Ordering::Relaxed);
                return Locked { value, queued };
            }
        }
        self.in_child
            .get_or_init(|| Box::new(ForkLock::new(fresh())))
            .lock(fresh, hold)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.value.try_lock() {
            Ok(value) => Some(value),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Nothing in this crate panics with a lock held; if it should, the next one still goes on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
