//! What must be true after a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::files::{is_archive, UNRELATED};
use super::journal::{Fate, Journal, Record};
use super::latest;
use super::scenario::{Scenario, LATEST};
use super::workload::is_queue;
use crate::sys::sim::disk::{Content, Disk, Loss};
use crate::sys::sim::machine::State;

/// Checks a run whose threads have all ended; an error says what is wrong.
pub(super) fn check(scenario: &Scenario, journal: &Journal, state: &State) -> Result<(), String> {
    if let Some(failure) = &state.failure {
        return Err(failure.clone());
    }
    records(scenario, journal, &state.disk)?;
    for path in UNRELATED {
        let inode = state.disk.files(Path::new("/log"));
        let inode = inode.iter().find(|(found, _)| found == Path::new(path));
        let inode = inode.ok_or_else(|| format!("{path} is gone"))?.1;
        match &state.disk.inodes[inode].content {
            Content::File(bytes) if bytes == path.as_bytes() => {}
            _ => return Err(format!("{path} was changed")),
        }
    }
    archives(scenario, journal, &state.disk)?;
    latest::check(scenario, journal, &state.disk)?;
    let locks = state.disk.locks();
    if locks > 0 {
        return Err(format!("{locks} files are still locked"));
    }
    for process in &journal.ended {
        let open = state.disk.opened_by(*process).len();
        if open > 0 && !scenario.abrupt {
            return Err(format!("process {process} has left {open} files open"));
        }
        let is_abrupt = scenario.abrupt && state.forks(*process) == 0;
        if let (Some((counted, told)), false) = (journal.switches.get(process), is_abrupt) {
            let told = told.load(Ordering::Relaxed);
            // Those of its parent may have gone with the thread that was to say so.
            let (before, told_before) = journal.forked.get(process).unwrap_or(&(0, 0));
            let (counted, told) = (counted - before, told - told_before);
            // A notice needs a thread; there may be none until the process ends.
            let is_threadless = state.is_threadless(*process);
            let may_be_short = is_threadless || state.without_thread.contains(process);
            let is_short = told < counted && may_be_short;
            // A recovery goes on after the figure was read.
            let is_later = told > counted && scenario.queues;
            if counted != told && !is_short && !is_later {
                return Err(format!(
                    "process {process} has switched {counted} times and said so {told} times"
                ));
            }
        }
    }
    let may_be_empty = scenario.may_tear() || scenario.forks();
    if !may_be_empty && scenario.stranger == 0 && scenario.faults.short_write == 0 {
        for (path, ino) in state.disk.files(Path::new("/log")) {
            let is_partial = path.extension().is_some_and(|extension| extension == "tmp");
            let is_partial = is_partial || path == Path::new(LATEST);
            if !is_partial && state.disk.stat_of(ino).length == 0 {
                return Err(format!("{} is empty", path.display()));
            }
        }
    }
    Ok(())
}

/// Checks that a file that was rotated by size had no room for another record.
fn archives(scenario: &Scenario, journal: &Journal, disk: &Disk) -> Result<(), String> {
    let Some(size) = scenario.size_alone() else {
        return Ok(());
    };
    if journal.has_waited {
        return Ok(());
    }
    let longest = journal
        .records
        .values()
        .map(|(_, record)| record.len())
        .max();
    for (path, ino) in disk.files(Path::new("/log")) {
        let length = disk.stat_of(ino).length;
        if is_archive(&path.to_string_lossy()) && length + longest.unwrap_or(0) as u64 <= size {
            return Err(format!("{} was not full", path.display()));
        }
    }
    Ok(())
}

/// The bytes of every file that counts, with a name for it.
fn contents(scenario: &Scenario, disk: &Disk) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut found = Vec::new();
    let names: BTreeMap<usize, PathBuf> = ["/log", "/data"]
        .iter()
        .flat_map(|directory| disk.files(Path::new(directory)))
        .filter(|(path, _)| !UNRELATED.iter().any(|known| path == Path::new(known)))
        .filter(|(path, _)| !path.file_name().is_some_and(is_queue))
        .map(|(path, ino)| (ino, path))
        .collect();
    let losses = disk.inodes.iter().flat_map(|inode| &inode.history);
    let removed: BTreeSet<PathBuf> = losses
        .filter_map(|(loss, _)| match loss {
            Loss::Removed(path) => Some(path.clone()),
            _ => None,
        })
        .collect();
    let mut compressed_ones = BTreeSet::new();
    for (ino, inode) in disk.inodes.iter().enumerate() {
        let Content::File(bytes) = &inode.content else {
            continue;
        };
        if inode.is_memory() {
            continue;
        }
        if let Some(path) = names.get(&ino) {
            let name = path.display().to_string();
            if name.ends_with(".gz.tmp") {
                continue;
            }
            // An archive that a killed process has compressed, but not removed, is one archive.
            let plain = name.strip_suffix(".gz").map(PathBuf::from);
            if plain.is_some_and(|plain| names.values().any(|known| *known == plain)) {
                continue;
            }
            let bytes = match path.extension().is_some_and(|extension| extension == "gz") {
                true => unpacked(bytes),
                false => bytes.clone(),
            };
            found.push((name, bytes));
        }
        for (loss, before) in &inode.history {
            match loss {
                Loss::Truncated { settled } => found.push((
                    format!("file {ino}, before it was cut"),
                    split_at_commit(before, *settled).0.to_owned(),
                )),
                Loss::Stranger => {
                    found.push((
                        format!("file {ino}, deleted by the stranger"),
                        bytes.clone(),
                    ));
                }
                Loss::Removed(path) if path.file_name().is_some_and(is_queue) => {}
                Loss::Removed(path) => {
                    let name = path.to_string_lossy();
                    let may = scenario.removes() || scenario.compresses();
                    if !(is_archive(&name) && may) {
                        return Err(format!("{name} was removed"));
                    }
                    let compressed = PathBuf::from(format!("{name}.gz"));
                    let is_compressed = scenario.compresses()
                        && (names.values().any(|known| *known == compressed)
                            || removed.contains(&compressed));
                    // A compressed archive that another one has replaced has the same records.
                    let is_there = |name: &Path| names.values().any(|known| known == name);
                    // And so has the compressed file of an archive that could not be removed.
                    let plain = name.strip_suffix(".gz").map(Path::new);
                    let is_replaced = is_there(path)
                        || plain.is_some_and(is_there)
                        || name.ends_with(".gz") && !compressed_ones.insert(path.clone());
                    if !is_compressed && !is_replaced && !name.ends_with(".tmp") {
                        let before = match name.ends_with(".gz") {
                            true => unpacked(before),
                            false => before.clone(),
                        };
                        found.push((format!("{name}, removed"), before));
                    }
                }
            }
        }
    }
    Ok(found)
}

#[cfg(feature = "gzip")]
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // A torn compressed file yields the records before the tear.
    let _ = std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut plain);
    plain
}

#[cfg(not(feature = "gzip"))]
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    bytes.to_owned()
}

fn records(scenario: &Scenario, journal: &Journal, disk: &Disk) -> Result<(), String> {
    let mut whole: BTreeMap<Record, Vec<String>> = BTreeMap::new();
    // Records behind a piece, on one line with it.
    let mut glued: BTreeSet<Record> = BTreeSet::new();
    for (file, bytes) in contents(scenario, disk)? {
        let mut last: BTreeMap<(usize, usize, Option<&u32>), usize> = BTreeMap::new();
        for mut line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // The stranger has cut the file while a record was being taken back.
            while let (true, [0, rest @ ..]) = (scenario.stranger > 0, line) {
                line = rest;
            }
            let Some(id) = record_of(journal, line) else {
                let found = torn(scenario, journal, line).map_err(|()| {
                    let text = String::from_utf8_lossy(line);
                    format!("a torn line in {file}: {text:?}")
                })?;
                for id in found {
                    if comes_again(scenario) {
                        glued.insert(id);
                    } else {
                        whole.entry(id).or_default().push(file.clone());
                    }
                }
                continue;
            };
            let (process, thread, number) = id;
            // A forked child is another process, and gets the lock before its parent's queue or after.
            let forks = journal.generations.get(&id);
            if let Some(before) = last.insert((process, thread, forks), number) {
                let comes_again = comes_again(scenario) && glued.contains(&id);
                if before >= number && !may_double(scenario) && !comes_again {
                    return Err(format!(
                        "out of order in {file}: {before} before {number} of {process}.{thread}"
                    ));
                }
            }
            whole.entry(id).or_default().push(file.clone());
        }
    }
    for (before, settled) in cuts(disk) {
        let (_, commit) = split_at_commit(before, settled);
        let lines = commit.split_inclusive(|byte| *byte == b'\n');
        for id in lines.filter_map(|line| record_of(journal, line)) {
            // If its commit was taken back, it has come again.
            let files = whole.entry(id).or_default();
            if files.is_empty() {
                files.push("a file that was cut during the commit".to_owned());
            }
        }
    }
    for (id, (fate, bytes)) in &journal.records {
        match whole.get(id) {
            // The file could not be read, so its line may have been behind a piece.
            None if glued.contains(id) && scenario.faults.error > 0 => {}
            // It was handed over to a backlog, which is lost with a killed process.
            None if scenario.queues && journal.pending.contains(&id.0) => {}
            // The stranger has cut the file before the writer could see that.
            None if comes_again(scenario) && was_cut_behind_a_piece(disk, bytes) => {}
            None if *fate == Fate::Safe && !was_cut(disk, bytes) => {
                return Err(format!("record {id:?} is lost"))
            }
            // The stranger has cut the file after the write, so that the record is no longer behind
            // a newline.
            Some(_) if comes_again(scenario) && scenario.stranger > 0 => {}
            Some(files) if files.len() > 1 && !may_double(scenario) => {
                return Err(format!(
                    "record {id:?} is there {} times: {files:?}",
                    files.len()
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What was in each file that the stranger has cut, and up to which length it was not of a commit
/// that held the lock.
fn cuts(disk: &Disk) -> impl Iterator<Item = (&[u8], usize)> {
    let losses = disk.inodes.iter().flat_map(|inode| &inode.history);
    losses.filter_map(|(loss, before)| match loss {
        Loss::Truncated { settled } => Some((&before[..], *settled)),
        _ => None,
    })
}

/// Splits what was in a file when it was cut: the whole lines up to the length `settled`, and what was
/// being written or taken back then.
fn split_at_commit(before: &[u8], settled: usize) -> (&[u8], &[u8]) {
    let newline = before[..settled].iter().rposition(|byte| *byte == b'\n');
    before.split_at(newline.map_or(0, |at| at + 1))
}

/// Checks that a line that is no record is one of the allowed pieces; returns the records in it.
pub(super) fn torn(scenario: &Scenario, journal: &Journal, line: &[u8]) -> Result<Vec<Record>, ()> {
    // The stranger has cut the file between two parts of a record.
    if scenario.stranger > 0 && is_part(journal, line) {
        return Ok(Vec::new());
    }
    if !scenario.may_tear() {
        return Err(());
    }
    // The pieces of records that processes were writing when they were killed, or could not take
    // back. If no appender had a reason to check for a piece, the next record is on the same line.
    let (mut rest, mut found) = (line, Vec::new());
    loop {
        let next = rest.iter().skip(1).position(|byte| *byte == b'<');
        let (piece, behind) = rest.split_at(next.map_or(rest.len(), |next| next + 1));
        if behind.is_empty() {
            let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
            let last = record_of(journal, rest);
            found.extend(last);
            return match last.is_some() || is_piece(journal, piece) {
                true => Ok(found),
                false => Err(()),
            };
        }
        // Such a piece may lack only the newline.
        found.extend(record_of(journal, piece));
        if !is_piece(journal, piece) {
            return Err(());
        }
        rest = behind;
    }
}

/// Returns true if the stranger has cut the file while a part of the record was in it.
fn was_cut(disk: &Disk, record: &[u8]) -> bool {
    cuts(disk).any(|(before, _)| {
        let last = before.rsplit(|byte| *byte == b'\n').next();
        // Behind the piece of a killed process, maybe.
        let last = last.map(|last| last.rsplit(|byte| *byte == b'<').next());
        let is_of_it = |last: &[u8]| {
            record
                .strip_prefix(b"<")
                .is_some_and(|it| it.starts_with(last))
        };
        before.last() != Some(&b'\n') && last.flatten().is_some_and(is_of_it)
    })
}

/// Returns true if the stranger has cut the file while the record was on one line with a piece.
fn was_cut_behind_a_piece(disk: &Disk, record: &[u8]) -> bool {
    cuts(disk).any(|(before, _)| {
        let mut lines = before.split_inclusive(|byte| *byte == b'\n');
        lines.any(|line| line.ends_with(record))
    })
}

/// A record on one line with a piece is written again if there are no locks.
pub(super) fn comes_again(scenario: &Scenario) -> bool {
    scenario.faults.no_locks
}

/// A record that can neither be synced nor taken back is in the file twice. And one of a queue is
/// written again if the file to which its process was writing, when it was killed, is gone.
pub(super) fn may_double(scenario: &Scenario) -> bool {
    let is_removed = scenario.stranger > 0 || scenario.removes();
    scenario.syncs && (scenario.faults.error > 0 || scenario.faults.no_locks)
        || scenario.leaves_queues() && is_removed
}

/// Returns the record that a whole line is.
pub(super) fn record_of(journal: &Journal, line: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix('<')?;
    let mut numbers = text.split(' ').next()?.split('.').map(str::parse);
    let id = (
        numbers.next()?.ok()?,
        numbers.next()?.ok()?,
        numbers.next()?.ok()?,
    );
    let (_, bytes) = journal.records.get(&id)?;
    // If there was no room for the newline, the next commit to the file adds it.
    (line == bytes || line.len() + 1 == bytes.len() && bytes.starts_with(line)).then_some(id)
}

fn is_piece(journal: &Journal, piece: &[u8]) -> bool {
    let mut records = journal.records.values();
    piece.is_empty() || records.any(|(_, record)| record.starts_with(piece))
}

fn is_part(journal: &Journal, piece: &[u8]) -> bool {
    let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
    let mut records = journal.records.values();
    piece.is_empty()
        || records.any(|(_, record)| record.windows(piece.len()).any(|part| part == piece))
}
