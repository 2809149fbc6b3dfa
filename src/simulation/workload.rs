//! What the virtual processes do.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::journal::{settle, take, Fate, Record, Shared};
use super::scenario::Scenario;
use crate::appender::FileAppender;
use crate::queue::NonBlocking;
use crate::stats::QueuePlace;
use crate::sys::sim::machine::{Machine, ProcessId, ThreadId};
use crate::sys::{self};

pub(super) const LOG: &str = "/log/app.log";

/// Maximum time until all that waits is written.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The same where nobody unlocks the log: the thread that has locked it was not forked along.
const IN_VAIN: Duration = Duration::from_secs(1);

/// By then a forked child has nothing left to do.
const LINGER: Duration = Duration::from_secs(100);

pub(super) fn record((process, thread, number): Record, length: usize) -> Vec<u8> {
    let mut record = format!("<{process}.{thread}.{number} ");
    while record.len() + 2 < length {
        record.push(char::from(b'a' + (record.len() % 26) as u8));
    }
    record.push_str(">\n");
    record.into_bytes()
}

/// Builds an appender, once the files can be opened.
pub(super) fn build(
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
    let process = Process {
        machine: Rc::clone(machine),
        scenario: scenario.clone(),
        shared: Rc::clone(shared),
        me,
        told,
        appender,
        queue,
    };
    let mut threads = process.start_threads(0);
    if process.waits_for_fork() && process.may_fork() {
        process.fork();
        threads = process.start_threads(scenario.threads);
    }
    for thread in threads {
        machine.wait_for(None, || machine.is_done(thread).then_some(()));
    }
    process.end();
}

/// What a process has in its memory.
#[derive(Clone)]
struct Process {
    machine: Rc<Machine>,
    scenario: Scenario,
    shared: Shared,
    me: ProcessId,
    told: Arc<AtomicU64>,
    appender: FileAppender,
    queue: Option<NonBlocking>,
}

impl Process {
    /// Starts the threads that write records, numbered from `first` on.
    fn start_threads(&self, first: usize) -> Vec<ThreadId> {
        let threads = first..first + self.scenario.threads;
        let start = |thread| {
            let process = self.clone();
            let work = move || process.write_records(thread);
            self.machine
                .spawn(self.me, &format!("thread {thread}"), work)
        };
        threads.map(start).collect()
    }

    /// For the main thread: sleeps until the process may fork; false if it does not.
    fn waits_for_fork(&self) -> bool {
        let mut state = self.machine.state.borrow_mut();
        if state.faults.fork == 0 || !state.random.one_in(4) {
            return false;
        }
        let longest = state.random.pick(&[30_000, 300_000, 3_000_000, 30_000_000]);
        let pause = state.random.below(longest);
        drop(state);
        sys::sleep(Duration::from_nanos(pause));
        true
    }

    fn may_fork(&self) -> bool {
        let mut state = self.machine.state.borrow_mut();
        let may = state.faults.forks_left > 0;
        state.faults.forks_left -= u32::from(may);
        may
    }

    /// The process goes on as its child, in which this thread is the only one.
    fn fork(&self) {
        self.machine.fork();
        let stats = self.appender.stats();
        let told = self.told.load(Ordering::Relaxed);
        let mut journal = self.shared.borrow_mut();
        for ((process, ..), (fate, _)) in &mut journal.records {
            if *process == self.me && *fate == Fate::Returned {
                // The parent had it in its memory.
                *fate = Fate::Begun;
            }
        }
        if stats.pending > 0 {
            journal.pending.insert(self.me);
        }
        journal.forked.insert(self.me, (stats.switches, told));
    }

    fn end(self) {
        let Process {
            machine,
            scenario,
            shared,
            me,
            told,
            appender,
            queue,
        } = self;
        if scenario.abrupt && queue.is_some() {
            // The process ends without the end of its queue.
            machine.die();
        }
        let guard = take(&mut shared.borrow_mut().guards, me);
        let is_in_vain = machine.state.borrow().disk.is_locked_by_nobody();
        let timeout = if is_in_vain { IN_VAIN } else { TIMEOUT };
        let flushed = match guard {
            Some(guard) => guard.shutdown(timeout),
            None => appender.flush(timeout),
        };
        machine.step();
        sys::sleep(scenario.linger);
        let is_flushed = flushed.is_ok();
        match flushed {
            Ok(()) => settle(&shared, me),
            Err(error) => {
                let mut state = machine.state.borrow_mut();
                // Nobody unlocks a file whose thread was not forked along, as long as the child lives.
                if !state.faults.left_locked {
                    state.fail(format!("a flush fails although nothing is wrong: {error}"));
                }
                drop(state);
                if appender.stats().pending > 0 {
                    shared.borrow_mut().pending.insert(me);
                }
            }
        }
        // The switches of the drop are told as well, but there is nothing left to switch for, unless a
        // backlog is left.
        let switches = appender.stats().switches;
        let mut journal = shared.borrow_mut();
        if is_flushed {
            journal.switches.insert(me, (switches, told));
        }
        journal.current.insert(me, appender.current_path());
        let kept = take(&mut journal.appenders, me);
        drop(journal);
        drop(appender);
        drop(kept);
        shared.borrow_mut().ended.push(me);
        if machine.state.borrow().forks(me) > 0 {
            end_forked(&machine, &shared, me);
        } else if scenario.abrupt {
            machine.die();
        }
    }
}

/// Ends the process as `exit` does. Without that, a description whose thread is not there would stay
/// open.
fn end_forked(machine: &Rc<Machine>, shared: &Shared, me: ProcessId) {
    let is_in_vain = machine.state.borrow().disk.is_locked_by_nobody();
    let linger = if is_in_vain { IN_VAIN } else { LINGER };
    let alone = machine.wait_for(Some(linger), || machine.is_alone().then_some(()));
    let mut state = machine.state.borrow_mut();
    let open = state.disk.opened_since_fork(me);
    match alone {
        Some(()) if open > 0 => state.fail(format!("a forked child has left {open} files open")),
        Some(()) => {}
        // A backlog waits for a lock that nobody gives back.
        None => drop(shared.borrow_mut().switches.remove(&me)),
    }
    drop(state);
    machine.die();
}

impl Process {
    /// The work of a thread.
    fn write_records(self, thread: usize) {
        let scenario = &self.scenario;
        let mut has_forked = false;
        for number in 0..scenario.records {
            if self.forks_here() && self.may_fork() {
                self.fork();
                has_forked = true;
            }
            let pause = self.write((self.me, thread, number));
            if pause > 0 {
                sys::sleep(Duration::from_nanos(pause));
            }
        }
        if has_forked {
            // The thread that would do it is not there.
            self.end();
        }
    }

    fn forks_here(&self) -> bool {
        let mut state = self.machine.state.borrow_mut();
        let fork = state.faults.fork;
        state.random.one_in(fork)
    }

    /// Writes one record; returns how long to pause after it, in nanoseconds.
    fn write(&self, id: Record) -> u64 {
        let Process {
            machine, scenario, ..
        } = self;
        let mut state = machine.state.borrow_mut();
        let bytes = record(id, state.random.index(scenario.longest_record));
        let pause = state.random.below(scenario.pause.as_nanos() as u64 + 1);
        let forks = state.forks(self.me);
        drop(state);
        let begun = (Fate::Begun, bytes.clone());
        let mut journal = self.shared.borrow_mut();
        journal.records.insert(id, begun);
        if forks > 0 {
            journal.generations.insert(id, forks);
        }
        drop(journal);
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
        pause
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
