//! Reads a file forwards.

use std::io::{ErrorKind, Read};
use std::mem;

use memchr::memchr;

use super::{RecordReader, LOOK_AHEAD, MAX_WINDOW};
use crate::read::line::Line;
use crate::read::split::Entry;

/// Bytes that are split into records at once: few enough to stay in the cache until they are
/// returned, also with many files.
pub(super) const SPLIT: usize = 4 * 1024;

impl RecordReader {
    pub(super) fn start_forward(&mut self) {
        self.bytes.resize(self.step.max(LOOK_AHEAD), 0);
        // A reader of a stream gets the records that are there, without waiting for more.
        let most = if self.file.is_stream() { 1 } else { LOOK_AHEAD };
        while self.unsplit.1 < most && self.read() {}
        let begin = &self.bytes[..self.unsplit.1.min(LOOK_AHEAD)];
        let lines = begin.split_inclusive(|byte| *byte == b'\n');
        let mut times = lines.filter(|line| line.ends_with(b"\n"));
        let first = times.find_map(|line| Line::of(line, &self.rules.zone).time());
        self.reorder.set_lead(self.file.before().or(first));
        self.split_forward();
    }

    pub(super) fn fill_forward(&mut self) {
        let is_short = self
            .skipping
            .as_ref()
            .is_some_and(|skipping| skipping.is_short);
        let has_more = self.searched < self.unsplit.1 && !is_short;
        if !has_more {
            if !self.make_room() {
                return;
            }
            self.read();
            if let Some(skipping) = &mut self.skipping {
                (skipping.is_short, skipping.split_to) = (false, 0);
            }
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

    /// Makes room behind what has been read. Where none can be had, something is returned or cut
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
        if let Some(skipping) = &mut self.skipping {
            skipping.shift(first);
        }
        self.unsplit = (self.unsplit.0 - first, self.unsplit.1 - first);
        self.searched -= first;
        let filled = self.unsplit.1;
        if filled > MAX_WINDOW && !self.reorder.is_empty() {
            self.reorder.force();
            return false;
        }
        if filled < self.step / 2 && self.bytes.len() > self.step {
            // The buffer was enlarged for a long record.
            self.bytes.truncate(self.step);
            self.bytes.shrink_to_fit();
            self.share.resize(0);
        }
        // A nearly full buffer would be moved again for each small piece.
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
        let mut entries = mem::take(&mut self.entries);
        self.splitter.end_piece(&mut entries);
        if entries.is_empty() {
            self.cut_line(&mut entries);
        }
        self.settle(entries);
        self.reorder.force();
        false
    }

    /// The first part of a line that does not fit into the buffer is a record.
    fn cut_line(&mut self, entries: &mut Vec<Entry>) {
        let range = self.unsplit.0..self.unsplit.1;
        let line = match self.in_line {
            true => Line::Other,
            false => self.lines.read(&self.bytes[range.clone()]),
        };
        self.splitter.line(range.clone(), line, entries);
        self.splitter.end_piece(entries);
        self.unsplit.0 = range.end;
        self.searched = range.end;
        // Behind zeros a record may begin.
        self.in_line = self.bytes[range.end - 1] != 0;
    }

    fn split_forward(&mut self) {
        let mut entries = mem::take(&mut self.entries);
        self.skip(&mut entries);
        let (mut start, end) = self.unsplit;
        let most = match &self.skipping {
            Some(skipping) if skipping.is_short => return self.settle(entries),
            Some(skipping) => skipping.split_to.min(start + SPLIT),
            None => start + SPLIT,
        };
        let mut is_stopped = false;
        while let Some(newline) = memchr(b'\n', &self.bytes[self.searched..end]) {
            let range = start..self.searched + newline + 1;
            (start, self.searched) = (range.end, range.end);
            self.split_line(range, &mut entries);
            is_stopped = start >= most;
            if is_stopped {
                break;
            }
        }
        let is_split = !is_stopped;
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
}
