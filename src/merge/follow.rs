//! What comes into a log, from all its files, as it comes.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::mem;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::backwards::Backwards;
use super::input::Input;
use super::pool::Pool;
use super::{Merge, Timestamp};
use crate::family::Members;
use crate::sys::{self, Identity};

/// A file that has another name or none is read on for that long: who had opened it before may
/// still write.
const GRACE: Duration = Duration::from_secs(5);

/// Listing the directory takes this part of the time at the most.
const LISTING: u32 = 20;

/// A record goes on for no longer than that, where its file never stops growing.
const MOST_HELD: u64 = 1024 * 1024;

/// An archive's last record is no later than its last change, give or take that.
const MARGIN: Duration = Duration::from_secs(60);

/// What is wanted of what is there at the start; more may be given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) last: Option<usize>,
    pub(crate) since: Option<Timestamp>,
}

/// Reads a log, and then again and again what has come into it since: each byte once.
pub(crate) struct Follow {
    primary: Arc<Path>,
    pool: Pool,
    selection: Selection,
    files: Vec<Followed>,
    /// The archives that have been taken in, without `.gz`.
    seen: HashSet<PathBuf>,
    /// Files that can't be opened, which has been said.
    unreadable: HashSet<PathBuf>,
    /// When the directory was listed last, and how long that took.
    listed: Option<(Instant, Duration)>,
}

/// A file that may grow.
struct Followed {
    path: Arc<Path>,
    file: Arc<File>,
    identity: Identity,
    /// Up to there it has been given out.
    offset: u64,
    /// At the last look.
    length: u64,
    /// Since when it has not been a file that is written to by name.
    left: Option<Instant>,
    is_done: bool,
}

impl Follow {
    pub(crate) fn new(primary: &Path, selection: Selection) -> Self {
        Follow {
            primary: primary.into(),
            pool: Pool::default(),
            selection,
            files: Vec::new(),
            seen: HashSet::new(),
            unreadable: HashSet::new(),
            listed: None,
        }
    }

    /// Whether the log has had any file yet.
    pub(crate) fn found_any(&self) -> bool {
        !self.files.is_empty() || !self.seen.is_empty() || !self.unreadable.is_empty()
    }

    /// All that is there and has not been given out yet, if this is the end; if not, what may not be
    /// whole yet waits for the next time.
    pub(crate) fn poll(&mut self, is_end: bool) -> Merge {
        let mut failures = Vec::new();
        let is_first = self.listed.is_none();
        let is_due = |(at, took): (Instant, Duration)| at.elapsed() >= took * LISTING;
        let mut inputs = Vec::new();
        if self.listed.map_or(true, is_due) {
            let began = Instant::now();
            if let Err(error) = self.list(is_first, &mut inputs, &mut failures) {
                let primary = Arc::clone(&self.primary);
                self.complain(&primary, &error, &mut failures);
            }
            self.listed = Some((Instant::now(), began.elapsed()));
        }
        let mut parts = Vec::new();
        for file in &mut self.files {
            match file.grown(is_end, is_first) {
                Ok(part) if part.is_empty() => {}
                Ok(part) => parts.push((Arc::clone(&file.path), Arc::clone(&file.file), part)),
                // Cut off just now.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
                Err(error) => failures.push(named(&file.path, &error)),
            }
        }
        self.files.retain(|file| !file.is_done);
        if is_first {
            self.select(&mut inputs, &mut parts);
        }
        for (path, file, part) in parts {
            match Input::part(Arc::clone(&path), file, part) {
                Ok(input) => inputs.push(input),
                Err(error) => failures.push(named(&path, &error)),
            }
        }
        let mut merge = Merge::of(inputs);
        merge.failures.extend(failures);
        merge
    }

    fn complain(&mut self, path: &Path, error: &io::Error, failures: &mut Vec<io::Error>) {
        if error.kind() != ErrorKind::NotFound && self.unreadable.insert(path.to_owned()) {
            failures.push(named(path, error));
        }
    }

    /// Takes in new files; those that are complete go into `inputs` as they are.
    fn list(
        &mut self,
        is_first: bool,
        inputs: &mut Vec<Input>,
        failures: &mut Vec<io::Error>,
    ) -> io::Result<()> {
        let members = Members::with_target(&self.primary)?;
        let mut current = HashSet::new();
        let variants = members.variants.into_iter().map(|(_, path)| path);
        for path in members.primary.into_iter().chain(variants) {
            match self.take(&path) {
                Ok(file) => {
                    file.left = None;
                    current.insert(file.identity);
                    self.unreadable.remove(&path);
                }
                Err(error) => self.complain(&path, &error, failures),
            }
        }
        for file in self
            .files
            .iter_mut()
            .filter(|file| !current.contains(&file.identity))
        {
            file.left.get_or_insert_with(Instant::now);
        }
        for archive in members.archives {
            let path = archive.path.clone();
            let plain = match archive.is_compressed() {
                true => path.with_extension(""),
                false => path.clone(),
            };
            if !self.seen.insert(plain) {
                continue;
            }
            let is_complete = archive.is_compressed() || is_first && !has_just_changed(&path);
            if !is_complete {
                match self.take(&path) {
                    Ok(file) => {
                        file.path = path.into();
                        file.left.get_or_insert_with(Instant::now);
                    }
                    Err(error) => self.complain(&path, &error, failures),
                }
            } else if is_first || !self.has_been_followed(&path) {
                let primary = Arc::clone(&self.primary);
                inputs.push(Input::archive(self.pool.clone(), primary, archive));
            }
        }
        Ok(())
    }

    /// Follows the file at the path, from its start if it is not followed already.
    fn take(&mut self, path: &Path) -> io::Result<&mut Followed> {
        let file = File::open(path)?;
        let identity = sys::identity(&file)?;
        let found = self.files.iter().position(|file| file.identity == identity);
        let index = found.unwrap_or_else(|| {
            self.files.push(Followed {
                path: path.into(),
                file: Arc::new(file),
                identity,
                offset: 0,
                length: 0,
                left: None,
                is_done: false,
            });
            self.files.len() - 1
        });
        Ok(&mut self.files[index])
    }

    /// Whether a compressed archive is one of a file that is followed: it has kept its time.
    fn has_been_followed(&self, compressed: &Path) -> bool {
        let Ok(time) = compressed.metadata().and_then(|found| found.modified()) else {
            return false;
        };
        let is_it = |file: &Followed| {
            let modified = file.file.metadata().and_then(|found| found.modified());
            modified.is_ok_and(|modified| modified == time)
        };
        let mut left = self.files.iter().filter(|file| file.left.is_some());
        left.any(is_it)
    }

    /// Leaves out what nobody wants to see.
    fn select(&self, archives: &mut Vec<Input>, parts: &mut [Part]) {
        let Selection { last, since } = self.selection;
        // Of the last records of each file.
        let mut times = Vec::new();
        if let Some(n) = last {
            for (_, file, part) in parts.iter_mut() {
                part.start = last_records(file, part.clone(), n, &mut times);
            }
        }
        let mut kept = Vec::new();
        for archive in mem::take(archives).into_iter().rev() {
            let modified = archive.path().metadata().and_then(|found| found.modified());
            let is_before = |time: Timestamp| {
                let time = time.to_system_time();
                matches!((&modified, time), (Ok(end), Some(time)) if *end + MARGIN < time)
            };
            let earliest = last.and_then(|n| {
                times.sort_unstable_by(|a, b| b.cmp(a));
                times.get(n.checked_sub(1)?).copied()
            });
            if since.is_some_and(is_before) || earliest.is_some_and(is_before) {
                continue;
            }
            let opened = File::open(archive.path());
            kept.push(match (last, opened) {
                (Some(n), Ok(file)) if !archive.is_compressed() => {
                    let end = file.metadata().map_or(0, |found| found.len());
                    archive.starting_at(last_records(&file, 0..end, n, &mut times))
                }
                _ => archive,
            });
        }
        kept.reverse();
        *archives = kept;
    }
}

type Part = (Arc<Path>, Arc<File>, Range<u64>);

impl Followed {
    /// The part of it that is to be given out.
    fn grown(&mut self, is_end: bool, is_first: bool) -> io::Result<Range<u64>> {
        let length = self.file.metadata()?.len();
        if length < self.offset {
            // Cut off, and written again.
            self.offset = 0;
        }
        let is_quiet = mem::replace(&mut self.length, length) == length;
        self.is_done = self.left.is_some_and(|left| left.elapsed() >= GRACE);
        let end = match is_end || self.is_done {
            true => length,
            false => whole_records(&self.file, self.offset..length, is_quiet || is_first)?,
        };
        Ok(mem::replace(&mut self.offset, end)..end)
    }
}

/// Whether the file was changed or renamed so lately that somebody may still write to it.
fn has_just_changed(path: &Path) -> bool {
    let changed = path.metadata().and_then(|found| sys::last_change(&found));
    let age = changed.map(|changed| SystemTime::now().duration_since(changed));
    age.is_ok_and(|age| age.map_or(true, |age| age < GRACE))
}

/// Where the last `n` records of a part begin; their times are added to `times`.
fn last_records(file: &File, part: Range<u64>, n: usize, times: &mut Vec<Timestamp>) -> u64 {
    if n == 0 {
        return part.end;
    }
    let mut found = 0;
    let start = part.start;
    for line in Backwards::new(file, part) {
        let Ok(line) = line else { break };
        times.extend(line.time);
        found += usize::from(line.time.is_some());
        if found == n {
            return line.offset;
        }
    }
    start
}

/// Where the whole records of a part end. The last one may go on with another line as long as the
/// file grows.
fn whole_records(file: &File, part: Range<u64>, is_quiet: bool) -> io::Result<u64> {
    let mut end = part.end;
    for line in Backwards::new(file, part) {
        let line = line?;
        if !line.is_whole {
            end = line.offset;
        } else if is_quiet || end - line.offset > MOST_HELD {
            break;
        } else if line.time.is_some() {
            return Ok(line.offset);
        }
    }
    Ok(end)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
