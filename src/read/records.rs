//! Where the records in a piece of a file begin and end.

use std::ops::Range;

use super::line::Line;
use super::timestamp::Timestamp;

/// Lines without a time belong to the record before them until that is so long.
pub(crate) const LONGEST_TAIL: usize = 1024 * 1024;

/// A record in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) range: Range<usize>,
    pub(crate) time: Option<Timestamp>,
    /// What it is sorted by: the time, or that of its neighbours.
    pub(crate) key: Option<Timestamp>,
}

/// Puts the lines of a file together to records.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// The record that the next line may belong to.
    open: Option<Entry>,
    /// The time of lines that would belong to a record, were that not so long already.
    piece: Option<Timestamp>,
}

impl Splitter {
    /// For lines behind a record of that time.
    pub(crate) fn after(before: Option<Timestamp>) -> Self {
        Splitter {
            open: None,
            piece: before,
        }
    }

    /// Takes the next line, and gives out the records that end before it.
    pub(crate) fn line(&mut self, range: Range<usize>, line: Line, out: &mut Vec<Entry>) {
        let entry = |range, time| Entry {
            range,
            time,
            key: None,
        };
        match (line, &mut self.open) {
            (Line::Other, Some(open)) if open.range.len() < LONGEST_TAIL => {
                open.range.end = range.end;
            }
            (Line::Other, _) => {
                self.end_piece(out);
                out.push(entry(range, self.piece));
            }
            (Line::Json(time), _) => {
                self.end(out);
                out.push(entry(range, time));
            }
            (Line::Text(_) | Line::Panic, _) => {
                self.end(out);
                self.open = Some(entry(range, line.time()));
            }
        }
    }

    /// Ends the open record; what comes goes on with none.
    pub(crate) fn end(&mut self, out: &mut Vec<Entry>) {
        out.extend(self.open.take());
        self.piece = None;
    }

    /// Ends the open record; lines that belong to it are records of their own, with its time.
    pub(crate) fn end_piece(&mut self, out: &mut Vec<Entry>) {
        if let Some(open) = self.open.take() {
            self.piece = open.time;
            out.push(open);
        }
    }

    pub(crate) fn open_start(&self) -> Option<usize> {
        self.open.as_ref().map(|open| open.range.start)
    }

    /// The buffer has moved to the front by that.
    pub(crate) fn shift(&mut self, by: usize) {
        if let Some(open) = &mut self.open {
            open.range = open.range.start - by..open.range.end - by;
        }
    }
}
