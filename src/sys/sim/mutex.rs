//! Mutexes and condition variables, on real and on virtual threads.

use std::sync::{self, PoisonError, TryLockError};
use std::time::Duration;

use super::machine::{machine, Machine, ThreadId};

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    guard: sync::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Mutex(sync::Mutex::new(value))
    }

    pub(crate) fn try_lock(&self) -> Result<MutexGuard<'_, T>, ()> {
        let guard = match self.0.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(()),
        };
        Ok(self.guarded(guard))
    }

    fn guarded<'a>(&'a self, guard: sync::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        MutexGuard { mutex: self, guard }
    }
}

impl<T> std::ops::Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let Some(machine) = machine() else {
        return mutex.guarded(mutex.0.lock().unwrap_or_else(PoisonError::into_inner));
    };
    machine.step();
    loop {
        if let Some(guard) = machine.wait_for(None, || mutex.try_lock().ok()) {
            return guard;
        }
        // A destructor of a killed process waits for a lock that another thread of it has.
        machine.give_up();
    }
}

/// A condition variable. On the machine, the threads that wait for it, the first one first.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    real: sync::Condvar,
    waiting: sync::Mutex<Vec<ThreadId>>,
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar::default()
    }

    fn waiting(&self) -> sync::MutexGuard<'_, Vec<ThreadId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn notify_one(&self) {
        let Some(machine) = machine() else {
            return self.real.notify_one();
        };
        let mut waiting = self.waiting();
        if !waiting.is_empty() {
            machine.unpark(waiting.remove(0));
        }
    }

    pub(crate) fn notify_all(&self) {
        let Some(machine) = machine() else {
            return self.real.notify_all();
        };
        let all = std::mem::take(&mut *self.waiting());
        all.into_iter().for_each(|id| machine.unpark(id));
    }

    fn wait_on<'a, T>(
        &self,
        machine: &Machine,
        guard: MutexGuard<'a, T>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, T> {
        let MutexGuard { mutex, guard } = guard;
        let id = match machine.step() {
            true => machine.current(),
            false => None,
        };
        let Some(id) = id else {
            drop(guard);
            machine.give_up();
            return lock(mutex);
        };
        self.waiting().push(id);
        drop(guard);
        machine.rest(timeout);
        self.waiting().retain(|waiting| *waiting != id);
        lock(mutex)
    }
}

pub(crate) fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    if let Some(machine) = machine() {
        return condition.wait_on(&machine, guard, None);
    }
    let MutexGuard { mutex, guard } = guard;
    let woken = condition.real.wait(guard);
    mutex.guarded(woken.unwrap_or_else(PoisonError::into_inner))
}

pub(crate) fn wait_timeout<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Duration,
) -> MutexGuard<'a, T> {
    if let Some(machine) = machine() {
        return condition.wait_on(&machine, guard, Some(timeout));
    }
    let MutexGuard { mutex, guard } = guard;
    let woken = condition.real.wait_timeout(guard, timeout);
    mutex.guarded(woken.unwrap_or_else(PoisonError::into_inner).0)
}
