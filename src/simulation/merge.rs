//! A program that reads the log while it is written, rotated and compressed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::journal::{Fate, Record, Shared};
use super::oracle::{comes_again, may_double, record_of, torn};
use super::scenario::Scenario;
use super::workload::LOG;
use crate::sys::sim::machine::Machine;
use crate::{sys, Merge};

/// Reads the whole log several times: each time it finds once each record that was written before.
pub(super) fn run(machine: &Rc<Machine>, scenario: &Scenario, shared: &Shared) {
    for _ in 0..6 {
        let pause = machine.state.borrow_mut().random.below(30_000);
        sys::sleep(Duration::from_micros(pause));
        if let Err(failure) = read(scenario, shared) {
            let mut state = machine.state.borrow_mut();
            return state.fail(failure);
        }
    }
}

fn read(scenario: &Scenario, shared: &Shared) -> Result<(), String> {
    let before = safe(shared);
    let merge = match Merge::open(LOG) {
        Ok(merge) => merge,
        Err(_) if before.is_empty() => return Ok(()),
        Err(error) => return Err(format!("the log can't be read: {error}")),
    };
    let mut found: BTreeMap<Record, u32> = BTreeMap::new();
    for record in merge {
        let record = record.map_err(|error| format!("a record can't be read: {error}"))?;
        let journal = shared.borrow();
        for line in record.bytes().split_inclusive(|byte| *byte == b'\n') {
            let ids = match record_of(&journal, line) {
                Some(id) => vec![id],
                // The record may be behind a piece that a killed process has left.
                None => torn(scenario, &journal, line).unwrap_or_default(),
            };
            for id in ids {
                *found.entry(id).or_default() += 1;
            }
        }
    }
    if let Some(missed) = before.iter().find(|id| !found.contains_key(id)) {
        return Err(format!("a reader misses {missed:?}"));
    }
    match found.iter().find(|(_, times)| **times > 1) {
        Some((id, times)) if !may_double(scenario) && !comes_again(scenario) => {
            Err(format!("a reader finds {id:?} {times} times"))
        }
        _ => Ok(()),
    }
}

/// The records that are in a file by now.
fn safe(shared: &Shared) -> Vec<Record> {
    let journal = shared.borrow();
    let records = journal.records.iter();
    let safe = records.filter(|(_, (fate, _))| *fate == Fate::Safe);
    safe.map(|(id, _)| *id).collect()
}
