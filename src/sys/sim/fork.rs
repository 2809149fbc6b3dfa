//! A process that forks and is gone at that instant, so that its child goes on with its memory.
//!
//! Of the threads the child has the one that forked. The others stop where they are, with the locks
//! that they hold; their stacks are unwound after the run, when no destructor has an effect any more.

use std::mem;

use super::faults::Planted;
use super::machine::{machine, Machine, ProcessId, State, Status, ThreadId};

/// What a process is by its forks.
#[derive(Default)]
pub(super) struct Forked {
    /// The number of forks that have led to it.
    times: u32,
    /// The number of threads that it has started.
    pub(super) started: u32,
    /// No thread begins that it starts.
    pub(super) is_threadless: bool,
}

/// The fork generation of the current virtual process; `None` on a real thread.
pub(crate) fn generation() -> Option<u32> {
    let machine = machine()?;
    let state = machine.state.borrow();
    let me = state.current?;
    let times = state.processes[state.threads[me].process].forked.times;
    match state.planted {
        Some(Planted::GenerationIgnored) => Some(1),
        _ => Some(1 + times),
    }
}

impl Machine {
    /// The current process becomes its own child, with this thread alone. What is open and locked
    /// stays so, as both have the same descriptions.
    pub(crate) fn fork(&self) {
        let mut state = self.state.borrow_mut();
        let Some(me) = state.current else { return };
        let process = state.threads[me].process;
        let (gone, live): (Vec<_>, _) = mem::take(&mut state.live)
            .into_iter()
            .partition(|id| *id != me && state.threads[*id].process == process);
        let running = gone.iter().map(|id| &state.threads[*id]);
        let left = running.filter(|thread| thread.status != Status::Done);
        let left: Vec<_> = left.map(|thread| thread.name.as_str()).collect();
        let text = format!("FORKED, without the threads {left:?}");
        state.trace(format_args!("{text}"));
        state.live = live;
        state.absent.extend(gone);
        state.faults.forks += 1;
        state.disk.inherit(process);
        state.faults.left_locked |= state.disk.is_locked_by_nobody();
        // A thread that was about to begin or to end had a lock of std.
        let threadless = state.faults.threadless;
        let is_threadless = state.random.one_in(threadless);
        state.processes[process].forked = Forked {
            times: state.processes[process].forked.times + 1,
            started: 0,
            is_threadless,
        };
    }

    /// Returns true if the process has no other thread.
    pub(crate) fn is_alone(&self) -> bool {
        let state = self.state.borrow();
        let mut live = state.live.iter();
        let (me, process) = (state.thread(), state.process());
        live.all(|id| {
            let thread = &state.threads[*id];
            *id == me || thread.process != process || thread.status == Status::Done
        })
    }
}

impl State {
    /// A thread does not go on any more. It keeps what is its own.
    pub(super) fn lose(&mut self, thread: ThreadId) {
        self.live.retain(|id| *id != thread);
        self.absent.push(thread);
    }

    /// Has all threads unwound that have not ended.
    pub(super) fn end_all(&mut self) {
        for process in &mut self.processes {
            process.is_dead = true;
        }
        let mut absent = mem::take(&mut self.absent);
        self.live.append(&mut absent);
    }

    /// How many times a process has forked.
    pub(crate) fn forks(&self, process: ProcessId) -> u32 {
        self.processes[process].forked.times
    }

    /// Returns true if no thread begins that the process starts.
    pub(crate) fn is_threadless(&self, process: ProcessId) -> bool {
        self.processes[process].forked.is_threadless
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::faults::Faults;
    use super::super::machine::Strategy;
    use crate::sys::{self, FileLock, ForkSafeMutex, OpenOptions};

    use super::*;

    fn try_lock() -> bool {
        let file = OpenOptions::new().append(true).open("/log/file").unwrap();
        let mut lock = FileLock::new(file);
        let locked = lock.try_write().is_ok();
        locked
    }

    #[test]
    fn a_child_has_the_thread_that_forked_and_what_the_others_have_locked() {
        let strategy = Strategy::Uniform { one_in: 2 };
        let machine = Machine::new(1, strategy, Faults::default());
        let made = machine
            .state
            .borrow_mut()
            .disk
            .create_directory("/log".as_ref());
        made.unwrap();
        let (parent, other) = (machine.add_process(), machine.add_process());
        let mutex = Arc::new(ForkSafeMutex::<u32>::of_first_process(0));
        let goes_on = Arc::new(AtomicBool::new(false));
        let (held, wakes) = (Arc::clone(&mutex), Arc::clone(&goes_on));
        machine.spawn(parent, "holder", move || {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .open("/log/file");
            let mut lock = FileLock::new(file.unwrap());
            let _locked = lock.try_write().unwrap();
            *held.lock() = 1;
            let _held = held.lock();
            sys::sleep(Duration::from_millis(5));
            wakes.store(true, Ordering::Relaxed);
        });
        let inner = std::rc::Rc::clone(&machine);
        machine.spawn(parent, "forks", move || {
            sys::sleep(Duration::from_millis(1));
            inner.fork();
            assert_eq!(generation(), Some(2));
            assert!(inner.is_alone());
            assert_eq!(*mutex.lock(), 0, "free, and fresh");
            assert!(!try_lock());
            assert!(inner.state.borrow().disk.is_locked_by_nobody());
            sys::sleep(Duration::from_millis(10));
            inner.die();
        });
        machine.spawn(other, "main", || {
            assert_eq!(generation(), Some(1));
            sys::sleep(Duration::from_millis(8));
            assert!(!try_lock());
            sys::sleep(Duration::from_millis(8));
            assert!(try_lock(), "the child has ended");
        });
        machine.run();
        machine.end(Vec::<()>::new());
        assert_eq!(machine.state.borrow().failure, None);
        assert!(!goes_on.load(Ordering::Relaxed));
        assert_eq!(machine.state.borrow().disk.locks(), 0);
    }
}
