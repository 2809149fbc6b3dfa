//! The records of one file, from its start on or from its end.

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::ops::Range;
use std::time::Duration;

use memchr::memchr;

use super::budget::{Budget, Share};
use super::line::Line;
use super::log_file::LogFile;
use super::records::{Entry, Splitter, LONGEST_TAIL};
use super::reorder::Reorder;
use super::timestamp::{Timestamp, Zone};

/// In so many first bytes of a file a time is looked for that may stand for those of the lines
/// before it.
const LOOK_AHEAD: usize = 8 * 1024;

/// A buffer is no larger than that. A line that does not fit is given out in pieces.
const MAX_BUFFER: usize = 16 * 1024 * 1024;

/// What waits to be put in order takes no more than that.
const MAX_WINDOW: usize = 4 * 1024 * 1024;

/// So much is split into records at once: of many files it stays in the cache until it is given out.
const SPLIT: usize = 4 * 1024;

/// What is read first from the end of a file.
const FIRST_FROM_END: usize = 4 * 1024;

/// How the files of a log are read.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) zone: Zone,
    pub(crate) window: Duration,
    pub(crate) backward: bool,
    /// For what does not fit into the first buffers.
    pub(crate) budget: Budget,
}

/// Reads a file record by record.
///
/// ```text
/// forward:  bytes: | given out | to be given out | open record | begin of a line |  free  |
///                                                              ^unsplit.0        ^unsplit.1
/// backward: bytes: | not split yet | to be given out | given out |
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
    unsplit: (usize, usize),
    /// How much of that has been searched for the end of a line.
    searched: usize,
    /// The first byte that has been read, if it is read backward.
    offset: Option<u64>,
    /// How many bytes are read at once from the end on: few first, then twice as many each time.
    from_end: usize,
    splitter: Splitter,
    /// What is not split yet goes on with a line whose begin has been given out.
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
    /// Reads in steps of that many bytes, the first record at once.
    pub(crate) fn new(file: LogFile, step: usize, rules: &Rules) -> Self {
        let mut reader = RecordReader {
            step,
            bytes: Vec::new(),
            share: rules.budget.share(),
            unsplit: (0, 0),
            searched: 0,
            offset: None,
            from_end: FIRST_FROM_END,
            splitter: Splitter::after(file.before()),
            in_line: false,
            reorder: Reorder::new(rules.window, rules.backward),
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

    /// Returns true if it has bytes, but nowhere so far a time.
    pub(crate) fn has_no_times(&self) -> bool {
        !self.is_empty && !self.has_times
    }

    /// What went wrong, once the records before that are through.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        match self.reorder.peek() {
            None => self.failure.take(),
            Some(_) => None,
        }
    }

    /// What the next record is sorted by; `None` if there is no record.
    pub(crate) fn key(&self) -> Option<Option<Timestamp>> {
        self.reorder.peek().map(|entry| entry.key)
    }

    /// The next record, its time, and what it is sorted by.
    pub(crate) fn record(&self) -> (&[u8], Option<Timestamp>, Option<Timestamp>) {
        match self.reorder.peek() {
            Some(entry) => (&self.bytes[entry.range()], entry.time, entry.key),
            None => (&[], None, None),
        }
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
        let fits = length <= MAX_BUFFER.max(self.step)
            && self.share.resize(length.saturating_sub(2 * self.step));
        if fits {
            let most = 4 * length.max(self.step);
            if self.bytes.capacity() > most {
                self.bytes.shrink_to(most);
            }
            self.bytes
                .reserve_exact(length.saturating_sub(self.bytes.len()));
        }
        fits
    }

    fn fail(&mut self, error: io::Error) {
        self.failure.get_or_insert(error);
    }

    fn settle(&mut self, entries: Vec<Entry>) {
        self.is_empty &= entries.is_empty();
        self.has_times |= entries.iter().any(|entry| entry.time.is_some());
        self.reorder.extend(entries);
        self.reorder.settle(self.at_end);
    }
}

/// From the start on.
impl RecordReader {
    fn start_forward(&mut self) {
        self.bytes.resize(self.step, 0);
        // Nobody waits for more than there is.
        let most = if self.file.is_stream() { 1 } else { LOOK_AHEAD };
        while self.unsplit.1 < most.min(self.step) && self.read() {}
        let begin = &self.bytes[..self.unsplit.1.min(LOOK_AHEAD)];
        let lines = begin.split_inclusive(|byte| *byte == b'\n');
        let mut times = lines.filter(|line| line.ends_with(b"\n"));
        let first = times.find_map(|line| Line::of(line, &self.rules.zone).time());
        self.reorder.set_lead(self.file.before().or(first));
        self.split_forward();
    }

    fn fill_forward(&mut self) {
        let has_more = self.searched < self.unsplit.1;
        if !has_more {
            if !self.make_room() {
                return;
            }
            self.read();
        }
        self.split_forward();
    }

    /// Reads on, if there is more.
    fn read(&mut self) -> bool {
        let read = loop {
            match self.file.read(&mut self.bytes[self.unsplit.1..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.unwrap_or_else(|error| {
            self.fail(error);
            0
        });
        self.unsplit.1 += read;
        self.has_read_all = read == 0;
        read > 0
    }

    /// Makes room behind what has been read. Where none can be had, something is given out or cut
    /// off first, and it returns false.
    fn make_room(&mut self) -> bool {
        if self.unsplit.1 < self.bytes.len() {
            return true;
        }
        let first = [self.reorder.first_byte(), self.splitter.open_start()];
        let first = first.into_iter().flatten().fold(self.unsplit.0, usize::min);
        self.bytes.copy_within(first..self.unsplit.1, 0);
        self.reorder.shift(|at| at - first);
        self.splitter.shift(first);
        self.unsplit = (self.unsplit.0 - first, self.unsplit.1 - first);
        self.searched -= first;
        let filled = self.unsplit.1;
        if filled > MAX_WINDOW && !self.reorder.is_empty() {
            self.reorder.force();
            return false;
        }
        if filled < self.step / 2 && self.bytes.len() > self.step {
            // What was read last was longer than most.
            self.bytes.truncate(self.step);
            self.bytes.shrink_to_fit();
            self.share.resize(0);
        }
        // What fills most of it would be moved again for each small piece.
        if filled <= self.bytes.len() / 2 || {
            let length = self.bytes.len() * 2;
            let grown = self.grow(length);
            self.bytes
                .resize(if grown { length } else { self.bytes.len() }, 0);
            grown
        } {
            return true;
        }
        if filled < self.bytes.len() - self.bytes.len() / 8 {
            return true;
        }
        if !self.reorder.is_empty() {
            self.reorder.force();
            return false;
        }
        let mut entries = Vec::new();
        self.splitter.end_piece(&mut entries);
        if entries.is_empty() {
            self.cut_line(&mut entries);
        }
        self.settle(entries);
        self.reorder.force();
        false
    }

    /// The begin of a line that does not fit into the buffer is a record.
    fn cut_line(&mut self, entries: &mut Vec<Entry>) {
        let range = self.unsplit.0..self.unsplit.1;
        let line = match self.in_line {
            true => Line::Other,
            false => Line::of(&self.bytes[range.clone()], &self.rules.zone),
        };
        self.splitter.line(range.clone(), line, entries);
        self.splitter.end_piece(entries);
        self.unsplit.0 = range.end;
        self.searched = range.end;
        self.in_line = true;
    }

    fn split_forward(&mut self) {
        let mut entries = Vec::new();
        let (mut start, end) = self.unsplit;
        let most = start + SPLIT;
        while let Some(newline) = memchr(b'\n', &self.bytes[self.searched..end]) {
            let range = start..self.searched + newline + 1;
            (start, self.searched) = (range.end, range.end);
            self.split_line(range, &mut entries);
            if start > most {
                break;
            }
        }
        let is_split = start <= most;
        if is_split {
            self.searched = end;
        }
        self.at_end = self.has_read_all && is_split;
        if self.at_end {
            if start < end {
                self.split_line(start..end, &mut entries);
            }
            start = end;
            self.splitter.end(&mut entries);
        }
        self.unsplit.0 = start;
        self.settle(entries);
    }

    fn split_line(&mut self, range: Range<usize>, entries: &mut Vec<Entry>) {
        let line = match mem::take(&mut self.in_line) {
            true => Line::Other,
            false => Line::of(&self.bytes[range.clone()], &self.rules.zone),
        };
        self.splitter.line(range, line, entries);
    }
}

/// From the end on.
impl RecordReader {
    fn start_backward(&mut self) {
        let (range, failure) = self.file.seekable();
        if let Err(error) = failure {
            self.fail(error);
        }
        self.offset = Some(range.end);
        self.at_end = range.is_empty();
    }

    fn fill_backward(&mut self) {
        if self.reorder.end().unwrap_or(0) > MAX_WINDOW {
            self.reorder.force();
            return;
        }
        let offset = self.offset.unwrap_or(0);
        let start = self.file.start();
        let fits = match offset > start {
            true => self.read_before(offset, start),
            false => true,
        };
        if !fits && !self.reorder.is_empty() {
            self.reorder.force();
            return;
        }
        let at_start = self.offset == Some(start);
        let end = self.unsplit.1;
        // The line that the first bytes belong to begins before them.
        let begin = match at_start {
            true => Some(0),
            false => memchr(b'\n', &self.bytes[..end]).map(|newline| newline + 1),
        };
        let first = begin.and_then(|begin| match at_start {
            true => Some(0),
            false => self.first_time(begin, end),
        });
        // Far from a time each line is a record.
        let far = begin.filter(|begin| end - begin > LONGEST_TAIL || !fits && end > *begin);
        match first.or(far) {
            Some(from) => self.split_backward(from),
            None if fits => {}
            // No line begins here.
            None => {
                self.in_line = true;
                self.split_backward(0);
            }
        }
    }

    /// Reads the bytes before those that are there; returns false if no more fit into the buffer.
    fn read_before(&mut self, offset: u64, start: u64) -> bool {
        let live = self.reorder.end().unwrap_or(0).max(self.unsplit.1);
        self.bytes.truncate(live);
        // More than a step where no line with a time has been found yet.
        let step = self.from_end.max(self.unsplit.1.min(MAX_BUFFER / 4));
        self.from_end = (self.from_end * 2).min(self.step);
        let step = usize::try_from(offset - start).map_or(step, |left| left.min(step));
        if !self.grow(live + step) {
            return false;
        }
        self.bytes.resize(live + step, 0);
        self.bytes.copy_within(..live, step);
        self.reorder.shift(|at| at + step);
        self.unsplit.1 += step;
        let from = offset - step as u64;
        self.offset = Some(from);
        match self.file.read_at(from, &mut self.bytes[..step]) {
            Ok(read) if read == step => {}
            // Cut off, or it can't be read: what was before those bytes can't be told either.
            read => {
                if let Err(error) = read {
                    self.fail(error);
                }
                self.bytes.copy_within(step.., 0);
                self.reorder.shift(|at| at - step);
                self.bytes.truncate(live);
                self.unsplit.1 -= step;
                self.offset = Some(start);
            }
        }
        true
    }

    /// The first line that begins with a time in a part of the buffer that begins with a line.
    fn first_time(&self, begin: usize, end: usize) -> Option<usize> {
        let mut at = begin;
        for line in self.bytes[begin..end].split_inclusive(|byte| *byte == b'\n') {
            if Line::of(line, &self.rules.zone).time().is_some() {
                return Some(at);
            }
            at += line.len();
        }
        None
    }

    /// Splits what is not split yet, from there on.
    fn split_backward(&mut self, from: usize) {
        let end = self.unsplit.1;
        self.unsplit.1 = from;
        self.at_end = from == 0 && self.offset == Some(self.file.start());
        let before = self.file.before().filter(|_| self.at_end);
        self.splitter = Splitter::after(before);
        let mut entries = Vec::new();
        let mut start = from;
        while start < end {
            let length = memchr(b'\n', &self.bytes[start..end]).map_or(end - start, |n| n + 1);
            self.split_line(start..start + length, &mut entries);
            start += length;
        }
        self.splitter.end(&mut entries);
        if self.at_end {
            let timed = entries.iter().find(|entry| entry.time.is_some());
            let first = timed.or(self.reorder.first_fresh());
            let lead = first.filter(|entry| entry.range().start < LOOK_AHEAD);
            self.reorder
                .set_lead(before.or_else(|| lead.and_then(|entry| entry.time)));
        }
        self.settle(entries);
    }
}
