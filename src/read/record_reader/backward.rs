//! Reads a file backwards: its records from the end on, for the last ones and for newest first.

use std::mem;

use memchr::memchr;

use super::{RecordReader, LOOK_AHEAD, MAX_BUFFER, MAX_WINDOW};
use crate::read::line::Line;
use crate::read::split::{Splitter, LONGEST_TAIL};

/// If more bytes than this have not been split, only the last ones are split at once: records may
/// have a byte each.
const SPLIT: usize = 256 * 1024;

/// The number of bytes that are read first.
pub(super) const FIRST_STEP: usize = 4 * 1024;

impl RecordReader {
    pub(super) fn start_backward(&mut self) {
        let (range, failure) = self.file.seekable();
        if let Err(error) = failure {
            self.fail(error);
        }
        self.offset = Some(range.end);
        self.at_end = range.is_empty();
    }

    pub(super) fn fill_backward(&mut self) {
        if self.reorder.end().unwrap_or(0) > MAX_WINDOW {
            self.reorder.force();
            return;
        }
        let offset = self.offset.unwrap_or(0);
        let start = self.file.start();
        let fits = offset == start || self.is_far_from_time() || self.read_before(offset, start);
        if !fits && !self.reorder.is_empty() {
            self.reorder.force();
            return;
        }
        let at_start = self.offset == Some(start);
        let end = self.unsplit.1;
        // The line that the first bytes belong to begins before them.
        let begin = match at_start {
            true => Some(0),
            false => self.line_after(0),
        };
        let near = end.checked_sub(SPLIT).and_then(|at| self.line_after(at));
        let near = near.filter(|near| *near < end);
        let first = near.and_then(|near| self.first_time(near, end));
        let first = first.or_else(|| match begin? {
            0 if at_start && near.is_none() => Some(0),
            begin => self.first_time(begin, end),
        });
        // Far from a time each line is a record.
        let far = begin.filter(|begin| end - begin > LONGEST_TAIL || !fits && end > *begin);
        let far = far.map(|begin| near.unwrap_or(begin));
        match first.or(far).or(at_start.then_some(0)) {
            Some(from) => self.split_backward(from),
            None if fits => {}
            // No line begins here.
            None => {
                self.in_line = self.bytes.first() != Some(&0);
                self.split_backward(0);
            }
        }
    }

    /// Where the first line after `at` begins, in the bytes that are not split yet.
    fn line_after(&self, at: usize) -> Option<usize> {
        memchr(b'\n', &self.bytes[at..self.unsplit.1]).map(|newline| at + newline + 1)
    }

    /// Returns true if there are enough bytes without a time to split them as lines that belong to
    /// no record.
    fn is_far_from_time(&self) -> bool {
        let begin = self.line_after(0);
        begin.is_some_and(|begin| self.unsplit.1 - begin > LONGEST_TAIL)
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
        let mut entries = mem::take(&mut self.entries);
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
