//! A reader of one file's records, forwards or backwards.

use std::io;
use std::mem;
use std::ops::Range;
use std::time::Duration;

use crate::read::budget::{Budget, Share};
use crate::read::line::{Line, LineReader};
use crate::read::log_file::LogFile;
use crate::read::reorder_window::Reorder;
use crate::read::search::Search;
use crate::read::split::{Entry, Splitter};
use crate::read::timestamp::{Timestamp, Zone};

mod backward;
mod forward;
mod skip;

use skip::Skipping;

/// Maximum size of a buffer. A longer line is returned in pieces.
const MAX_BUFFER: usize = 16 * 1024 * 1024;

/// Maximum memory of the records that wait to be put in order.
const MAX_WINDOW: usize = 4 * 1024 * 1024;

/// Maximum number of these records: they may have a byte each.
const MAX_WAITING: usize = 64 * 1024;

/// The number of records of each file that may wait whatever the budget is.
const FEW_WAITING: usize = 128;

/// The first time of a file counts for the lines before it if it is in this number of bytes.
const LOOK_AHEAD: usize = 8 * 1024;

/// How the files of a log are read.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) zone: Zone,
    pub(crate) window: Duration,
    pub(crate) backward: bool,
    /// How many records of a file wait for a late one.
    pub(crate) late: usize,
    /// Finds where records may pass the filter.
    pub(crate) search: Option<Search>,
    /// For what does not fit into the first buffers.
    pub(crate) budget: Budget,
}

impl Rules {
    pub(crate) fn without_search(&self) -> Self {
        Rules {
            search: None,
            ..self.clone()
        }
    }
}

/// Reads a file record by record.
///
/// ```text
/// forward:  bytes: | returned  | to be returned | open record | begin of a line |  free  |
///                                                              ^unsplit.0        ^unsplit.1
/// backward: bytes: | not split yet | to be returned | returned  |
///                  ^unsplit.0      ^unsplit.1
/// ```
#[derive(Debug)]
pub(crate) struct RecordReader {
    file: LogFile,
    rules: Rules,
    /// How many bytes are read at once.
    step: usize,
    bytes: Vec<u8>,
    share: Share,
    /// The same for the records that wait to be put in order.
    waiting: Share,
    unsplit: (usize, usize),
    /// How much of that has been searched for the end of a line.
    searched: usize,
    /// The first byte that has been read, if it is read backward.
    offset: Option<u64>,
    /// How many bytes the next read from the end takes: few at first, then twice as many each time.
    from_end: usize,
    lines: LineReader,
    splitter: Splitter,
    /// Forward.
    skipping: Option<Skipping>,
    /// An empty list, kept for its memory.
    entries: Vec<Entry>,
    /// The bytes that are not split yet begin with the rest of a line whose first part has been
    /// returned.
    in_line: bool,
    reorder: Reorder,
    is_empty: bool,
    has_times: bool,
    /// Forward: the last byte of the file is in the buffer.
    has_read_all: bool,
    at_end: bool,
    failure: Option<io::Error>,
}

impl RecordReader {
    /// Makes a reader that reads `step` bytes at once; it has read the first record.
    pub(crate) fn new(file: LogFile, step: usize, rules: &Rules) -> Self {
        let mut reader = RecordReader {
            step,
            bytes: Vec::new(),
            share: rules.budget.share(),
            waiting: rules.budget.share(),
            unsplit: (0, 0),
            searched: 0,
            offset: None,
            from_end: backward::FIRST_STEP,
            skipping: rules.search.clone().map(Skipping::new),
            lines: LineReader::new(rules.zone.clone()),
            entries: Vec::new(),
            splitter: Splitter::after(file.before()),
            in_line: false,
            reorder: Reorder::new(rules.window, rules.backward, rules.late),
            is_empty: true,
            has_times: file.before().is_some(),
            has_read_all: false,
            at_end: false,
            failure: None,
            rules: rules.clone(),
            file,
        };
        match rules.backward {
            false => reader.start_forward(),
            true => reader.start_backward(),
        }
        reader.fill_until_ready();
        reader
    }

    pub(crate) fn file(&self) -> &LogFile {
        &self.file
    }

    pub(crate) fn into_file(self) -> LogFile {
        self.file
    }

    /// Returns true if there were bytes, but no time among them so far.
    pub(crate) fn has_no_times(&self) -> bool {
        !self.is_empty && !self.has_times
    }

    /// Takes the error that ended the reading: forward, when all records before it have been returned;
    /// backward, at once, as the rest may not be asked for.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        match self.rules.backward || self.reorder.peek().is_none() {
            true => self.failure.take(),
            false => None,
        }
    }

    /// What the next record is sorted by; `None` if there is no record.
    pub(crate) fn key(&self) -> Option<Option<Timestamp>> {
        self.reorder.peek().map(|entry| entry.key)
    }

    /// The next record, its time, and what it is sorted by.
    pub(crate) fn record(&self) -> Option<(&[u8], Option<Timestamp>, Option<Timestamp>)> {
        let entry = self.reorder.peek()?;
        Some((&self.bytes[entry.range()], entry.time, entry.key))
    }

    /// Goes on to the next record.
    pub(crate) fn advance(&mut self) {
        self.reorder.pop();
        self.fill_until_ready();
    }

    fn fill_until_ready(&mut self) {
        while self.reorder.peek().is_none() && !self.at_end {
            match self.rules.backward {
                false => self.fill_forward(),
                true => self.fill_backward(),
            }
        }
    }

    /// Makes the buffer larger, if it may be.
    fn grow(&mut self, length: usize) -> bool {
        if self.bytes.capacity() > 2 * length.max(2 * self.step) {
            self.bytes.shrink_to(length);
        }
        let taken = length.max(self.bytes.capacity());
        let fits = length <= MAX_BUFFER.max(self.step)
            && self.share.resize(taken.saturating_sub(2 * self.step));
        if fits {
            self.bytes
                .reserve_exact(length.saturating_sub(self.bytes.len()));
        }
        fits
    }

    fn fail(&mut self, error: io::Error) {
        self.failure.get_or_insert(error);
    }

    fn settle(&mut self, mut entries: Vec<Entry>) {
        self.is_empty &= entries.is_empty();
        self.has_times = self.has_times || entries.iter().any(|entry| entry.time.is_some());
        self.reorder.extend(&mut entries);
        self.entries = entries;
        self.reorder.settle(self.at_end);
        if !self.waiting_fit() {
            self.reorder.force();
        }
    }

    /// Returns false if too many records wait to be put in order.
    fn waiting_fit(&mut self) -> bool {
        let waiting = self.reorder.len();
        // A list that grows has up to twice the room that it needs.
        let bytes = waiting.saturating_sub(FEW_WAITING) * 2 * mem::size_of::<Entry>();
        waiting <= MAX_WAITING && self.waiting.resize(bytes)
    }

    fn split_line(&mut self, range: Range<usize>, entries: &mut Vec<Entry>) {
        let line = match mem::take(&mut self.in_line) {
            true => Line::Other,
            false => self.lines.read(&self.bytes[range.clone()]),
        };
        self.splitter.line(range, line, entries);
    }
}
