//! Merges the records of all files into one stream by time.

use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::path::Path;
use std::sync::Arc;

use super::context::ContextWindow;
use super::log_file::LogFile;
use super::query::{Filter, Options};
use super::record::{Kept, Record, RecordRef};
use super::record_reader::Rules;
use super::stack::Stack;
use super::turn::{OpenFiles, Slots, Turn};

mod turns;

/// Maximum memory for the buffers of all files that are read at once, in bytes, if that is enough for
/// the smallest of each. They stay in the cache of a processor (2 MiB of L2 on the test machine): the
/// merge of 200 files took 1.5 times the processor time with 12 MiB, and 1.3 times with 2.5 MiB, which
/// has more system calls.
const BUFFERS: usize = 4 * 1024 * 1024;
const SMALLEST: usize = 4 * 1024;
const LARGEST: usize = 64 * 1024;

/// The records of a log, from all its files, as one stream by time.
///
/// The primary, its variants and its archives (compressed ones with the feature `gzip`) are merged
/// by time. A file that several processes or threads write has records that are earlier than the
/// one before them; these are put in order as well, if they are late by no more than
/// [`MergeBuilder::window`](crate::MergeBuilder::window). A record that is further than that from
/// its neighbours in the file (a process that was stopped, a clock that was wrong) stays beside
/// them. Records of equal times are in the order of the files: archives from the oldest on, the
/// primary, the variants by number.
///
/// # What is a record
///
/// - A line that begins with a time, and all lines without one after it: pretty records, back
///   traces, whatever another program wrote into the file. Beyond 1 MiB of such lines each is a
///   record of its own, with the same time.
/// - A line that is a JSON object.
/// - The message of a panic (`thread 'main' panicked at …`) and the lines without a time after it.
/// - Any other line. It comes after the record before it in its file; those before the first time
///   of a file come right before that one if it is in the first 8 KiB of the file, else before all.
///
/// A line of more than 16 MiB is returned in pieces; of less, where several files have such lines.
///
/// A time is RFC 3339, or what chrono, `time` and jiff make of it (a space for the `T`, ` +01:00`,
/// ` UTC`, `[Europe/Berlin]`); RFC 2822; or seconds, milliseconds, microseconds or nanoseconds since
/// 1970. In text it is at the start of the line, also behind colours, two spaces or a bracket; a
/// JSON record's is the value of `timestamp`, `time`, `ts` or `@timestamp`. A time without a zone is
/// UTC, or what [`MergeBuilder::local_offset`](crate::MergeBuilder::local_offset) says.
///
/// # What happens meanwhile
///
/// Each byte that was in the files when they were opened is read once, also a last line without a
/// newline and invalid UTF-8. A file that is rotated or compressed meanwhile is found again, with
/// one exception: a file that had to be closed, because there are more than are kept open, and that
/// is both rotated and compressed before it is read on. A file that is removed before any of it was
/// read is left out. One that is removed later, or can't be read, is an error of the stream, which
/// goes on with the other files. A file that is truncated ends there; if it is then written again,
/// reading goes on in the middle of the new content.
///
/// If the plain and compressed files have 8 MiB or more together, and there are two processors, a
/// second thread reads those that are read beside another one; but not newest first, for the last
/// records, or for a [`search`](crate::MergeBuilder::search). The thread ends when the stream is
/// dropped.
///
/// A forked child can't go on with a stream of its parent, whose files have one position for both:
/// that is an error of kind [`Unsupported`](io::ErrorKind::Unsupported).
///
/// Memory: a buffer of 4 to 64 KiB for each file that is read at once, up to twice as much while its
/// records are put in order, and two batches of 8 to 64 KiB, with up to as much for what is known of
/// their records, if the second thread reads it; at most 24 MiB for the long records and the windows
/// of all files together. Each stream keeps a quarter of the files open that the process may have
/// open, but at least 100 and at most 1,000; fewer if the system allows fewer.
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
    slots: Slots,
    paths: Vec<Arc<Path>>,
    /// The open and waiting files, by their next records.
    next: BinaryHeap<Turn>,
    open: OpenFiles,
    /// The file whose record was returned last and is still in its buffer.
    given: Option<usize>,
    context: Option<ContextWindow>,
    /// The record that was returned last, where there is context.
    kept: Option<Kept>,
    failures: VecDeque<io::Error>,
    without_times: Vec<Arc<Path>>,
    /// How many bytes of a file are read at once.
    step: usize,
    rules: Rules,
    options: Options,
    /// How many records may still be returned.
    left: Option<usize>,
    /// The last records, once they have been found.
    last: Option<Stack>,
}

impl Merge {
    /// The files are in the order in which records of one time are returned.
    pub(crate) fn of(files: Vec<LogFile>, rules: Rules, options: Options) -> Merge {
        let mut merge = Merge {
            step: (BUFFERS / files.len().max(1)).clamp(SMALLEST, LARGEST),
            slots: Slots::new(),
            paths: files.iter().map(|file| Arc::clone(file.path())).collect(),
            next: BinaryHeap::with_capacity(files.len()),
            open: OpenFiles::default(),
            given: None,
            context: ContextWindow::new(options.context, rules.backward),
            kept: None,
            failures: VecDeque::new(),
            without_times: Vec::new(),
            left: options.last,
            rules,
            options,
            last: None,
        };
        if merge.left == Some(0) {
            return merge;
        }
        for (n, file) in files.into_iter().enumerate() {
            let slot = merge.start(n, file);
            merge.slots.files.push(slot);
        }
        merge.read_ahead();
        merge
    }

    pub(crate) fn add_failures(&mut self, failures: Vec<io::Error>) {
        self.failures.extend(failures);
    }

    /// The files in whose first part no known time was found: each of their lines is a record,
    /// before all others.
    pub fn without_times(&self) -> impl Iterator<Item = &Path> {
        self.without_times.iter().map(|path| &**path)
    }

    /// Returns the next record, as [`next`](Iterator::next) does but without a copy.
    pub fn next_ref(&mut self) -> Option<io::Result<RecordRef<'_>>> {
        if self.slots.are_inherited() {
            self.abandon();
        }
        let found = match self.options.last.is_some() && !self.options.newest_first {
            true => self.next_of_last(),
            false => self.select(),
        };
        match found? {
            Ok(()) => self.given().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }

    /// Goes on to the next one of the last records; the first call finds them all.
    fn next_of_last(&mut self) -> Option<io::Result<()>> {
        if self.last.is_none() {
            let mut stack = Stack::default();
            let mut failures = VecDeque::new();
            while let Some(found) = self.select() {
                let pushed =
                    found.and_then(|()| self.given().map_or(Ok(()), |record| stack.push(&record)));
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
        match self.last.as_mut()?.pop(&mut self.kept) {
            Ok(true) => Some(Ok(())),
            Ok(false) => None,
            Err(error) => {
                self.last = Some(Stack::default());
                Some(Err(error))
            }
        }
    }

    /// Goes on to the next record that is asked for, or is context.
    fn select(&mut self) -> Option<io::Result<()>> {
        loop {
            self.kept = self.context.as_mut().and_then(ContextWindow::pop);
            if self.kept.is_some() {
                return Some(Ok(()));
            }
            let wants_more = self.context.as_ref().is_some_and(ContextWindow::wants_more);
            if let Err(error) = self.advance(wants_more)? {
                return Some(Err(error));
            }
            let passes = |filter: &Filter| self.given().is_some_and(|record| filter.0(&record));
            // After the last record that is asked for, none passes.
            let passes = self.left != Some(0) && self.options.filter.as_ref().is_none_or(passes);
            if passes {
                self.left = self.left.map(|left| left - 1);
            }
            let kept = self.context.as_ref().and_then(|_| self.given());
            let kept = kept.map(|record| record.to_kept());
            match (&mut self.context, kept) {
                (Some(context), Some(kept)) => context.push(kept, passes),
                _ if passes => return Some(Ok(())),
                _ => {}
            }
        }
    }

    /// Goes on to the next record within `since` and `until`.
    fn advance(&mut self, wants_more: bool) -> Option<io::Result<()>> {
        loop {
            if let Some(n) = self.given.take() {
                self.update(n);
            }
            if let Some(failure) = self.failures.pop_front() {
                return Some(Err(failure));
            }
            if self.left == Some(0) && !wants_more {
                return None;
            }
            let turn = self.next.peek()?;
            let n = turn.file;
            let Options { times, .. } = &self.options;
            if times.end_at(turn.key, self.rules.window, self.rules.backward) {
                self.next.clear();
                return None;
            }
            let Some((_, time, key)) = self.slots.files[n].record() else {
                self.update(n);
                continue;
            };
            self.given = Some(n);
            if times.contain(time.or(key)) {
                return Some(Ok(()));
            }
        }
    }

    /// The current record.
    fn given(&self) -> Option<RecordRef<'_>> {
        if let Some(kept) = &self.kept {
            return Some(RecordRef {
                bytes: &kept.bytes,
                path: &self.paths[kept.file],
                timestamp: kept.time,
                follows_gap: kept.follows_gap,
                file: kept.file,
            });
        }
        let n = self.given?;
        let (bytes, timestamp, _) = self.slots.files[n].record()?;
        Some(RecordRef {
            bytes,
            path: &self.paths[n],
            timestamp,
            follows_gap: false,
            file: n,
        })
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
            .field("files", &self.slots.files.len())
            .finish_non_exhaustive()
    }
}
