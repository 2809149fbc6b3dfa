//! What the virtual processes do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::scenario::Scenario;
use crate::appender::FileAppender;
use crate::sys::sim::machine::{Machine, ProcessId};
use crate::sys::{self};

pub(super) const LOG: &str = "/log/app.log";

/// A record: process, thread and number.
pub(super) type Record = (usize, usize, usize);

/// What is known of a record.
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
    /// The processes that came to their ends.
    pub(super) ended: Vec<ProcessId>,
    /// The switches that each has counted, and those that it was told.
    pub(super) switches: BTreeMap<ProcessId, (u64, Arc<AtomicU64>)>,
    /// The appenders of processes that live or were killed.
    pub(super) appenders: Vec<(ProcessId, FileAppender)>,
    /// Records have waited in a backlog, from which many go into a file at once.
    pub(super) has_waited: bool,
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

/// The main thread of a process.
pub(super) fn process(machine: &Rc<Machine>, scenario: &Scenario, shared: &Shared, me: ProcessId) {
    let start = machine.state.borrow_mut().random.below(3) * 3_000_000;
    sys::sleep(Duration::from_nanos(start));
    let told = Arc::new(AtomicU64::new(0));
    let appender = loop {
        let counter = Arc::clone(&told);
        let count = move |_: &crate::notify::Switch| {
            let machine = sys::sim::machine::machine();
            if machine.is_some_and(|machine| !machine.is_process_dead(me)) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        match scenario.builder(me).on_switch(count).build(Path::new(LOG)) {
            Ok(appender) => break appender,
            Err(error) => {
                let mut state = machine.state.borrow_mut();
                let is_over = state.clock > state.faults.until + 10_000_000_000;
                if is_over {
                    state.fail(format!("build fails although nothing is wrong: {error:?}"));
                    return;
                }
                drop(state);
                sys::sleep(Duration::from_millis(20));
            }
        }
    };
    shared.borrow_mut().appenders.push((me, appender.clone()));
    let mut threads = Vec::new();
    for thread in 0..scenario.threads {
        let (inner, scenario, shared, appender) = (
            Rc::clone(machine),
            scenario.clone(),
            Rc::clone(shared),
            appender.clone(),
        );
        let name = format!("thread {thread}");
        threads.push(machine.spawn(me, &name, move || {
            write(&inner, &scenario, &shared, &appender, (me, thread));
        }));
    }
    for thread in threads {
        machine.wait_for(None, || machine.is_done(thread).then_some(()));
    }
    let flushed = appender.flush(Duration::from_secs(30));
    machine.step();
    sys::sleep(scenario.linger);
    match flushed {
        Ok(()) => settle(&shared.clone(), me),
        Err(error) => {
            let mut state = machine.state.borrow_mut();
            state.fail(format!("a flush fails although nothing is wrong: {error}"));
        }
    }
    // The switches of the drop are told as well, but there is nothing left to switch for.
    let switches = appender.stats().switches;
    let mut journal = shared.borrow_mut();
    journal.switches.insert(me, (switches, told));
    let kept = journal
        .appenders
        .iter()
        .position(|(process, _)| *process == me);
    let kept = kept.map(|at| journal.appenders.swap_remove(at));
    drop(journal);
    drop(appender);
    drop(kept);
    shared.borrow_mut().ended.push(me);
    if scenario.abrupt {
        machine.die();
    }
}

/// Nothing was pending: what this process has written until now is in a file.
fn settle(shared: &Shared, me: ProcessId) {
    let mut journal = shared.borrow_mut();
    for ((process, ..), (fate, _)) in &mut journal.records {
        if *process == me && *fate == Fate::Returned {
            *fate = Fate::Safe;
        }
    }
}

fn write(
    machine: &Machine,
    scenario: &Scenario,
    shared: &Shared,
    appender: &FileAppender,
    (me, thread): (ProcessId, usize),
) {
    for number in 0..scenario.records {
        let id = (me, thread, number);
        let mut state = machine.state.borrow_mut();
        let bytes = record(id, state.random.index(scenario.longest_record));
        let pause = state.random.below(scenario.pause.as_nanos() as u64 + 1);
        drop(state);
        let begun = (Fate::Begun, bytes.clone());
        shared.borrow_mut().records.insert(id, begun);
        machine.take_slept();
        let written = appender.make_writer().write_all(&bytes);
        let slept = machine.take_slept();
        if let Some((fate, _)) = shared.borrow_mut().records.get_mut(&id) {
            *fate = Fate::Returned;
        }
        match appender.stats().pending {
            0 => settle(shared, me),
            _ => shared.borrow_mut().has_waited = true,
        }
        let mut state = machine.state.borrow_mut();
        if let Err(error) = written {
            state.fail(format!("a write answers {error}"));
        }
        // The wait for a busy file, the last pause of it, and the looks at torn lines.
        if slept > scenario.lock_wait * 30 + Duration::from_millis(20) {
            state.fail(format!("a call has slept for {slept:?}"));
        }
        drop(state);
        if pause > 0 {
            sys::sleep(Duration::from_nanos(pause));
        }
    }
}
