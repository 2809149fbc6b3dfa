//! The write path on a simulated machine: a seed decides who goes next, who is killed and what
//! fails, and a failing seed is a test.
//!
//! The code above `sys` is what runs in production; below it are the disk, the locks, the clock and
//! the threads of [`sim`](crate::sys::sim).

mod files;
mod journal;
mod last;
mod latest;
#[cfg(feature = "read")]
mod merge;
mod oracle;
mod reader;
#[cfg(test)]
mod real_disk;
mod retention;
mod scenario;
mod seed;
mod shorten;
mod stranger;
#[cfg(test)]
mod tests;
mod workload;

use std::path::Path;
use std::rc::Rc;

use self::files::UNRELATED;
use self::journal::Shared;
use self::scenario::Scenario;
use self::seed::Seed;
use crate::sys::sim::disk::OpenFlags;
use crate::sys::sim::faults::Planted;
use crate::sys::sim::machine::Machine;

/// The outcome of a run.
#[derive(Debug)]
struct Outcome {
    failure: Option<String>,
    trace: Vec<String>,
    steps: u64,
    errors: u64,
    kills: u64,
    forks: u64,
    switches: u64,
    records: usize,
}

/// Runs the schedule of a seed.
fn simulate(seed: Seed, planted: Option<Planted>, traced: bool) -> Outcome {
    let mut scenario = Scenario::new(seed);
    shorten::cut(&mut scenario, seed.without);
    let number = seed.number;
    let machine = Machine::new(number, scenario.strategy, scenario.faults.clone());
    {
        let mut state = machine.state.borrow_mut();
        state.planted = planted;
        state.trace = traced.then(|| vec![format!("{scenario:#?}")]);
        state.disk.clock = state.wall() - 3_600_000_000_000;
        state.disk.cookies = number;
        for directory in ["/log", "/data"] {
            state.disk.create_directory(Path::new(directory)).unwrap();
        }
        let flags = OpenFlags {
            write: true,
            create: true,
            ..OpenFlags::default()
        };
        for path in UNRELATED {
            let fd = state.disk.open(Path::new(path), flags, 0).unwrap();
            state.disk.write(fd, path.as_bytes()).unwrap();
            state.disk.close(fd);
        }
        if let Some(room) = scenario.capacity {
            state.disk.capacity = state.disk.used + room;
        }
    }
    let shared = Shared::default();
    for n in 0..scenario.processes {
        let process = machine.add_process();
        assert_eq!(process, n);
        let (inner, scenario, shared) = (Rc::clone(&machine), scenario.clone(), Rc::clone(&shared));
        machine.spawn(process, "main", move || {
            workload::process(&inner, &scenario, &shared, process);
        });
    }
    if scenario.stranger > 0 || scenario.capacity.is_some() {
        let process = machine.add_process();
        machine.state.borrow_mut().faults.stranger = Some(process);
        let (inner, scenario) = (Rc::clone(&machine), scenario.clone());
        machine.spawn(process, "stranger", move || {
            stranger::run(&inner, &scenario);
            crate::sys::sleep(std::time::Duration::from_millis(100));
            inner.state.borrow_mut().disk.capacity = u64::MAX;
        });
    }
    if scenario.is_read {
        let process = machine.add_process();
        let inner = Rc::clone(&machine);
        machine.spawn(process, "reader", move || reader::run(&inner));
    }
    #[cfg(feature = "read")]
    if scenario.merges() {
        let process = machine.add_process();
        let (inner, scenario, shared) = (Rc::clone(&machine), scenario.clone(), Rc::clone(&shared));
        machine.spawn(process, "merge", move || {
            merge::run(&inner, &scenario, &shared);
        });
    }
    if scenario.ends_well {
        let process = machine.add_process();
        let (inner, scenario, shared) = (Rc::clone(&machine), scenario.clone(), Rc::clone(&shared));
        machine.spawn(process, "last", move || {
            last::run(&inner, &scenario, &shared, process);
        });
    }
    machine.run();
    let (appenders, guards) = {
        let mut journal = shared.borrow_mut();
        journal.find_pending();
        let guards = std::mem::take(&mut journal.guards);
        (std::mem::take(&mut journal.appenders), guards)
    };
    machine.drop_left(guards);
    machine.end(appenders);
    let journal = shared.borrow();
    let mut state = machine.state.borrow_mut();
    let failure = oracle::check(&scenario, &journal, &state).err();
    Outcome {
        failure,
        trace: state.trace.take().unwrap_or_default(),
        steps: state.steps,
        errors: state.faults.errors,
        kills: state.faults.kills,
        forks: state.faults.forks,
        switches: journal.switches.values().map(|(counted, _)| counted).sum(),
        records: journal.records.len(),
    }
}
