//! A process that comes when all others have gone.

use std::ffi::OsStr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::journal::Shared;
use super::retention;
use super::scenario::Scenario;
use super::workload::{build, is_queue};
use crate::sys;
use crate::sys::sim::machine::{Machine, ProcessId};

/// By then no process may be about to write to an archive, and those that are too many are removed.
const RETENTION: Duration = Duration::from_secs(1_000);

/// Its appender writes what the others have left in queues, and removes what is too much.
pub(super) fn run(machine: &Rc<Machine>, scenario: &Scenario, shared: &Shared, me: ProcessId) {
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
    let appender = match scenario.removes() {
        false => appender,
        true => {
            drop(appender);
            // It sees what has been recovered as well.
            let appender = build(machine, scenario, me, &Arc::default());
            sys::sleep(RETENTION);
            appender
        }
    };
    if let Some(appender) = &appender {
        let current = appender.current_path();
        let state = machine.state.borrow();
        let failure = retention::check(scenario, &state.disk, &current).err();
        drop(state);
        if let Some(failure) = failure {
            machine.state.borrow_mut().fail(failure);
        }
        shared.borrow_mut().current.insert(me, current);
    }
    drop(appender);
}
