//! Follows a log: returns the records of all its files as they are written.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::builder::MergeBuilder;
use super::cursor::Cursor;
use super::followed::{has_just_changed, Followed, GRACE};
use super::log_file::LogFile;
use super::merge::Merge;
use super::named;
use super::original::Original;
use super::pool::Pool;
use crate::family::{Archive, FileKind, Listing};
use crate::names;
use crate::sys::{self, Identity};

/// The directory is listed again after this many times the duration of the last listing, so that
/// listing takes at most a twentieth of the time.
const LISTING: u32 = 20;

/// Maximum number of files that are gone whose positions are remembered, in case they come back.
const REMEMBERED: usize = 100;

/// Reads a log, and with each poll what has been written since the last one, through switches,
/// rotation, compression and removal: each byte once. Made by [`MergeBuilder::follow`].
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
    /// The files that are no longer followed, and how far they had been read.
    gone: VecDeque<(Identity, u64)>,
    /// The archives that have been taken in, without `.gz`.
    seen: HashSet<PathBuf>,
    /// Files that can't be opened, which has been reported.
    unreadable: HashSet<PathBuf>,
    /// Where the reading ended before, as far as the files have not been found again.
    resume: Option<Cursor>,
    /// When the directory was listed last, and how long that took.
    listed: Option<(Instant, Duration)>,
}

impl MergeBuilder {
    /// Follows the log at `primary`. The first poll returns the records that all options select;
    /// later polls apply the filter and [`since`](Self::since) only.
    pub fn follow(&self, primary: impl AsRef<Path>) -> Follow {
        Follow {
            primary: primary.as_ref().into(),
            pool: Pool::default(),
            builder: self.clone(),
            files: Vec::new(),
            gone: VecDeque::new(),
            seen: HashSet::new(),
            unreadable: HashSet::new(),
            resume: None,
            listed: None,
        }
    }
}

impl Follow {
    /// Goes on where another reading of the log has ended, also if files have been rotated or
    /// compressed since. A file is recognised by its content as well as by its number, so a file
    /// that has replaced another is read from its start. Call it before the first poll.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if the cursor is of a log of another name.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::Merge;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let log = dir.path().join("app.log");
    /// std::fs::write(&log, "2026-11-23T07:55:01Z INFO one\n")?;
    /// let mut follow = Merge::builder().follow(&log);
    /// assert_eq!(follow.poll().count(), 1);
    /// let kept = follow.cursor()?.to_string();
    ///
    /// let mut later = Merge::builder().follow(&log).resume(kept.parse()?)?;
    /// assert_eq!(later.poll().count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(mut self, cursor: Cursor) -> io::Result<Self> {
        if !cursor.is_of(&self.primary) {
            let cause = "the cursor is of another log";
            return Err(io::Error::new(ErrorKind::InvalidInput, cause));
        }
        self.resume = Some(cursor);
        Ok(self)
    }

    /// Returns where the next poll goes on: after the records of all polls so far and those that
    /// the options have left out. A record that its writer has not completed yet comes after it.
    ///
    /// # Errors
    ///
    /// A file can't be read.
    pub fn cursor(&self) -> io::Result<Cursor> {
        let mut cursor = Cursor::new(&self.primary);
        if let Some(resume) = &self.resume {
            cursor.keep(resume);
        }
        for file in &self.files {
            let added = cursor.add(&file.file, file.identity, file.offset);
            added.map_err(|error| named(&file.path, &error))?;
        }
        let is_read = |plain: &&PathBuf| !self.files.iter().any(|file| *file.path == ***plain);
        for plain in self.seen.iter().filter(is_read) {
            // Checked in this order, as the compressed file is made before the plain one is
            // removed.
            if plain.exists() || names::compressed(plain).exists() {
                cursor.add_archive(plain);
            }
        }
        Ok(cursor)
    }

    fn resumed(&mut self, file: &File, identity: Identity) -> io::Result<u64> {
        match &mut self.resume {
            Some(cursor) => Ok(cursor.take(file, identity)?.unwrap_or(0)),
            None => Ok(0),
        }
    }

    /// Returns true if the log has had a file yet.
    pub fn found_any(&self) -> bool {
        !self.files.is_empty() || !self.seen.is_empty() || !self.unreadable.is_empty()
    }

    /// Returns the records that no poll has returned yet. A record that may not be complete waits
    /// for the next call, as long as its file grows.
    pub fn poll(&mut self) -> Merge {
        let mut failures = Vec::new();
        let is_first = self.listed.is_none();
        let is_due = |(at, took): (Instant, Duration)| at.elapsed() >= took * LISTING;
        let mut inputs = Vec::new();
        if self.listed.is_none_or(is_due) {
            let began = Instant::now();
            let mut listed = self.list(is_first, &mut inputs, &mut failures);
            if is_first && listed.is_ok() {
                // A file that was rotated between the list and its open is in a second list.
                listed = self.list(is_first, &mut inputs, &mut failures);
            }
            if let Err(error) = listed {
                let primary = Arc::clone(&self.primary);
                self.complain(&primary, &error, &mut failures);
            }
            let now = Instant::now();
            self.listed = Some((now, now - began));
            // Only after the listing is it known that a file has no other name.
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
                    // What can't be read now may be readable at the next poll.
                    false => file
                        .input(part, self.builder.zone())
                        .map(Some)
                        .inspect_err(|_| file.offset = start),
                }
            });
            match grown {
                Ok(input) => inputs.extend(input),
                // The file has been cut off since its length was read.
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

    /// Stops following the files that no process can be about to write to.
    fn leave_done(&mut self) {
        let files = mem::take(&mut self.files).into_iter();
        let (done, files): (Vec<_>, Vec<_>) = files.partition(|file| file.is_done);
        self.files = files;
        // Without a time of creation in the identity, another file could be taken for it.
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
        // Those that are not compressed are known by their numbers, the others by what is left.
        let mut archives = members.archives;
        archives.sort_by_key(Archive::is_compressed);
        for archive in archives {
            self.list_archive(&archive, is_first, inputs, failures);
        }
        Ok(())
    }

    fn list_archive(
        &mut self,
        archive: &Archive,
        is_first: bool,
        inputs: &mut Vec<LogFile>,
        failures: &mut Vec<io::Error>,
    ) {
        let (path, rank) = (&archive.path, archive.kind());
        let plain = archive.plain();
        let resume = self.resume.as_ref();
        if self.seen.contains(&plain) {
            return;
        }
        if resume.is_some_and(|cursor| cursor.has_archive(&plain)) {
            self.seen.insert(plain);
            return;
        }
        let input = if rank.is_compressed() {
            match self.has_been_followed(path, rank.clone()) {
                true => None,
                false => Some(self.compressed(path, rank)),
            }
        } else if is_first && !has_just_changed(path) && !self.is_followed(path) {
            match self.complete(path, rank) {
                Ok(input) => input,
                // Compressed or removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => return,
                Err(error) => return self.complain(path, &error, failures),
            }
        } else {
            match self.take(path, rank.clone()) {
                Ok(file) => {
                    file.left.get_or_insert_with(Instant::now);
                    None
                }
                // Without a descriptor of its own it is read through the pool.
                Err(error) if sys::too_many_open(&error) => Some(self.log_file(path, rank)),
                Err(error) if error.kind() == ErrorKind::NotFound => return,
                Err(error) => return self.complain(path, &error, failures),
            }
        };
        inputs.extend(input);
        self.seen.insert(plain);
    }

    fn log_file(&self, path: &Path, rank: FileKind) -> LogFile {
        let (pool, primary) = (self.pool.clone(), Arc::clone(&self.primary));
        LogFile::new(pool, primary, path.to_owned(), rank)
    }

    /// An archive that nobody writes to any more, from where the reading ended before. `None` if
    /// that was at its end.
    fn complete(&mut self, path: &Path, rank: FileKind) -> io::Result<Option<LogFile>> {
        if self.resume.is_some() {
            let file = File::open(path)?;
            let identity = sys::identity(&file)?;
            let length = file.metadata()?.len();
            let offset = self.resumed(&file, identity)?;
            if offset > 0 {
                let followed = Followed::new(path, rank, file, identity, offset);
                let input = followed.input(offset..length, self.builder.zone())?;
                return Ok(Some(input).filter(|_| offset < length));
            }
        }
        Ok(Some(self.log_file(path, rank)))
    }

    /// The same for a compressed archive.
    fn compressed(&mut self, path: &Path, rank: FileKind) -> LogFile {
        let mut file = self.log_file(path, rank);
        if let Some(cursor) = &mut self.resume {
            // An error of the read is reported when the file is read again.
            match cursor.take_compressed(&mut file) {
                Ok(Some((offset, before))) => file.resume(offset, &before, self.builder.zone()),
                Ok(None) | Err(_) => file.rewind(),
            }
        }
        file
    }

    fn is_followed(&self, path: &Path) -> bool {
        let identity = File::open(path).and_then(|file| sys::identity(&file));
        identity.is_ok_and(|identity| self.files.iter().any(|file| file.identity == identity))
    }

    /// Follows the file at the path, from its start if nothing of it has been returned.
    fn take(&mut self, path: &Path, rank: FileKind) -> io::Result<&mut Followed> {
        let file = File::open(path)?;
        let identity = sys::identity(&file)?;
        let found = self.files.iter().position(|file| file.identity == identity);
        let index = match found {
            Some(index) => index,
            None => {
                let back = self.gone.iter().position(|(gone, _)| *gone == identity);
                let back = back.and_then(|index| self.gone.remove(index));
                let offset = match back {
                    Some((_, offset)) => offset,
                    None => self.resumed(&file, identity)?,
                };
                let followed = Followed::new(path, rank.clone(), file, identity, offset);
                self.files.push(followed);
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

    /// Returns true if a compressed archive is one of a file that is followed.
    fn has_been_followed(&self, compressed: &Path, rank: FileKind) -> bool {
        let left = self.files.iter().filter(|file| file.left.is_some());
        let mut left = left.peekable();
        left.peek().is_some() && {
            let content = self.log_file(compressed, rank);
            Original::of(compressed, content)
                .is_ok_and(|original| left.any(|file| file.is_original(&original)))
        }
    }
}
