//! A process that forks without `exec`: how its child learns of that, and which locks it has.
//!
//! A forked child has only the thread that called `fork`. A mutex that another thread held at that
//! moment stays locked in the child, and the value in it may be half-changed. The pid is no way to
//! tell the processes apart: it costs a system call, and in two PID namespaces both can be 1. So
//! each process has a *generation*, a number that a fork handler changes, and each lock knows of
//! which generation it is. A child never touches a lock of its parent's.

use once_cell::race::OnceBox;

use super::{lock, ForkDetector, Mutex, MutexGuard};

/// The generation of the process that used this crate first.
const FIRST: u32 = 1;

/// One process in the line of forks that leads to this one.
struct Process {
    generation: u32,
    fork: ForkDetector,
    child: OnceBox<Process>,
}

impl Process {
    fn new(generation: u32) -> Box<Self> {
        Box::new(Process {
            generation,
            fork: ForkDetector::new(),
            child: OnceBox::new(),
        })
    }
}

/// The generation of this process. It is never 0, and no ancestor of this process has the same.
///
/// It costs two atomic loads, and no system call where `pthread_atfork` works.
#[inline]
pub(crate) fn generation() -> u32 {
    // `OnceBox` and not `OnceLock`: a child forked while that is being set would wait for ever.
    static FIRST_PROCESS: OnceBox<Process> = OnceBox::new();
    #[cfg(all(test, unix))]
    if let Some(generation) = super::sim::generation() {
        return generation;
    }
    let mut process = FIRST_PROCESS.get_or_init(|| Process::new(FIRST));
    while process.fork.has_forked() {
        let next = process.generation + 1;
        process = process.child.get_or_init(|| Process::new(next));
    }
    process.generation
}

/// A value of which each forked child gets its own.
///
/// A child never touches its parent's value: another thread may have been changing that when the
/// process forked.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    generation: u32,
    value: T,
    child: OnceBox<PerProcess<T>>,
}

impl<T> PerProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self::of(generation(), value)
    }

    /// For a `static`: the value is that of the process that used this crate first.
    pub(crate) const fn of_first_process(value: T) -> Self {
        Self::of(FIRST, value)
    }

    const fn of(generation: u32, value: T) -> Self {
        PerProcess {
            generation,
            value,
            child: OnceBox::new(),
        }
    }

    /// The value of this process, unless it is a child that has none yet.
    pub(crate) fn get(&self) -> Option<&T> {
        let here = generation();
        let mut own = self;
        while own.generation != here {
            own = own.child.get()?;
        }
        Some(&own.value)
    }

    /// The value of this process. `fresh` makes it in a child that has none yet, from that of the
    /// nearest ancestor; of several threads that call it at once, the value of one is kept.
    #[inline]
    pub(crate) fn get_or(&self, fresh: impl Fn(&T) -> T) -> &T {
        let here = generation();
        match self.generation == here {
            true => &self.value,
            false => self.of_child(here, fresh),
        }
    }

    /// The value of a forked child of that generation.
    #[cold]
    fn of_child(&self, here: u32, fresh: impl Fn(&T) -> T) -> &T {
        let mut own = self;
        while own.generation != here {
            own = own
                .child
                .get_or_init(|| Box::new(Self::of(here, fresh(&own.value))));
        }
        &own.value
    }
}

/// A mutex of which each forked child gets its own, free and with a fresh value.
///
/// It never waits for a thread of the parent's and has no time-out. It is not poisoned: no code of
/// this crate panics with a lock held, and if it did, the next thread would still get the lock.
#[derive(Debug)]
pub(crate) struct ForkSafeMutex<T>(PerProcess<Mutex<T>>);

impl<T> ForkSafeMutex<T> {
    pub(crate) fn new(value: T) -> Self {
        ForkSafeMutex(PerProcess::new(Mutex::new(value)))
    }

    /// For a `static`: the value is that of the process that used this crate first.
    pub(crate) const fn of_first_process(value: T) -> Self {
        ForkSafeMutex(PerProcess::of_first_process(Mutex::new(value)))
    }

    /// Locks the value of this process. `fresh` makes it in a child that has none yet; of several
    /// threads that call it at once, the value of one is kept.
    #[inline]
    pub(crate) fn lock_or(&self, fresh: impl Fn() -> T) -> MutexGuard<'_, T> {
        self.lock_from(|_| fresh())
    }

    /// The same, made of the nearest ancestor's value.
    #[inline]
    fn lock_from(&self, fresh: impl Fn(&Mutex<T>) -> T) -> MutexGuard<'_, T> {
        let mutex = self.0.get_or(|ancestor| Mutex::new(fresh(ancestor)));
        lock(mutex)
    }
}

impl<T: Clone + Default> ForkSafeMutex<T> {
    /// Locks the value of this process, which in a new child is a copy of the parent's. Where
    /// another thread held that when the process forked, it is the default one.
    pub(crate) fn lock_inherited(&self) -> MutexGuard<'_, T> {
        self.lock_from(|ancestor| match ancestor.try_lock() {
            Ok(value) => value.clone(),
            Err(_) => T::default(),
        })
    }
}

impl<T: Default> ForkSafeMutex<T> {
    /// Locks the value of this process, which is the default one in a new child.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.lock_or(T::default)
    }
}

impl<T: Default> Default for ForkSafeMutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
