//! Where the records in a piece of a file begin and end.

use std::ops::Range;

use super::line::Line;
use super::timestamp::Timestamp;

/// Length of a record from which lines without a time no longer belong to it.
pub(crate) const LONGEST_TAIL: usize = 1024 * 1024;

/// A record in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// A buffer is at most this large.
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) time: Option<Timestamp>,
    /// What it is sorted by: the time, or that of its neighbours.
    pub(crate) key: Option<Timestamp>,
}

impl Entry {
    pub(crate) fn new(range: Range<usize>, time: Option<Timestamp>) -> Self {
        Entry {
            start: range.start as u32,
            end: range.end as u32,
            time,
            key: None,
        }
    }

    /// The time of a record that is skipped, which the order of its neighbours depends on.
    pub(crate) fn mark(time: Timestamp) -> Self {
        Entry::new(0..0, Some(time))
    }

    pub(crate) fn is_mark(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn set_range(&mut self, range: Range<usize>) {
        (self.start, self.end) = (range.start as u32, range.end as u32);
    }
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

    /// Takes the next line, and returns the records that end before it.
    pub(crate) fn line(&mut self, range: Range<usize>, line: Line, out: &mut Vec<Entry>) {
        match (line, &mut self.open) {
            (Line::Other, Some(open)) if open.range().len() < LONGEST_TAIL => {
                open.set_range(open.range().start..range.end);
            }
            (Line::Other, _) => {
                self.end_piece(out);
                out.push(Entry::new(range, self.piece));
            }
            (Line::Json(time), _) => {
                self.end(out);
                out.push(Entry::new(range, time));
            }
            (Line::Text(_) | Line::Panic, _) => {
                self.end(out);
                self.open = Some(Entry::new(range, line.time()));
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

    /// Leaves out the open record, and returns its time.
    pub(crate) fn skip(&mut self) -> Option<Timestamp> {
        self.piece = None;
        self.open.take()?.time
    }

    pub(crate) fn open_start(&self) -> Option<usize> {
        self.open.as_ref().map(|open| open.range().start)
    }

    /// The buffer has moved to the front by that.
    pub(crate) fn shift(&mut self, by: usize) {
        if let Some(open) = &mut self.open {
            let range = open.range();
            open.set_range(range.start - by..range.end - by);
        }
    }
}
