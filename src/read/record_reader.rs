//! The records of one file, in its order.

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::ops::Range;

use memchr::memchr;

use super::log_file::LogFile;
use super::timestamp::Timestamp;

/// In so many first bytes of a file a time is looked for that may stand for those of the lines
/// before it.
const LOOK_AHEAD: usize = 8 * 1024;

/// Lines without a time go with the record before them until that is so long.
const LONGEST_TAIL: usize = 1024 * 1024;

/// Reads a file record by record.
///
/// ```text
/// bytes:  |   given   |   record    |      line        | not looked at |  free  |
///                     ^begin        ^line.start        ^line.end       ^filled
/// ```
#[derive(Debug)]
pub(crate) struct RecordReader {
    input: LogFile,
    /// How many bytes are read at once.
    step: usize,
    bytes: Vec<u8>,
    /// Where the record begins that comes next.
    begin: usize,
    filled: usize,
    /// The line that was read last, which begins the record after the next.
    line: Option<Line>,
    at_end: bool,
    failure: Option<io::Error>,
    /// The time of the records that have none, until the first one that has.
    lead: Option<Timestamp>,
    /// The record that comes next.
    record: Option<Found>,
}

#[derive(Clone, Debug)]
struct Line {
    range: Range<usize>,
    time: Option<Timestamp>,
    /// Belongs to the record before, which is long enough.
    continues: bool,
}

#[derive(Clone, Debug)]
struct Found {
    range: Range<usize>,
    time: Option<Timestamp>,
    key: Option<Timestamp>,
}

impl RecordReader {
    /// Reads in steps of that many bytes, the first record at once.
    pub(crate) fn new(input: LogFile, step: usize) -> Self {
        let mut source = RecordReader {
            input,
            step,
            bytes: vec![0; step],
            begin: 0,
            filled: 0,
            line: None,
            at_end: false,
            failure: None,
            lead: None,
            record: None,
        };
        while source.filled < LOOK_AHEAD && !source.at_end {
            source.fill();
        }
        source.line = source.read_line(0);
        source.lead = source.input.before().or_else(|| source.look_ahead());
        if let (Some(line), Some(_)) = (&mut source.line, source.input.before()) {
            line.continues = line.time.is_none();
        }
        source.advance();
        source
    }

    pub(crate) fn input(&self) -> &LogFile {
        &self.input
    }

    pub(crate) fn into_input(self) -> LogFile {
        self.input
    }

    /// What went wrong, once the records before that are through.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take().filter(|_| self.record.is_none())
    }

    /// What the record that comes next is sorted by: its time, or for one without the next best.
    /// `None` if there is no record.
    pub(crate) fn key(&self) -> Option<Option<Timestamp>> {
        self.record.as_ref().map(|record| record.key)
    }

    /// The record that comes next, and its time.
    pub(crate) fn record(&self) -> (&[u8], Option<Timestamp>) {
        match &self.record {
            Some(record) => (&self.bytes[record.range.clone()], record.time),
            None => (&[], None),
        }
    }

    /// Goes on to the next record.
    pub(crate) fn advance(&mut self) {
        if let Some(record) = self.record.take() {
            self.begin = record.range.end;
        }
        let Some(first) = self.line.take() else {
            return;
        };
        let (time, key) = match first.time {
            Some(time) => {
                self.lead = Some(time);
                (Some(time), Some(time))
            }
            None if first.continues => (self.lead, self.lead),
            None => (None, self.lead),
        };
        let mut length = first.range.len();
        while let Some(mut line) = self.read_line(self.begin + length) {
            // What begins with no time has no record before it to go with.
            let goes_with = line.time.is_none() && time.is_some();
            if goes_with && length < LONGEST_TAIL {
                length += line.range.len();
                continue;
            }
            line.continues = goes_with;
            self.line = Some(line);
            break;
        }
        self.record = Some(Found {
            range: self.begin..self.begin + length,
            time,
            key,
        });
    }

    /// The line that begins there; may move what is in the buffer, and `begin` with it.
    fn read_line(&mut self, start: usize) -> Option<Line> {
        let mut start = start;
        let mut looked = start;
        let end = loop {
            if let Some(newline) = memchr(b'\n', &self.bytes[looked..self.filled]) {
                break looked + newline + 1;
            }
            looked = self.filled;
            if self.at_end {
                break looked;
            }
            let moved = self.fill();
            start -= moved;
            looked -= moved;
        };
        (start < end).then(|| Line {
            time: Timestamp::of_line(&self.bytes[start..end]),
            range: start..end,
            continues: false,
        })
    }

    /// Reads on. Tells by how much what is in the buffer moved to the front for it.
    fn fill(&mut self) -> usize {
        let mut moved = 0;
        if self.filled == self.bytes.len() {
            self.bytes.copy_within(self.begin..self.filled, 0);
            moved = mem::take(&mut self.begin);
            self.filled -= moved;
            if self.filled < self.step / 2 && self.bytes.len() > self.step {
                // What was read last was longer than most.
                self.bytes.truncate(self.step);
                self.bytes.shrink_to_fit();
            }
            // A record that fills most of it would be moved again for each small piece.
            if self.filled > self.bytes.len() / 2 {
                self.bytes.resize(self.bytes.len() * 2, 0);
            }
        }
        let read = loop {
            match self.input.read(&mut self.bytes[self.filled..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.unwrap_or_else(|error| {
            self.failure = Some(error);
            0
        });
        self.filled += read;
        self.at_end |= read == 0;
        moved
    }

    /// The first time in the first bytes.
    fn look_ahead(&self) -> Option<Timestamp> {
        let first = self.line.as_ref()?;
        if first.time.is_some() {
            return first.time;
        }
        let rest = self
            .bytes
            .get(first.range.end..self.filled.min(LOOK_AHEAD))?;
        let lines = rest.split_inclusive(|byte| *byte == b'\n');
        let mut whole = lines.filter(|line| line.ends_with(b"\n"));
        whole.find_map(Timestamp::of_line)
    }
}
