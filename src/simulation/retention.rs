//! What must be true of the limits once no file is written to any more.

use std::path::{Path, PathBuf};

use super::files::{is_archive, UNRELATED};
use super::scenario::Scenario;
use super::workload::{is_queue, LOG};
use crate::sys::sim::disk::{Disk, Kind};

/// Checks the files that are left after a last sweep, by an appender that writes to `current`.
pub(super) fn check(scenario: &Scenario, disk: &Disk, current: &Path) -> Result<(), String> {
    // A directory or a link of the stranger's may be in the way. Without locks nothing is removed.
    if scenario.stranger > 0 || scenario.faults.no_locks {
        return Ok(());
    }
    let kept = [Path::new(LOG), current];
    let (mut files, mut bytes, mut removable) = (0, 0, Vec::new());
    for (path, ino) in disk.files(Path::new("/log")) {
        let found = disk.stat_of(ino);
        // One that was killed has compressed an archive, but not removed it.
        let is_copy = path.extension().is_some_and(|extension| extension == "gz")
            && disk.find(&path.with_extension(""), false).is_ok();
        if found.kind != Kind::File || !is_of_log(&path) || is_copy {
            continue;
        }
        files += 1;
        bytes += found.length;
        if !kept.contains(&&*path) {
            removable.push(path);
        }
    }
    let Some(oldest) = removable.first() else {
        return Ok(());
    };
    if let Some(most) = scenario.max_files.filter(|most| files > *most) {
        return Err(format!(
            "{files} files are left, but {most} at most: {oldest:?}"
        ));
    }
    // What is as short as here gets longer by compression, after the sweep that has seen its length.
    let most = scenario.max_total_size.filter(|_| !scenario.compresses());
    match most.filter(|most| bytes > *most) {
        Some(most) => Err(format!(
            "{bytes} bytes are left, but {most} at most: {oldest:?}"
        )),
        None => Ok(()),
    }
}

/// The limits count primary, variants and archives.
fn is_of_log(path: &Path) -> bool {
    let unrelated = UNRELATED.iter().any(|known| path == Path::new(known));
    let is_queue = path.file_name().is_some_and(is_queue);
    let name = path.to_string_lossy();
    let is_partial = name.ends_with(".tmp");
    !unrelated && !is_queue && !is_partial && (is_archive(&name) || is_member(path))
}

/// The primary or a variant.
pub(super) fn is_member(path: &Path) -> bool {
    let variants = (1..=3).map(|n| PathBuf::from(format!("/log/app.00{n}.log")));
    path == Path::new(LOG) || variants.into_iter().any(|variant| path == variant)
}
