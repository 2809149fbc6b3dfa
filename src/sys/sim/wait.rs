//! How a virtual thread sleeps and waits for another one.

use std::mem;
use std::panic;
use std::time::Duration;

use super::coroutine::Coroutine;
use super::machine::{Killed, Machine, ProcessId, Status, ThreadId};

impl Machine {
    pub(crate) fn sleep(&self, duration: Duration) {
        if self.step() {
            let mut state = self.state.borrow_mut();
            let nanos = duration.as_nanos() as u64;
            let late = 50_000 + state.random.below(20_000);
            let until = state.clock.saturating_add(nanos + late);
            state.trace(format_args!("sleep {duration:?}"));
            if let Some(me) = state.current {
                state.threads[me].slept += nanos;
            }
            drop(state);
            let parked = false;
            self.block(Status::Sleeping { until, parked });
        } else if self.over.get() {
            // The clock stands still.
            self.give_up();
        }
    }

    /// Returns false at once if the token of `unpark` was there.
    pub(crate) fn park(&self, timeout: Option<Duration>) {
        if !self.step() {
            // A destructor waits for a lock that another thread of the dead process has.
            return self.give_up();
        }
        self.rest(timeout);
    }

    /// Lets others go on until one of them calls `unpark`.
    pub(super) fn rest(&self, timeout: Option<Duration>) {
        let mut state = self.state.borrow_mut();
        let Some(me) = state.current else { return };
        // It may end early for no reason.
        if mem::take(&mut state.threads[me].token) || state.random.one_in(50) {
            return;
        }
        let status = match timeout {
            Some(timeout) => Status::Sleeping {
                until: state.clock.saturating_add(timeout.as_nanos() as u64),
                parked: true,
            },
            None => Status::Parked,
        };
        state.trace(format_args!("park {timeout:?}"));
        drop(state);
        if self.block(status) {
            self.state.borrow_mut().threads[me].token = false;
        }
    }

    /// Never goes on with what the current thread does, whose process is dead.
    pub(super) fn give_up(&self) {
        if self.over.get() {
            panic::resume_unwind(Box::new(Killed));
        }
        let mut state = self.state.borrow_mut();
        if let Some(me) = state.current {
            state.threads[me].status = Status::Done;
            drop(state);
            Coroutine::suspend();
        }
    }

    pub(crate) fn unpark(&self, id: ThreadId) {
        let mut state = self.state.borrow_mut();
        state.progress += 1;
        let thread = &mut state.threads[id];
        thread.token = true;
        if matches!(
            thread.status,
            Status::Parked | Status::Sleeping { parked: true, .. }
        ) {
            thread.status = Status::Ready;
        }
    }

    /// Calls `ready` until it answers, whenever others have gone on; `None` after the time-out.
    pub(crate) fn wait_for<T>(
        &self,
        timeout: Option<Duration>,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let began = self.state.borrow().clock;
        let until = timeout.map_or(u64::MAX, |timeout| {
            began.saturating_add(timeout.as_nanos() as u64)
        });
        loop {
            if let Some(found) = ready() {
                self.state.borrow_mut().progress += 1;
                return Some(found);
            }
            let state = self.state.borrow();
            let (seen, clock) = (state.progress, state.clock);
            drop(state);
            if clock >= until || !self.block(Status::Waiting { seen, until }) {
                return None;
            }
        }
    }

    pub(crate) fn is_done(&self, id: ThreadId) -> bool {
        self.state.borrow().threads[id].status == Status::Done
    }

    /// Returns true if nothing of the processes before this one runs any more.
    pub(crate) fn is_last(&self, process: ProcessId) -> bool {
        let state = self.state.borrow();
        let mut others = state.live.iter().map(|id| &state.threads[*id]);
        others.all(|thread| thread.process == process || thread.status == Status::Done)
    }

    pub(crate) fn current(&self) -> Option<ThreadId> {
        self.state.borrow().current
    }

    pub(crate) fn is_process_dead(&self, process: ProcessId) -> bool {
        self.state.borrow().processes[process].is_dead
    }

    /// How long the current thread has asked to sleep since the last time.
    pub(crate) fn take_slept(&self) -> Duration {
        let mut state = self.state.borrow_mut();
        let slept = state
            .current
            .map(|me| mem::take(&mut state.threads[me].slept));
        Duration::from_nanos(slept.unwrap_or(0))
    }
}
