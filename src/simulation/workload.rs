//! What the virtual processes do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::scenario::Scenario;
use crate::appender::FileAppender;
use crate::family::Family;
use crate::queue::{NonBlocking, WorkerGuard};
use crate::stats::QueuePlace;
use crate::sys::sim::machine::{Machine, ProcessId};
use crate::sys::{self};

pub(super) const LOG: &str = "/log/app.log";

/// Maximum time until all that waits is written.
const TIMEOUT: Duration = Duration::from_secs(60);

/// After this time no process may be about to write to an archive, and the surplus archives are
/// removed.
const RETENTION: Duration = Duration::from_secs(1_000);

/// A record: process, thread and number.
pub(super) type Record = (usize, usize, usize);

/// The state of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its call has begun.
    Begun,
    /// Its call has returned.
    Returned,
    /// The appender has said that nothing is pending, since its call returned.
    Safe,
}

#[derive(Default)]
pub(super) struct Journal {
    pub(super) records: BTreeMap<Record, (Fate, Vec<u8>)>,
    /// The processes that have ended normally.
    pub(super) ended: Vec<ProcessId>,
    /// For each process, the switches that it has counted, and those that `on_switch` was called
    /// for.
    pub(super) switches: BTreeMap<ProcessId, (u64, Arc<AtomicU64>)>,
    /// The appenders of processes that live or were killed.
    pub(super) appenders: Vec<(ProcessId, FileAppender)>,
    /// And their queues.
    pub(super) guards: Vec<(ProcessId, WorkerGuard)>,
    /// The processes that were killed while records of theirs were in a backlog.
    pub(super) pending: BTreeSet<ProcessId>,
    /// Records have waited in a backlog, which writes many at once.
    pub(super) has_waited: bool,
}

impl Journal {
    /// Finds out which processes have left records in a backlog.
    pub(super) fn find_pending(&mut self) {
        let left = self.appenders.iter();
        let pending = left.filter(|(_, appender)| appender.stats().pending > 0);
        self.pending = pending.map(|(process, _)| *process).collect();
    }
}

/// Removes and returns what `process` has left.
fn take<T>(all: &mut Vec<(ProcessId, T)>, process: ProcessId) -> Option<T> {
    let at = all.iter().position(|(owner, _)| *owner == process)?;
    Some(all.swap_remove(at).1)
}

pub(super) type Shared = Rc<RefCell<Journal>>;

pub(super) fn record((process, thread, number): Record, length: usize) -> Vec<u8> {
    let mut record = format!("<{process}.{thread}.{number} ");
    while record.len() + 2 < length {
        record.push(char::from(b'a' + (record.len() % 26) as u8));
    }
    record.push_str(">\n");
    record.into_bytes()
}

/// Builds an appender, once the files can be opened.
fn build(
    machine: &Machine,
    scenario: &Scenario,
    me: ProcessId,
    told: &Arc<AtomicU64>,
) -> Option<FileAppender> {
    loop {
        let counter = Arc::clone(told);
        let count = move |_: &crate::notify::Switch| {
            let machine = sys::sim::machine::machine();
            if machine.is_some_and(|machine| !machine.is_process_dead(me)) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        match scenario.builder(me).on_switch(count).build(Path::new(LOG)) {
            Ok(appender) => return Some(appender),
            Err(error) => {
                let mut state = machine.state.borrow_mut();
                let is_over = state.clock > state.faults.until + 10_000_000_000;
                if is_over {
                    state.fail(format!("build fails although nothing is wrong: {error:?}"));
                    return None;
                }
                drop(state);
                sys::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// A process that starts when all others have ended: its appender recovers their queues, and
/// removes surplus files.
pub(super) fn last(machine: &Rc<Machine>, scenario: &Scenario, me: ProcessId) {
    machine.wait_for(None, || machine.is_last(me).then_some(()));
    let appender = build(machine, scenario, me, &Arc::default());
    machine.step();
    let left = {
        let state = machine.state.borrow();
        let mut names = state.disk.names_in(Path::new("/log"));
        names.find(|name| is_queue(name)).map(OsStr::to_owned)
    };
    // Without locks nobody can tell that the owner of a queue is gone.
    if let Some(left) = left.filter(|_| !scenario.faults.no_locks) {
        let mut state = machine.state.borrow_mut();
        state.fail(format!("the queue {left:?} is left"));
    }
    if let (Some(most), Some(_)) = (scenario.max_files, &appender) {
        sys::sleep(RETENTION);
        let archives = Family::of(LOG).map_or(0, |family| family.archives.len());
        if archives > most && scenario.stranger == 0 {
            let mut state = machine.state.borrow_mut();
            state.fail(format!("{archives} archives are left, but {most} at most"));
        }
    }
    drop(appender);
}

pub(super) fn is_queue(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(b".queue")
}

/// The main thread of a process.
pub(super) fn process(machine: &Rc<Machine>, scenario: &Scenario, shared: &Shared, me: ProcessId) {
    let start = machine.state.borrow_mut().random.below(3) as u32;
    sys::sleep(scenario.start * start);
    let told = Arc::new(AtomicU64::new(0));
    let Some(appender) = build(machine, scenario, me, &told) else {
        return;
    };
    shared.borrow_mut().appenders.push((me, appender.clone()));
    let queue = scenario.queues.then(|| {
        let (queue, guard) = appender.non_blocking();
        shared.borrow_mut().guards.push((me, guard));
        queue
    });
    let mut threads = Vec::new();
    for thread in 0..scenario.threads {
        let writer = Writer {
            machine: Rc::clone(machine),
            scenario: scenario.clone(),
            shared: Rc::clone(shared),
            appender: appender.clone(),
            queue: queue.clone(),
        };
        let name = format!("thread {thread}");
        threads.push(machine.spawn(me, &name, move || writer.write((me, thread))));
    }
    for thread in threads {
        machine.wait_for(None, || machine.is_done(thread).then_some(()));
    }
    if scenario.abrupt && queue.is_some() {
        // The process ends without the end of its queue.
        machine.die();
    }
    let guard = take(&mut shared.borrow_mut().guards, me);
    let flushed = match guard {
        Some(guard) => guard.shutdown(TIMEOUT),
        None => appender.flush(TIMEOUT),
    };
    machine.step();
    sys::sleep(scenario.linger);
    match flushed {
        Ok(()) => settle(shared, me),
        Err(error) => {
            let mut state = machine.state.borrow_mut();
            state.fail(format!("a flush fails although nothing is wrong: {error}"));
        }
    }
    // `on_switch` is called for a switch of the drop as well, but the drop has nothing left to
    // write.
    let switches = appender.stats().switches;
    let mut journal = shared.borrow_mut();
    journal.switches.insert(me, (switches, told));
    let kept = take(&mut journal.appenders, me);
    drop(journal);
    drop(appender);
    drop(kept);
    shared.borrow_mut().ended.push(me);
    if scenario.abrupt {
        machine.die();
    }
}

/// Nothing is pending: each record that this process has written is in a file.
fn settle(shared: &Shared, me: ProcessId) {
    let mut journal = shared.borrow_mut();
    for ((process, ..), (fate, _)) in &mut journal.records {
        if *process == me && *fate == Fate::Returned {
            *fate = Fate::Safe;
        }
    }
}

/// A thread of a process.
struct Writer {
    machine: Rc<Machine>,
    scenario: Scenario,
    shared: Shared,
    appender: FileAppender,
    queue: Option<NonBlocking>,
}

impl Writer {
    fn write(&self, (me, thread): (ProcessId, usize)) {
        let Writer {
            machine, scenario, ..
        } = self;
        for number in 0..scenario.records {
            let id = (me, thread, number);
            let mut state = machine.state.borrow_mut();
            let bytes = record(id, state.random.index(scenario.longest_record));
            let pause = state.random.below(scenario.pause.as_nanos() as u64 + 1);
            drop(state);
            let begun = (Fate::Begun, bytes.clone());
            self.shared.borrow_mut().records.insert(id, begun);
            machine.take_slept();
            let written = match &self.queue {
                Some(queue) => queue.make_writer().write_all(&bytes),
                None => self.appender.make_writer().write_all(&bytes),
            };
            let slept = machine.take_slept();
            self.note(id);
            let mut state = machine.state.borrow_mut();
            if let Err(error) = written {
                state.fail(format!("a write answers {error}"));
            }
            // The wait for a busy file, the last pause of it, and the looks at torn lines.
            let longest = scenario.lock_wait * 30 + Duration::from_millis(20);
            if slept > longest && self.queue.is_none() {
                state.fail(format!("a call has slept for {slept:?}"));
            }
            drop(state);
            if pause > 0 {
                sys::sleep(Duration::from_nanos(pause));
            }
        }
    }

    /// The call for a record has returned.
    fn note(&self, id: Record) {
        let stats = self.appender.stats();
        let mut journal = self.shared.borrow_mut();
        let fate = match (stats.pending, stats.queue) {
            // In a queue that outlives the process.
            (0, QueuePlace::File) => Fate::Safe,
            _ => Fate::Returned,
        };
        if let Some((known, _)) = journal.records.get_mut(&id) {
            *known = fate;
        }
        journal.has_waited |= stats.pending > 0;
        drop(journal);
        if stats.pending == 0 && self.queue.is_none() {
            settle(&self.shared, id.0);
        }
    }
}
