//! The records of all files as one stream.

use std::cmp::Ordering;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind};
use std::iter::FusedIterator;
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::Level;

use super::builder::{Filter, MergeBuilder, Options};
use super::line::level_of;
use super::log_file::LogFile;
use super::named;
use super::record_reader::{RecordReader, Rules};
use super::stack::Stack;
use super::timestamp::{Timestamp, Zone};

/// What all files that are read at once may take of memory for their buffers, in bytes.
const BUFFERS: usize = 6 * 1024 * 1024;
const SMALLEST: usize = 16 * 1024;
const LARGEST: usize = 64 * 1024;

/// The records of a log, from all its files, as one stream by time.
///
/// The primary, its variants and its archives (compressed ones with the feature `gzip`) are merged
/// by time. A file that several processes or threads write has records that are earlier than the
/// one before them; these are put in order as well, if they are late by no more than
/// [`MergeBuilder::window`]. A record that is further than that from those next to it in its file
/// (a process that was stopped, a clock that was wrong) stays next to them. Of equal times the
/// order is that of the files: archives from the oldest on, the primary, the variants by number; it
/// is the same each time.
///
/// # What is a record
///
/// - A line that begins with a time, and all lines without one after it: pretty records, back
///   traces, whatever another program wrote into the file. Beyond 1 MiB of such lines each is given
///   out by itself, with the same time.
/// - A line that is a JSON object.
/// - The message of a panic (`thread 'main' panicked at …`) and the lines without a time after it.
/// - Any other line. It comes after the record before it in its file; those before the first time
///   of a file come right before that one if it is in the first 8 KiB of the file, else before all.
///
/// A line of more than 16 MiB is given out in pieces; of less, where several files have such lines.
///
/// A time is RFC 3339, or what chrono, `time` and jiff make of it (a space for the `T`, ` +01:00`,
/// ` UTC`, `[Europe/Berlin]`); RFC 2822; or seconds, milliseconds, microseconds or nanoseconds since
/// 1970. In text it is at the start of the line, also behind colours, two spaces or a bracket; a
/// JSON record's is the value of `timestamp`, `time`, `ts` or `@timestamp`. A time without a zone is
/// UTC, or what [`MergeBuilder::local_offset`] says.
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
/// It takes memory for a buffer for each file that is read at once, of 16 to 64 KiB and up to twice as
/// much while its records are put in order; 32 MiB for long records and for the window of all files
/// together; and keeps 100 files open at the most, less if the system does not allow as many.
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
    slots: Vec<Slot>,
    paths: Vec<Arc<Path>>,
    /// The files that have a record.
    next: BinaryHeap<Turn>,
    /// The file whose record was given out last, and is not off its buffer yet.
    given: Option<usize>,
    failures: VecDeque<io::Error>,
    without_times: Vec<Arc<Path>>,
    /// How many bytes of a file are read at once.
    step: usize,
    rules: Rules,
    options: Options,
    /// How many records may still be given out.
    left: Option<usize>,
    /// The last records, once they have been found.
    last: Option<Stack>,
    /// The record of that which was given out.
    popped: Vec<u8>,
}

#[derive(Debug)]
enum Slot {
    /// It is not its turn yet.
    Waiting(Box<LogFile>),
    Open(Box<RecordReader>),
    Done,
}

/// Which file has the next record.
#[derive(Debug, PartialEq, Eq)]
struct Turn {
    key: Option<Timestamp>,
    file: usize,
    backward: bool,
}

impl Ord for Turn {
    /// The greatest is the next.
    fn cmp(&self, other: &Self) -> Ordering {
        let order = (self.key, self.file).cmp(&(other.key, other.file));
        match self.backward {
            false => order.reverse(),
            true => order,
        }
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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

    /// The time that it says it was written at, if it does and the system can represent that.
    pub fn timestamp(&self) -> Option<SystemTime> {
        self.timestamp
    }

    /// The same without a copy.
    pub fn record_ref(&self) -> RecordRef<'_> {
        RecordRef {
            bytes: &self.bytes,
            path: &self.path,
            timestamp: self.timestamp.map(Timestamp::from),
        }
    }

    /// Its level, as [`RecordRef::level`].
    pub fn level(&self) -> Option<Level> {
        level_of(&self.bytes)
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

/// A record that is still in a buffer of [`Merge`]: see [`Merge::next_ref`].
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    bytes: &'a [u8],
    path: &'a Arc<Path>,
    timestamp: Option<Timestamp>,
}

impl<'a> RecordRef<'a> {
    /// The record as it is in the file, with its newline.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The file that it is in, by the name that it had when it was opened.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The time that it says it was written at, if it does and the system can represent that.
    pub fn timestamp(&self) -> Option<SystemTime> {
        self.timestamp?.to_system_time()
    }

    /// Its level: the `level`, `severity` or `lvl` of a JSON record, as a name or as bunyan and pino
    /// count, or the word behind the time. Names of other loggers are the nearest of tracing's:
    /// `fatal` is `ERROR`. The message of a panic is `ERROR`.
    pub fn level(&self) -> Option<Level> {
        level_of(self.bytes)
    }

    /// What follows the time of a record that is text.
    pub fn after_time(&self) -> Option<&'a [u8]> {
        let (_, rest) = Timestamp::of_text(self.bytes, &Zone::default())?;
        Some(rest)
    }

    /// A copy.
    pub fn to_record(&self) -> Record {
        Record {
            bytes: self.bytes.to_vec(),
            path: Arc::clone(self.path),
            timestamp: self.timestamp(),
        }
    }
}

impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_record().fmt(f)
    }
}

impl Merge {
    /// The records of the log at `primary`.
    ///
    /// # Errors
    ///
    /// Those of [`MergeBuilder::open`].
    pub fn open(primary: impl AsRef<Path>) -> io::Result<Merge> {
        Merge::builder().open(primary)
    }

    /// A part of the records, or in another way.
    pub fn builder() -> MergeBuilder {
        MergeBuilder::default()
    }

    /// The files are in the order in which records of one time are given out.
    pub(crate) fn of(files: Vec<LogFile>, rules: Rules, options: Options) -> Merge {
        let mut merge = Merge {
            step: (BUFFERS / files.len().max(1)).clamp(SMALLEST, LARGEST),
            slots: Vec::with_capacity(files.len()),
            paths: files.iter().map(|file| Arc::clone(file.path())).collect(),
            next: BinaryHeap::with_capacity(files.len()),
            given: None,
            failures: VecDeque::new(),
            without_times: Vec::new(),
            left: options.last,
            rules,
            options,
            last: None,
            popped: Vec::new(),
        };
        if merge.left == Some(0) {
            return merge;
        }
        for (n, file) in files.into_iter().enumerate() {
            let slot = merge.start(n, file);
            merge.slots.push(slot);
        }
        merge
    }

    /// Finds when the turn of a file comes.
    fn start(&mut self, n: usize, mut file: LogFile) -> Slot {
        let Rules { zone, window, .. } = &self.rules;
        match self.options.times.narrow(&mut file, zone, *window) {
            Ok(true) => {}
            Ok(false) => return Slot::Done,
            Err(error) => {
                self.note(&file, &error);
                return Slot::Done;
            }
        }
        let backward = self.rules.backward;
        let turn = |key| Turn {
            key,
            file: n,
            backward,
        };
        if backward && file.is_sequential() {
            if let Some(latest) = file.latest() {
                // It is copied when its turn comes, if it does.
                self.next.push(turn(Some(latest)));
                return Slot::Waiting(Box::new(file));
            }
        }
        let is_stream = file.is_stream();
        let step = if is_stream { self.step } else { SMALLEST };
        let mut reader = RecordReader::new(file, step, &self.rules);
        if reader.has_no_times() {
            self.without_times.push(Arc::clone(reader.file().path()));
        }
        self.note_failure(&mut reader);
        let Some(key) = reader.key() else {
            return Slot::Done;
        };
        self.next.push(turn(key));
        if is_stream {
            return Slot::Open(Box::new(reader));
        }
        // Many files may wait for long, without a buffer each.
        let mut file = reader.into_file();
        file.rewind();
        Slot::Waiting(Box::new(file))
    }

    pub(crate) fn add_failures(&mut self, failures: Vec<io::Error>) {
        self.failures.extend(failures);
    }

    fn note_failure(&mut self, reader: &mut RecordReader) {
        if let Some(error) = reader.take_failure() {
            self.note(reader.file(), &error);
        }
    }

    /// Takes note of what went wrong with a file.
    fn note(&mut self, file: &LogFile, error: &io::Error) {
        // Who removes a file before anything of it was read wanted that.
        if error.kind() != ErrorKind::NotFound || file.was_there() {
            self.failures.push_back(named(file.path(), error));
        }
    }

    /// The files that have no time that is known, as far as the first part of each has been looked
    /// at: their lines are records of their own, before all others.
    pub fn without_times(&self) -> impl Iterator<Item = &Path> {
        self.without_times.iter().map(|path| &**path)
    }

    /// The next record, without a copy. It is as [`next`](Iterator::next) otherwise.
    pub fn next_ref(&mut self) -> Option<io::Result<RecordRef<'_>>> {
        if self.options.last.is_some() && !self.options.newest_first {
            return self.next_of_last();
        }
        match self.advance()? {
            Ok(_) => self.given().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    /// The next one of the last records, which are found first.
    fn next_of_last(&mut self) -> Option<io::Result<RecordRef<'_>>> {
        if self.last.is_none() {
            let mut stack = Stack::default();
            let mut failures = VecDeque::new();
            while let Some(found) = self.advance() {
                let pushed = found.and_then(|file| {
                    let record = self.given();
                    record.map_or(Ok(()), |record| {
                        stack.push(record.bytes, file, record.timestamp)
                    })
                });
                if let Err(error) = pushed {
                    failures.push_back(error);
                }
            }
            self.failures = failures;
            self.last = Some(stack);
        }
        if let Some(failure) = self.failures.pop_front() {
            return Some(Err(failure));
        }
        let (bytes, record) = match self.last.as_mut()?.pop() {
            Ok(popped) => popped?,
            Err(error) => {
                self.last = Some(Stack::default());
                return Some(Err(error));
            }
        };
        self.popped.clear();
        self.popped.extend_from_slice(bytes);
        Some(Ok(RecordRef {
            bytes: &self.popped,
            path: &self.paths[record.file],
            timestamp: record.time,
        }))
    }

    /// Goes on to the next record that is asked for, and returns the number of its file.
    fn advance(&mut self) -> Option<io::Result<usize>> {
        loop {
            if let Some(n) = self.given.take() {
                self.update(n);
            }
            if let Some(failure) = self.failures.pop_front() {
                return Some(Err(failure));
            }
            if self.left == Some(0) {
                return None;
            }
            let turn = self.next.peek()?;
            let n = turn.file;
            let Options { times, .. } = &self.options;
            if times.end_at(turn.key, self.rules.window, self.rules.backward) {
                self.next.clear();
                return None;
            }
            let Slot::Open(reader) = &self.slots[n] else {
                self.update(n);
                continue;
            };
            self.given = Some(n);
            let (_, time, key) = reader.record();
            if !self.options.times.contain(time.or(key)) {
                continue;
            }
            let passes = |filter: &Filter| self.given().is_some_and(|record| filter.0(&record));
            if !self.options.filter.as_ref().is_none_or(passes) {
                continue;
            }
            self.left = self.left.map(|left| left - 1);
            return Some(Ok(n));
        }
    }

    /// The record that [`advance`](Self::advance) went to.
    fn given(&self) -> Option<RecordRef<'_>> {
        let n = self.given?;
        let Slot::Open(reader) = &self.slots[n] else {
            return None;
        };
        let (bytes, timestamp, _) = reader.record();
        Some(RecordRef {
            bytes,
            path: &self.paths[n],
            timestamp,
        })
    }

    /// Opens the file, which is the next one, or takes its next record; and puts it where it
    /// belongs then.
    fn update(&mut self, n: usize) {
        let mut reader = match mem::replace(&mut self.slots[n], Slot::Done) {
            Slot::Waiting(file) => Box::new(RecordReader::new(*file, self.step, &self.rules)),
            Slot::Open(mut reader) => {
                reader.advance();
                reader
            }
            Slot::Done => return,
        };
        let key = reader.key();
        if key.is_none() {
            self.note_failure(&mut reader);
        }
        if let Some(mut top) = self.next.peek_mut() {
            match key {
                Some(key) => {
                    if top.key != key {
                        top.key = key;
                    }
                }
                None => {
                    PeekMut::pop(top);
                    return;
                }
            }
        }
        self.slots[n] = Slot::Open(reader);
    }
}

impl Iterator for Merge {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_ref()?.map(|record| record.to_record()))
    }
}

impl FusedIterator for Merge {}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge")
            .field("files", &self.slots.len())
            .finish_non_exhaustive()
    }
}
