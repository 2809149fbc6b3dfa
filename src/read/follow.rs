//! What comes into a log, from all its files, as it comes.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::mem;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::builder::MergeBuilder;
use super::log_file::LogFile;
use super::merge::Merge;
use super::named;
use super::pool::Pool;
use super::reverse_lines::{ReverseLines, LONGEST_LINE};
use super::timestamp::Zone;
use crate::family::{FileKind, Listing};
use crate::sys::{self, Identity};

/// A file that has another name or none is read on for that long: who had opened it before may
/// still write.
const GRACE: Duration = Duration::from_secs(5);

/// Listing the directory takes this part of the time at the most.
const LISTING: u32 = 20;

/// A record goes on for no longer than that, where its file never stops growing.
const MOST_HELD: u64 = 1024 * 1024;

/// So many files that have gone are remembered, in case that they come back.
const REMEMBERED: usize = 100;

/// Reads a log, and then again and again what has come into it since, through switches, rotation,
/// compression and removal: each byte once. Made by [`MergeBuilder::follow`].
///
/// # Examples
///
/// ```
/// use tracing_fallback_file::Merge;
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let log = dir.path().join("app.log");
/// # std::fs::write(&log, "2026-11-23T07:55:01Z INFO one\n2026-11-23T07:55:03Z INFO two\n")?;
/// let mut follow = Merge::builder().last(10).follow(&log);
/// # let mut polls = 0;
/// loop {
///     for record in follow.poll() {
///         print!("{}", String::from_utf8_lossy(record?.bytes()));
///     }
///     std::thread::sleep(std::time::Duration::from_millis(100));
/// #   polls += 1;
/// #   if polls == 2 { break; }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Follow {
    primary: Arc<Path>,
    pool: Pool,
    builder: MergeBuilder,
    files: Vec<Followed>,
    /// Those that are not followed any more, and how far they had been.
    gone: VecDeque<(Identity, u64)>,
    /// The archives that have been taken in, without `.gz`.
    seen: HashSet<PathBuf>,
    /// Files that can't be opened, which has been said.
    unreadable: HashSet<PathBuf>,
    /// When the directory was listed last, and how long that took.
    listed: Option<(Instant, Duration)>,
}

/// A file that may grow.
#[derive(Debug)]
struct Followed {
    path: Arc<Path>,
    rank: FileKind,
    file: Arc<File>,
    identity: Identity,
    /// Up to there it has been given out.
    offset: u64,
    /// At the last look; since when; and whether there was nothing that was whole.
    length: u64,
    grew: Instant,
    is_stuck: bool,
    /// Since when it has not been a file that is written to by name.
    left: Option<Instant>,
    is_done: bool,
}

impl Follow {
    pub(crate) fn new(primary: &Path, builder: MergeBuilder) -> Self {
        Follow {
            primary: primary.into(),
            pool: Pool::default(),
            builder,
            files: Vec::new(),
            gone: VecDeque::new(),
            seen: HashSet::new(),
            unreadable: HashSet::new(),
            listed: None,
        }
    }

    /// Returns true if the log has had a file yet.
    pub fn found_any(&self) -> bool {
        !self.files.is_empty() || !self.seen.is_empty() || !self.unreadable.is_empty()
    }

    /// What there is and has not been given out yet. A record that may go on waits for the next call,
    /// as long as its file grows.
    pub fn poll(&mut self) -> Merge {
        let mut failures = Vec::new();
        let is_first = self.listed.is_none();
        let is_due = |(at, took): (Instant, Duration)| at.elapsed() >= took * LISTING;
        let mut inputs = Vec::new();
        if self.listed.is_none_or(is_due) {
            let began = Instant::now();
            if let Err(error) = self.list(is_first, &mut inputs, &mut failures) {
                let primary = Arc::clone(&self.primary);
                self.complain(&primary, &error, &mut failures);
            }
            let now = Instant::now();
            self.listed = Some((now, now - began));
            // Only then has each name that it may have now been seen.
            for file in &mut self.files {
                let is_over = |since: Instant| now.duration_since(since) >= GRACE;
                file.is_done = file.left.is_some_and(is_over) && is_over(file.grew);
            }
        }
        for file in &mut self.files {
            let grown = file.grown(is_first, self.builder.zone()).and_then(|part| {
                let start = part.start;
                match part.is_empty() {
                    true => Ok(None),
                    // What can't be read now may be later.
                    false => file
                        .input(part, self.builder.zone())
                        .map(Some)
                        .inspect_err(|_| file.offset = start),
                }
            });
            match grown {
                Ok(input) => inputs.extend(input),
                // Cut off just now.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
                Err(error) => failures.push(named(&file.path, &error)),
            }
        }
        self.leave_done();
        inputs.sort_by(|a, b| a.rank().cmp(b.rank()));
        let mut merge = self.builder.merge(inputs);
        if is_first {
            self.builder = self.builder.later();
        }
        merge.add_failures(failures);
        merge
    }

    /// Follows those no longer that nobody can be about to write to.
    fn leave_done(&mut self) {
        let files = mem::take(&mut self.files).into_iter();
        let (done, files): (Vec<_>, Vec<_>) = files.partition(|file| file.is_done);
        self.files = files;
        // Without the time when it was made, another file may be taken for it.
        let remembered = done
            .iter()
            .filter(|file| cfg!(windows) || file.identity.2.is_some());
        self.gone
            .extend(remembered.map(|file| (file.identity, file.offset)));
        let too_many = self.gone.len().saturating_sub(REMEMBERED);
        self.gone.drain(..too_many);
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
        inputs: &mut Vec<LogFile>,
        failures: &mut Vec<io::Error>,
    ) -> io::Result<()> {
        let members = Listing::with_target(&self.primary)?;
        let mut current = HashSet::new();
        for (number, path) in members.current() {
            match self.take(path, FileKind::Current(number)) {
                Ok(file) => {
                    file.left = None;
                    current.insert(file.identity);
                    self.unreadable.remove(path);
                }
                Err(error) => self.complain(path, &error, failures),
            }
        }
        for file in &mut self.files {
            if !current.contains(&file.identity) {
                file.left.get_or_insert_with(Instant::now);
            }
        }
        for archive in members.archives {
            let (path, rank) = (archive.path.clone(), archive.kind());
            let plain = match rank.is_compressed() {
                true => path.with_extension(""),
                false => path.clone(),
            };
            if self.seen.contains(&plain) {
                continue;
            }
            let is_complete = rank.is_compressed() || is_first && !has_just_changed(&path);
            if !is_complete {
                match self.take(&path, rank.clone()) {
                    Ok(file) => {
                        file.left.get_or_insert_with(Instant::now);
                        self.seen.insert(plain);
                        continue;
                    }
                    // Without a descriptor for itself it can be read as well.
                    Err(error) if sys::too_many_open(&error) => {}
                    // Compressed or removed meanwhile.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => {
                        self.complain(&path, &error, failures);
                        continue;
                    }
                }
            }
            self.seen.insert(plain);
            if is_first || !rank.is_compressed() || !self.has_been_followed(&path) {
                let (pool, primary) = (self.pool.clone(), Arc::clone(&self.primary));
                inputs.push(LogFile::new(pool, primary, path, rank));
            }
        }
        Ok(())
    }

    /// Follows the file at the path, from its start if nothing of it has been given out.
    fn take(&mut self, path: &Path, rank: FileKind) -> io::Result<&mut Followed> {
        let file = File::open(path)?;
        let identity = sys::identity(&file)?;
        let found = self.files.iter().position(|file| file.identity == identity);
        let index = match found {
            Some(index) => index,
            None => {
                let back = self.gone.iter().position(|(gone, _)| *gone == identity);
                let back = back.and_then(|index| self.gone.remove(index));
                self.files.push(Followed {
                    path: path.into(),
                    rank: rank.clone(),
                    file: Arc::new(file),
                    identity,
                    offset: back.map_or(0, |(_, offset)| offset),
                    length: 0,
                    grew: Instant::now(),
                    is_stuck: false,
                    left: None,
                    is_done: false,
                });
                self.files.len() - 1
            }
        };
        let file = &mut self.files[index];
        if file.rank != rank {
            file.path = path.into();
            file.rank = rank;
        }
        Ok(file)
    }

    /// Whether a compressed archive is one of a file that is followed: it has kept its time, and
    /// says how long it was.
    fn has_been_followed(&self, compressed: &Path) -> bool {
        let Ok((time, length)) = original(compressed) else {
            return false;
        };
        let is_it = |file: &Followed| {
            let metadata = file.file.metadata();
            let same = |metadata: Metadata| {
                metadata.modified().is_ok_and(|modified| modified == time)
                    && metadata.len() as u32 == length
            };
            metadata.is_ok_and(same)
        };
        self.files
            .iter()
            .any(|file| file.left.is_some() && is_it(file))
    }
}

/// The time of a compressed archive, and the last four bytes of it: its length without compression,
/// as far as that fits into 32 bits.
fn original(compressed: &Path) -> io::Result<(SystemTime, u32)> {
    let mut file = File::open(compressed)?;
    let mut length = [0; 4];
    file.seek(SeekFrom::End(-4))?;
    file.read_exact(&mut length)?;
    Ok((file.metadata()?.modified()?, u32::from_le_bytes(length)))
}

impl Followed {
    /// The part of it that is to be given out.
    fn grown(&mut self, is_first: bool, zone: &Zone) -> io::Result<Range<u64>> {
        let length = self.file.metadata()?.len();
        if length < self.offset {
            // Cut off, and written again.
            self.offset = 0;
        }
        let is_quiet = mem::replace(&mut self.length, length) == length;
        if !is_quiet {
            self.grew = Instant::now();
        }
        let end = if self.is_done {
            length
        } else if is_quiet && self.is_stuck {
            self.offset
        } else {
            whole_records(&self.file, self.offset..length, is_quiet || is_first, zone)?
        };
        self.is_stuck = is_quiet && end == self.offset;
        Ok(mem::replace(&mut self.offset, end)..end)
    }

    fn input(&self, part: Range<u64>, zone: &Zone) -> io::Result<LogFile> {
        // A line without a time goes on with what has been given out.
        let mut before = None;
        let held = part.start.saturating_sub(MOST_HELD)..part.start;
        for line in ReverseLines::new(&self.file, held, zone) {
            before = before.or(line?.time);
            if before.is_some() {
                break;
            }
        }
        let (path, file) = (Arc::clone(&self.path), Arc::clone(&self.file));
        Ok(LogFile::part(path, self.rank.clone(), file, part, before))
    }
}

/// Whether the file was changed or renamed so lately that somebody may still write to it.
fn has_just_changed(path: &Path) -> bool {
    let changed = path.metadata().and_then(|found| sys::last_change(&found));
    let age = changed.map(|changed| SystemTime::now().duration_since(changed));
    age.is_ok_and(|age| age.map_or(true, |age| age < GRACE))
}

/// Where the whole records of a part end. The last one may go on with another line as long as the
/// file grows.
fn whole_records(file: &File, part: Range<u64>, is_quiet: bool, zone: &Zone) -> io::Result<u64> {
    let mut end = part.end;
    let all = part.end;
    for line in ReverseLines::new(file, part, zone) {
        let line = line?;
        if all - line.offset > LONGEST_LINE as u64 && !line.is_whole {
            // It is given out in pieces.
            return Ok(all);
        } else if !line.is_whole {
            end = line.offset;
        } else if is_quiet || end - line.offset > MOST_HELD {
            break;
        } else if line.time.is_some() {
            return Ok(line.offset);
        }
    }
    Ok(end)
}
