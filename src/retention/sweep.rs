//! One sweep: lists the files of a log, removes those that exceed the limits, and compresses all
//! archives but the newest.
//!
//! A variant may be opened by any process at any time. So an idle one becomes an archive first,
//! under its lock as in a rotation, and is removed when it has not changed as an archive for the
//! time of grace.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::grace::{has_settled, Observations, Verdict};
use super::gzip::{self, Gzip};
use super::limits::{Candidate, Limits};
use crate::family::Listing;
use crate::file::FamilyFile;
use crate::names;
use crate::notify::{Notice, Rotated, Warning};
use crate::sys::{self, FailureScope, File, FileLock, Identity, Instant};

/// The most files that one sweep observes, so that memory stays bounded. The oldest come first.
const MAX_OBSERVED: usize = 1_000;

pub(super) struct Sweep<'a> {
    pub(super) primary: &'a Path,
    pub(super) limits: &'a Limits,
    pub(super) gzip: Option<Gzip>,
    /// The number of the file that this appender writes to.
    pub(super) current: u16,
    pub(super) observations: &'a mut Observations,
    /// See [`has_settled`].
    pub(super) settled_after: Duration,
    /// Returns true if there is something to do that is more urgent than compression.
    pub(super) is_urgent: &'a dyn Fn() -> bool,
}

/// The outcome of a sweep, beside its observations.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Something is left that can be done at once.
    pub(super) is_incomplete: bool,
    /// The warning of the last failure.
    pub(super) failure: Option<Notice>,
    /// Variants that have become archives, and archives that have been compressed.
    pub(super) rotated: Vec<Rotated>,
}

impl Outcome {
    /// The file at a path that was listed; `None` if it can't be read.
    fn candidate(&mut self, path: &Path, variant: Option<u16>) -> Option<Candidate> {
        match sys::state_at(path) {
            Ok(state) => Some(Candidate {
                path: path.to_owned(),
                state,
                variant,
            }),
            // The target of a link may be missing for ever.
            Err(_) if sys::is_symlink(path) => None,
            Err(error) => {
                if error.kind() == ErrorKind::NotFound {
                    self.is_gone();
                }
                None
            }
        }
    }

    /// A file that was listed is gone. Another process may have renamed it, so that it counts by a
    /// name that is not listed.
    fn is_gone(&mut self) {
        self.is_incomplete = true;
    }
}

impl Sweep<'_> {
    pub(super) fn run(mut self) -> Outcome {
        let mut outcome = Outcome::default();
        self.observations.begin();
        if let Err(cause) = self.sweep(&mut outcome) {
            outcome.failure = not_removed(self.primary, cause);
        }
        self.observations.end();
        outcome
    }

    fn sweep(&mut self, outcome: &mut Outcome) -> io::Result<()> {
        let listing = Listing::with_target(self.primary)?;
        for archive in &listing.partial {
            gzip::remove_partial(archive);
        }
        let kept = self.kept(&listing, outcome);
        let surplus = match self.limits.any() {
            true => self.remove_surplus(&listing, &kept, outcome),
            false => HashSet::new(),
        };
        if let Some(gzip) = self.gzip {
            self.compress(gzip, &listing, &kept, &surplus, outcome);
        }
        Ok(())
    }

    /// The files that are never removed: the primary, with which each appender starts, the file
    /// written to, and variants that are links, as what they lead to may be another program's.
    fn kept(&self, listing: &Listing, outcome: &mut Outcome) -> Vec<Candidate> {
        listing
            .current()
            .filter(|(number, path)| [0, self.current].contains(number) || sys::is_symlink(path))
            .filter_map(|(number, path)| outcome.candidate(path, Some(number)))
            .collect()
    }

    /// Returns the files that exceed the limits. Some may not be removed yet.
    fn remove_surplus(
        &mut self,
        listing: &Listing,
        kept: &[Candidate],
        outcome: &mut Outcome,
    ) -> HashSet<PathBuf> {
        // A hard link is no other file.
        let mut known = HashSet::new();
        let mut is_new = |file: &Candidate| is_new(&mut known, file);
        let kept: Vec<_> = kept.iter().filter(|file| is_new(file)).cloned().collect();
        let archives = listing.archives.iter();
        let archives = archives.map(|archive| (&*archive.path, None));
        let variants = listing
            .current()
            .filter(|(number, path)| ![0, self.current].contains(number) && !sys::is_symlink(path))
            .map(|(number, path)| (path, Some(number)));
        let mut removable: Vec<_> = archives
            .chain(variants)
            .filter_map(|(path, variant)| outcome.candidate(path, variant))
            .filter(is_new)
            .collect();
        removable.sort_by(|a, b| (a.state.modified, &a.path).cmp(&(b.state.modified, &b.path)));
        let surplus = self.limits.surplus(&removable, &kept, sys::now());
        outcome.is_incomplete |= surplus > MAX_OBSERVED;
        for file in &removable[..surplus.min(MAX_OBSERVED)] {
            match file.variant {
                None => self.handle(file, outcome, not_removed, |_| remove(&file.path)),
                Some(number) => self.retire(file, number, outcome),
            }
        }
        removable.truncate(surplus);
        removable.into_iter().map(|file| file.path).collect()
    }

    /// Makes an archive of an idle variant.
    fn retire(&mut self, file: &Candidate, number: u16, outcome: &mut Outcome) {
        let primary = self.primary;
        let mut archive = None;
        self.handle(file, outcome, not_removed, |_| {
            let renamed = FamilyFile { primary, number }.rename(&file.path)?.archive;
            let name = renamed.file_name().unwrap_or_default();
            // The listing has this spelling of its directory.
            archive = Some(file.path.with_file_name(name));
            Ok(true)
        });
        outcome
            .rotated
            .extend(archive.iter().map(|archive| Rotated {
                original: names::member(primary, number),
                archive: archive.clone(),
                compressed: false,
            }));
        if let Some(archive) = archive.and_then(|path| outcome.candidate(&path, None)) {
            self.observations
                .observe(&archive.path, &archive.state, Instant::now());
        }
    }

    /// Compresses all archives but the newest and those in `surplus`, which are removed when they
    /// have settled: a compressed file would be a new one, and be removed without having settled.
    fn compress(
        &mut self,
        gzip: Gzip,
        listing: &Listing,
        kept: &[Candidate],
        surplus: &HashSet<PathBuf>,
        outcome: &mut Outcome,
    ) {
        let archives = &listing.archives;
        let older = archives.split_last().map_or(&[][..], |(_, older)| older);
        let written_to: HashSet<_> = kept.iter().filter_map(|file| file.state.identity).collect();
        let plain = older
            .iter()
            .filter(|archive| !archive.is_compressed() && !surplus.contains(&archive.path));
        for (n, archive) in plain.enumerate() {
            if n == MAX_OBSERVED {
                outcome.is_incomplete = true;
                break;
            }
            let Some(file) = outcome.candidate(&archive.path, None) else {
                continue;
            };
            let identity = file.state.identity;
            if identity.is_some_and(|identity| written_to.contains(&identity)) {
                continue;
            }
            let mut is_compressed = false;
            self.handle(&file, outcome, not_compressed, |locked| {
                is_compressed = gzip.compress(&file.path, locked)?;
                Ok(is_compressed)
            });
            if is_compressed {
                let original = self.rotated_from(&file.path);
                outcome.rotated.push(Rotated {
                    original: original.unwrap_or_else(|| self.primary.to_owned()),
                    archive: names::compressed(&file.path),
                    compressed: true,
                });
            }
            // A compression may take minutes, so more urgent work goes first.
            if (self.is_urgent)() {
                outcome.is_incomplete = true;
                break;
            }
        }
    }

    /// Calls `work` with the file open and locked, if no other process is about to write to it.
    /// `work` returns false if the file is better left as it is.
    fn handle(
        &mut self,
        file: &Candidate,
        outcome: &mut Outcome,
        warning: fn(&Path, io::Error) -> Option<Notice>,
        work: impl FnOnce(&File) -> io::Result<bool>,
    ) {
        let Candidate { path, state, .. } = file;
        let is_quiet = match self.observations.observe(path, state, Instant::now()) {
            Verdict::Quiet => true,
            Verdict::Unknown if file.variant.is_some() => self.is_idle(file),
            Verdict::Unknown => self.was_renamed_long_ago(file),
            Verdict::Postponed => false,
        };
        if !is_quiet {
            return;
        }
        match with_lock(file, work) {
            Ok(Locked::Handled) => self.observations.forget(path),
            Ok(Locked::Gone) => {
                self.observations.forget(path);
                outcome.is_gone();
            }
            Ok(Locked::InUse) => self.observations.postpone(path, Instant::now()),
            Ok(Locked::Left) => self.observations.leave(path, Instant::now()),
            Err(cause) => {
                self.observations.leave(path, Instant::now());
                outcome.failure = warning(path, cause).or(outcome.failure.take());
            }
        }
    }

    /// Returns true if nobody has written to a variant for a while. Clocks may differ: one that is
    /// in use becomes an archive too early then, as in a rotation, and loses nothing.
    fn is_idle(&self, variant: &Candidate) -> bool {
        let age = |changed| sys::now().duration_since(changed).ok();
        let age = variant.state.changed.and_then(age);
        age.is_some_and(|age| age >= self.settled_after)
    }

    /// The path that an archive had before it was rotated.
    fn rotated_from(&self, archive: &Path) -> Option<PathBuf> {
        names::rotated_from(self.primary, archive)
            .or_else(|| names::rotated_from(&sys::canonical(self.primary), archive))
    }

    fn was_renamed_long_ago(&self, archive: &Candidate) -> bool {
        let path = &archive.path;
        let successor = self.rotated_from(path);
        successor
            .is_some_and(|successor| has_settled(&archive.state, &successor, self.settled_after))
            || sys::is_open_nowhere_else(path)
    }
}

fn is_new(known: &mut HashSet<Identity>, file: &Candidate) -> bool {
    let identity = file.state.identity;
    identity.is_none_or(|identity| known.insert(identity))
}

fn not_removed(path: &Path, cause: io::Error) -> Option<Notice> {
    Some(Notice::warning(Warning::NotRemoved, path, cause))
}

fn not_compressed(path: &Path, cause: io::Error) -> Option<Notice> {
    match cause.kind() {
        // It is another user's.
        ErrorKind::PermissionDenied => None,
        _ => Some(Notice::warning(Warning::NotCompressed, path, cause)),
    }
}

/// What has become of a file that was to be locked.
enum Locked {
    /// The work is done.
    Handled,
    /// The file is no longer there.
    Gone,
    /// It is better left as it is.
    Left,
    /// Another process has the lock or a lease, or has changed the file.
    InUse,
}

fn with_lock(file: &Candidate, work: impl FnOnce(&File) -> io::Result<bool>) -> io::Result<Locked> {
    let path = &file.path;
    let opened = match sys::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Locked::Gone),
        Err(error) if sys::scope(&error) == FailureScope::Locked => return Ok(Locked::InUse),
        opened => opened?,
    };
    let mut lock = FileLock::new(opened);
    // Without locks nothing is removed; that is no error.
    let Ok(locked) = lock.try_write() else {
        return Ok(Locked::InUse);
    };
    if !sys::is_at(path, &locked).unwrap_or(false) {
        return Ok(Locked::Gone);
    }
    if sys::state(&locked)? != file.state {
        return Ok(Locked::InUse);
    }
    match work(&locked)? {
        true => Ok(Locked::Handled),
        false => Ok(Locked::Left),
    }
}

fn remove(archive: &Path) -> io::Result<bool> {
    // Otherwise the copy would be listed as the archive.
    if let Some(copy) = gzip::compressed_copy(archive) {
        sys::remove_file(copy)?;
    }
    sys::remove_file(archive).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in a program that runs for less than the grace.
    #[test]
    fn one_sweep_removes_what_was_renamed_long_before_its_successor_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let of_primary = path("app.2020-01-01T00-00-00Z.log");
        let of_variant = path("app.001.2020-01-02T00-00-00Z.log");
        let variant = path("app.002.log");
        for file in [&of_primary, &of_variant, &variant, &path("app.log")] {
            std::fs::write(file, "x").unwrap();
        }
        let can_tell = sys::state_at(&of_primary).unwrap().changed.is_some();
        let limits = Limits {
            max_files: Some(1),
            ..Limits::default()
        };
        let sweep = |settled_after| {
            let mut observations = Observations::default();
            let outcome = Sweep {
                primary: &path("app.log"),
                limits: &limits,
                gzip: None,
                current: 0,
                observations: &mut observations,
                settled_after,
                is_urgent: &|| false,
            }
            .run();
            assert!(outcome.failure.is_none() && !outcome.is_incomplete);
            [&of_primary, &of_variant, &variant].map(|file| file.exists())
        };
        // None of them is old yet.
        let exists = !cfg!(windows);
        assert_eq!(sweep(Duration::from_secs(60)), [exists, exists, true]);
        // The variant is an archive then. It has no successor, nor has the second archive.
        assert_eq!(
            sweep(Duration::ZERO),
            [exists && !can_tell, exists, !can_tell]
        );
        assert!(path("app.log").exists());
    }
}
