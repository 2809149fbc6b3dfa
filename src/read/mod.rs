//! A log read back: the records of all its files, as one stream by time.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind};
use std::iter::FusedIterator;
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::family::{FileKind, Listing};
use log_file::LogFile;
use pool::Pool;
use record_reader::RecordReader;

#[cfg(feature = "cli")]
pub(crate) use follow::Follow;
#[cfg(feature = "cli")]
pub(crate) use select::Selection;
pub(crate) use timestamp::Timestamp;

#[cfg(feature = "cli")]
mod follow;
mod log_file;
mod pool;
mod record_reader;
#[cfg(feature = "cli")]
mod reverse_lines;
#[cfg(feature = "cli")]
mod select;
mod timestamp;

/// What all files that are read at once may take of memory for their buffers, in bytes.
const BUFFERS: usize = 16 * 1024 * 1024;
const SMALLEST: usize = 16 * 1024;
const LARGEST: usize = 256 * 1024;

/// The records of a log, from all its files, as one stream by time.
///
/// The primary, its variants and its archives (compressed ones with the feature `gzip`) are merged
/// as they are: the records of each file stay in its order, and of those that come next in their
/// files, the one with the earliest time is given out. So the stream is in order of time as far as
/// each file is. Of equal times the order is that of the files: archives from the oldest on, the
/// primary, the variants by number; it is the same each time.
///
/// # What is a record
///
/// A line that begins with a time, and all lines without one after it: pretty records, back traces,
/// whatever somebody else wrote into the file. Beyond 1 MiB of such lines each is given out by
/// itself, with the same time. Lines before the first time in a file are records without a time,
/// and come right before that one if it ends in the first 8 KiB of the file, else before all.
///
/// A time is RFC 3339, with any offset: at the start of the line, also behind colours, two spaces or
/// a bracket; or, of a JSON record, the value of `timestamp`, `time`, `ts` or `@timestamp`, which
/// may also be a number of seconds, milliseconds, microseconds or nanoseconds since 1970.
///
/// # What happens meanwhile
///
/// What was in the files when this was opened is read, each byte once, whatever it is: a last line
/// without a newline, and bytes that are no UTF-8, too. A file that is rotated or compressed in the
/// meantime is found again. (One case excepted: with more than 100 files, one that had to be closed,
/// is rotated and compressed before its turn comes.) One that is removed before anything was seen of
/// it is left out; one that is removed, or can't be read, later than that is an error, and the
/// others go on. One that is cut off ends there; one that is cut off and written again is read on
/// in the middle of what is new.
///
/// It takes memory for a buffer for each file that is read at once, 16 MiB together unless those are
/// more than 1,000, and for the longest record of each of them; and keeps 100 files open at the
/// most, less if the system does not allow as many.
///
/// # Examples
///
/// ```
/// use tracing_fallback_file::Merge;
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let log = dir.path().join("app.log");
/// std::fs::write(&log, "2026-11-23T07:55:01Z INFO one\n2026-11-23T07:55:03Z INFO three\n")?;
/// std::fs::write(dir.path().join("app.001.log"), "2026-11-23T07:55:02Z INFO two\n")?;
/// let mut text = Vec::new();
/// for record in Merge::open(&log)? {
///     text.extend_from_slice(record?.bytes());
/// }
/// assert_eq!(
///     String::from_utf8_lossy(&text),
///     "2026-11-23T07:55:01Z INFO one\n\
///      2026-11-23T07:55:02Z INFO two\n\
///      2026-11-23T07:55:03Z INFO three\n"
/// );
/// # Ok(())
/// # }
/// ```
pub struct Merge {
    files: Vec<Slot>,
    /// The files that have a record, by what that is sorted by, and by their number.
    next: BinaryHeap<Reverse<(Option<Timestamp>, usize)>>,
    /// The file whose record was given out last, and is not off its buffer yet.
    given: Option<usize>,
    failures: VecDeque<io::Error>,
    /// How many bytes of a file are read at once.
    step: usize,
}

#[derive(Debug)]
enum Slot {
    /// It is not its turn yet.
    Waiting(Box<LogFile>),
    Open(Box<RecordReader>),
    Done,
}

/// A record of a log, read back by [`Merge`].
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    bytes: Vec<u8>,
    path: Arc<Path>,
    timestamp: Option<SystemTime>,
}

impl Record {
    /// The record as it is in the file, with its newline.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file that it is in, by the name that it had when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The time that it says it was written at, if it does and the system can tell such a time.
    pub fn timestamp(&self) -> Option<SystemTime> {
        self.timestamp
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("bytes", &String::from_utf8_lossy(&self.bytes))
            .field("path", &self.path)
            .field("timestamp", &self.timestamp)
            .finish()
    }
}

/// A record that is still in a buffer.
pub(crate) struct RecordRef<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) path: &'a Arc<Path>,
    pub(crate) timestamp: Option<Timestamp>,
}

impl Merge {
    /// The records of the log at `primary`.
    ///
    /// # Errors
    ///
    /// Those of [`Family::of`](crate::Family::of), and [`NotFound`](ErrorKind::NotFound) if the log
    /// has no files. A file that can't be read is no error here, but one of the stream.
    pub fn open(primary: impl AsRef<Path>) -> io::Result<Merge> {
        Ok(Merge::of(find(primary.as_ref())?))
    }

    /// The records of each file for itself.
    #[cfg(feature = "cli")]
    pub(crate) fn of_each(primary: &Path) -> io::Result<Vec<(Arc<Path>, Merge)>> {
        let files = find(primary)?.into_iter();
        let merges = files.map(|input| (Arc::clone(input.path()), Merge::of(vec![input])));
        Ok(merges.collect())
    }

    /// Those that are wanted, and maybe more.
    #[cfg(feature = "cli")]
    pub(crate) fn select(primary: &Path, selection: &Selection) -> io::Result<Merge> {
        Ok(Merge::of(selection.apply(find(primary)?)))
    }

    /// The inputs are in the order in which records of one time are read.
    fn of(inputs: Vec<LogFile>) -> Merge {
        let mut merge = Merge {
            step: (BUFFERS / inputs.len().max(1)).clamp(SMALLEST, LARGEST),
            files: Vec::with_capacity(inputs.len()),
            next: BinaryHeap::with_capacity(inputs.len()),
            given: None,
            failures: VecDeque::new(),
        };
        for (n, input) in inputs.into_iter().enumerate() {
            let mut source = RecordReader::new(input, SMALLEST);
            merge.hear(&mut source);
            if let Some(key) = source.key() {
                merge.next.push(Reverse((key, n)));
            }
            // Many files may wait for long, without a buffer each.
            merge
                .files
                .push(Slot::Waiting(Box::new(source.into_input().rewound())));
        }
        merge
    }

    /// Takes note of what went wrong with a file.
    fn hear(&mut self, source: &mut RecordReader) {
        if let Some(error) = source.take_failure() {
            let path = source.input().path();
            // Who removes a file before anything of it was read wanted that.
            if error.kind() != ErrorKind::NotFound || source.input().was_there() {
                self.failures.push_back(named(path, &error));
            }
        }
    }

    /// Goes on to the next record.
    pub(crate) fn advance(&mut self) -> Option<io::Result<RecordRef<'_>>> {
        if let Some(n) = self.given.take() {
            self.update(n);
        }
        loop {
            if let Some(failure) = self.failures.pop_front() {
                return Some(Err(failure));
            }
            let Reverse((_, n)) = *self.next.peek()?;
            if let Slot::Open(_) = self.files[n] {
                self.given = Some(n);
                break;
            }
            self.update(n);
        }
        self.given().map(Ok)
    }

    /// The record that [`advance`](Self::advance) gave out.
    fn given(&self) -> Option<RecordRef<'_>> {
        let Slot::Open(source) = &self.files[self.given?] else {
            return None;
        };
        let (bytes, timestamp) = source.record();
        Some(RecordRef {
            bytes,
            path: source.input().path(),
            timestamp,
        })
    }

    /// Opens the file, which is the next one, or takes its next record; and puts it where it
    /// belongs then.
    fn update(&mut self, n: usize) {
        let mut source = match mem::replace(&mut self.files[n], Slot::Done) {
            Slot::Waiting(input) => Box::new(RecordReader::new(*input, self.step)),
            Slot::Open(mut source) => {
                source.advance();
                source
            }
            Slot::Done => return,
        };
        let key = source.key();
        if key.is_none() {
            self.hear(&mut source);
        }
        if let Some(mut top) = self.next.peek_mut() {
            match key {
                Some(key) => top.0 .0 = key,
                None => {
                    PeekMut::pop(top);
                    return;
                }
            }
        }
        self.files[n] = Slot::Open(source);
    }
}

impl Iterator for Merge {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let given = self.advance()?;
        Some(given.map(|given| Record {
            bytes: given.bytes.to_vec(),
            path: Arc::clone(given.path),
            timestamp: given.timestamp.and_then(Timestamp::to_system_time),
        }))
    }
}

impl FusedIterator for Merge {}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge")
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// The error, with the file that it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The files of a log, each once, in the order of records of the same time.
fn find(primary: &Path) -> io::Result<Vec<LogFile>> {
    let (pool, primary) = (Pool::default(), Arc::from(primary));
    let input = |path: &Path, rank| {
        let (pool, primary) = (pool.clone(), Arc::clone(&primary));
        LogFile::new(pool, primary, path.to_owned(), rank)
    };
    let before = Listing::with_target(&primary)?;
    let mut seen = HashSet::new();
    let mut current = Vec::new();
    for (number, path) in before.current() {
        let mut file = input(path, FileKind::Current(number));
        // If that fails it will again.
        let _ = file.open();
        // A hard link is no other file.
        if file
            .identity()
            .map_or(true, |identity| seen.insert(identity))
        {
            current.push(file);
        }
    }
    // What is rotated from here on is open, and what was before is in this list.
    let mut files = Vec::new();
    for archive in Listing::with_target(&primary)?.archives {
        let mut file = input(&archive.path, archive.kind());
        let is_new = !before.archives.contains(&archive);
        if is_new && file.open().is_ok() && file.identity().is_some() {
            current.retain(|other| other.identity() != file.identity());
        }
        files.push(file);
    }
    files.append(&mut current);
    match files.is_empty() {
        true => Err(io::Error::new(ErrorKind::NotFound, "there is no such log")),
        false => Ok(files),
    }
}
