//! What must be true of the link to the current file.

use std::path::Path;

use super::journal::{Fate, Journal};
use super::retention::is_member;
use super::scenario::{Scenario, LATEST};
use crate::sys::sim::disk::Disk;

/// The link leads to the file that took the last record, if one process alone has written; of
/// several to the file that one of them writes to, as that which switched last has set it.
pub(super) fn check(scenario: &Scenario, journal: &Journal, disk: &Disk) -> Result<(), String> {
    let faults = &scenario.faults;
    // The stranger takes the link's file away. And the link itself may have had an error.
    if !scenario.latest || scenario.stranger > 0 || faults.error > 0 {
        return Ok(());
    }
    let link = Path::new(LATEST);
    let Ok(target) = disk.read_link(link) else {
        let mut records = journal.records.values();
        // In a queue or in a backlog are more.
        let is_written = records.any(|(fate, _)| *fate == Fate::Safe);
        return match is_written && !is_cut_off(scenario) {
            true => Err("there is no link to the current file".to_owned()),
            false => Ok(()),
        };
    };
    let target = Path::new("/log").join(target);
    if !is_member(&target) {
        return Err(format!("{LATEST} leads to {}", target.display()));
    }
    if is_cut_off(scenario) {
        return Ok(());
    }
    if !journal.current.values().any(|path| *path == target) {
        return Err(format!(
            "{LATEST} leads to {}, but written to are {:?}",
            target.display(),
            journal.current
        ));
    }
    // A process that comes later, and writes nothing, may make an archive of a variant. And a piece
    // of a record may be taken back.
    let may_differ = scenario.processes > 1 || scenario.removes() || scenario.capacity.is_some();
    if may_differ || disk.last_appended.is_none() {
        return Ok(());
    }
    let mut found = disk.files(Path::new("/log")).into_iter();
    let found = found.find(|(path, _)| *path == target);
    match found.map(|(_, ino)| ino) == disk.last_appended {
        true => Ok(()),
        false => Err(format!(
            "{LATEST} leads to {}, but the last record is in another file",
            target.display()
        )),
    }
}

/// A thread may have ended between its switch and the change of the link.
fn is_cut_off(scenario: &Scenario) -> bool {
    scenario.faults.kill > 0 || scenario.forks() || scenario.abrupt
}
