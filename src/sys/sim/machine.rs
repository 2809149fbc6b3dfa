//! The virtual machine: processes and threads that run one at a time, on one disk and one clock.
//!
//! Each virtual thread is a coroutine on the thread of the test. Before each of its operations it
//! may have to let another one go on. All decisions come from one seed.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::panic;
use std::rc::Rc;
use std::sync::Arc;

use super::coroutine::{caught, Coroutine};
use super::disk::Disk;
use super::faults::{Faults, Planted};
use super::fork::Forked;
pub(crate) use super::ids::{ProcessId, ThreadId};
use super::local::Locals;
use super::random::Random;

/// What unwinds the stack of a thread whose process was killed.
pub(crate) struct Killed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ready,
    /// Until then; `unpark` ends it where `parked` says so.
    Sleeping {
        until: u64,
        parked: bool,
    },
    Parked,
    /// For something that another thread does. It looks again when others have gone on.
    Waiting {
        seen: u64,
        until: u64,
    },
    Done,
}

pub(super) struct VirtualThread {
    pub(super) process: ProcessId,
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) token: bool,
    unwinding: bool,
    pub(super) priority: u64,
    coroutine: Option<Coroutine>,
    locals: Locals,
    /// How long it has slept since [`Machine::take_slept`].
    pub(super) slept: u64,
}

#[derive(Default)]
pub(super) struct VirtualProcess {
    pub(super) is_dead: bool,
    pub(super) stopped_until: u64,
    pub(super) forked: Forked,
    shared: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

/// Who goes next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Strategy {
    /// Any thread, before one in that number of operations.
    Uniform { one_in: u64 },
    /// The one with the highest priority; at one in that number of operations the one that runs gets
    /// the lowest (probabilistic concurrency testing).
    Priority { one_in: u64 },
}

pub(crate) struct State {
    pub(crate) disk: Disk,
    pub(crate) random: Random,
    /// Nanoseconds since the machine was started.
    pub(crate) clock: u64,
    pub(crate) faults: Faults,
    pub(crate) planted: Option<Planted>,
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) steps: u64,
    /// What went wrong first.
    pub(crate) failure: Option<String>,
    pub(super) strategy: Strategy,
    pub(super) threads: Vec<VirtualThread>,
    /// The threads that may not have ended, in order.
    pub(super) live: Vec<ThreadId>,
    /// Memory for those of them that may go on.
    pub(super) ready: Vec<ThreadId>,
    /// The threads that never go on: a forked child does not have them, or they never began.
    pub(super) absent: Vec<ThreadId>,
    pub(super) processes: Vec<VirtualProcess>,
    pub(super) current: Option<ThreadId>,
    /// The thread to go on with, if that is decided.
    next: Option<ThreadId>,
    pub(super) progress: u64,
    pub(super) lowest: u64,
    /// The threads that have read a directory to its end in their last operations.
    pub(crate) listed: BTreeSet<ThreadId>,
    pub(crate) last_number: u64,
    /// The processes that could not start a thread once.
    pub(crate) without_thread: BTreeSet<ProcessId>,
}

pub(crate) struct Machine {
    pub(crate) state: RefCell<State>,
    /// Nothing runs any more; what is dropped now belongs to processes that are gone.
    pub(super) over: Cell<bool>,
}

thread_local! {
    static MACHINE: RefCell<Option<Rc<Machine>>> = const { RefCell::new(None) };
}

/// The machine whose virtual thread this is; `None` on a real thread.
pub(crate) fn machine() -> Option<Rc<Machine>> {
    MACHINE.with(|machine| machine.borrow().clone())
}

const MAX_STEPS: u64 = 2_000_000;

impl Machine {
    pub(crate) fn new(seed: u64, strategy: Strategy, faults: Faults) -> Rc<Self> {
        Rc::new(Machine {
            state: RefCell::new(State {
                disk: Disk::new(),
                random: Random::new(seed),
                clock: 0,
                faults,
                planted: None,
                trace: None,
                stderr: Vec::new(),
                steps: 0,
                failure: None,
                strategy,
                threads: Vec::new(),
                live: Vec::new(),
                absent: Vec::new(),
                ready: Vec::new(),
                processes: Vec::new(),
                current: None,
                next: None,
                progress: 0,
                lowest: u64::MAX / 2,
                listed: BTreeSet::new(),
                last_number: 0,
                without_thread: BTreeSet::new(),
            }),
            over: Cell::new(false),
        })
    }

    pub(crate) fn add_process(&self) -> ProcessId {
        let mut state = self.state.borrow_mut();
        state.processes.push(VirtualProcess::default());
        state.processes.len() - 1
    }

    pub(crate) fn spawn(
        &self,
        process: ProcessId,
        name: &str,
        work: impl FnOnce() + 'static,
    ) -> ThreadId {
        let mut state = self.state.borrow_mut();
        let priority = u64::MAX / 2 + state.random.below(u64::MAX / 2);
        state.progress += 1;
        let id = state.threads.len();
        state.live.push(id);
        state.threads.push(VirtualThread {
            process,
            name: name.to_owned(),
            status: Status::Ready,
            token: false,
            unwinding: false,
            priority,
            coroutine: Some(Coroutine::new(work)),
            locals: Locals::default(),
            slept: 0,
        });
        id
    }

    /// Runs all threads to their ends.
    pub(crate) fn run(self: &Rc<Self>) {
        let before = MACHINE.with(|machine| machine.replace(Some(Rc::clone(self))));
        assert!(before.is_none(), "a machine in a machine");
        while let Some(thread) = self.take_next() {
            self.resume(thread);
        }
        let mut state = self.state.borrow_mut();
        let mut live = state.live.iter().map(|id| &state.threads[*id]);
        let stuck = live.find(|thread| thread.status != Status::Done);
        if let Some(stuck) = stuck {
            let failure = format!(
                "p{} {} waits for ever: {:?}",
                stuck.process, stuck.name, stuck.status
            );
            state.fail(failure);
        }
        state.end_all();
        drop(state);
        while let Some(thread) = self.take_next() {
            self.resume(thread);
        }
        self.over.set(true);
    }

    /// Drops what is left of the processes, and leaves the thread of the test as it was.
    ///
    /// The destructors do nothing on the disk. One that waits for a lock, which a killed thread had
    /// been handed, is unwound.
    pub(crate) fn end<T>(&self, left: Vec<T>) {
        self.drop_left(left);
        let shared: Vec<_> = {
            let mut state = self.state.borrow_mut();
            let processes = state.processes.iter_mut();
            processes
                .map(|process| mem::take(&mut process.shared))
                .collect()
        };
        for shared in shared {
            let _ = caught(|| drop(shared));
        }
        MACHINE.with(|machine| machine.replace(None));
    }

    /// Drops what killed processes have left, as `end` does.
    pub(crate) fn drop_left<T>(&self, left: Vec<T>) {
        for left in left {
            let _ = caught(|| drop(left));
        }
    }

    fn take_next(&self) -> Option<ThreadId> {
        let mut state = self.state.borrow_mut();
        match state.next.take() {
            Some(next) => Some(next),
            None => state.pick(),
        }
    }

    fn resume(&self, id: ThreadId) {
        let mut state = self.state.borrow_mut();
        let thread = &mut state.threads[id];
        let Some(mut coroutine) = thread.coroutine.take() else {
            thread.status = Status::Done;
            return;
        };
        let is_dead = state.processes[state.threads[id].process].is_dead;
        if is_dead && !coroutine.has_started() {
            state.threads[id].status = Status::Done;
            state.current = Some(id);
            drop(state);
            // A destructor in it may do an operation, and unwind.
            let _ = caught(|| drop(coroutine));
            self.state.borrow_mut().current = None;
            return;
        }
        let thread = &mut state.threads[id];
        if !matches!(thread.status, Status::Waiting { .. }) {
            state.progress += 1;
        }
        let thread = &mut state.threads[id];
        thread.status = Status::Ready;
        let locals = mem::take(&mut thread.locals);
        state.current = Some(id);
        drop(state);
        let outer = locals.enter();
        let ended = coroutine.resume();
        let locals = outer.enter();
        let mut state = self.state.borrow_mut();
        state.current = None;
        let thread = &mut state.threads[id];
        thread.locals = locals;
        match ended {
            // Its stack can't be unwound.
            None if thread.status == Status::Done => mem::forget(coroutine),
            None => thread.coroutine = Some(coroutine),
            Some(result) => {
                thread.status = Status::Done;
                state.progress += 1;
                if let Err(payload) = result {
                    if !payload.is::<Killed>() {
                        let text = payload.downcast_ref::<String>().cloned().or_else(|| {
                            payload.downcast_ref::<&str>().map(|text| text.to_string())
                        });
                        let name = &state.threads[id].name;
                        let failure = format!("{name} panicked: {}", text.unwrap_or_default());
                        state.fail(failure);
                    }
                }
                drop(state);
                coroutine.recycle();
            }
        }
    }

    /// Called before each operation: time goes on, and another thread may. Returns false if the
    /// process is dead and its stack is being unwound: nothing it does has an effect.
    pub(crate) fn step(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(me) = state.current else {
            return false;
        };
        if self.over.get() {
            return false;
        }
        if state.is_dead(me) {
            return unwind(state, me);
        }
        state.steps += 1;
        state.progress += 1;
        state.clock += 1_000 + state.random.below(3_000);
        if state.steps > MAX_STEPS {
            state.fail("it does not end".to_owned());
            state.end_all();
        } else {
            state.disturb(me);
        }
        if state.threads[me].status == Status::Ready && !state.is_dead(me) && !state.is_stopped(me)
        {
            match state.next_instead(me) {
                Some(next) if next != me => state.next = Some(next),
                _ => return true,
            }
        }
        drop(state);
        self.yield_now()
    }

    /// Lets others go on until this thread may. Returns false if its process is dead.
    fn yield_now(&self) -> bool {
        Coroutine::suspend();
        let state = self.state.borrow_mut();
        match state.current {
            Some(me) if state.is_dead(me) => unwind(state, me),
            _ => true,
        }
    }

    /// The process of the current thread dies here, as by SIGKILL.
    pub(crate) fn die(&self) {
        let mut state = self.state.borrow_mut();
        let Some(me) = state.current else { return };
        state.kill(me);
        unwind(state, me);
    }

    pub(super) fn block(&self, status: Status) -> bool {
        let mut state = self.state.borrow_mut();
        match state.current {
            Some(me) if !state.is_dead(me) && !self.over.get() => state.threads[me].status = status,
            _ => return false,
        }
        drop(state);
        self.yield_now()
    }

    /// The value of that type that the current process has, made where it has none.
    pub(crate) fn of_process<T: Send + Sync + 'static>(&self, new: impl FnOnce() -> T) -> Arc<T> {
        let mut state = self.state.borrow_mut();
        let process = state.current.map_or(0, |me| state.threads[me].process);
        let shared = &mut state.processes[process].shared;
        let value = shared
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(new()));
        Arc::clone(value)
            .downcast()
            .expect("it is kept by its type")
    }
}

/// Unwinds the stack of a thread whose process is dead. Its destructors come here again: for them
/// it returns false.
fn unwind(mut state: RefMut<'_, State>, me: ThreadId) -> bool {
    let is_first = !mem::replace(&mut state.threads[me].unwinding, true);
    drop(state);
    if is_first {
        panic::resume_unwind(Box::new(Killed));
    }
    false
}
