//! Skips records that can't pass the filter, without splitting them.

use memchr::{memchr, memrchr};

use super::forward::SPLIT;
use super::RecordReader;
use crate::read::search::{last_begin, mark, Search};
use crate::read::split::Entry;

/// What is skipped of a file, by positions in the buffer.
#[derive(Debug)]
pub(super) struct Skipping {
    search: Search,
    /// Lines are split up to this position.
    pub(super) split_to: usize,
    /// A record at this position may pass the filter.
    found: Option<usize>,
    /// The buffer has no whole record that has not been searched.
    pub(super) is_short: bool,
}

impl Skipping {
    pub(super) fn new(search: Search) -> Self {
        Skipping {
            search,
            split_to: 0,
            found: None,
            is_short: false,
        }
    }

    /// The buffer has moved to the front by that.
    pub(super) fn shift(&mut self, by: usize) {
        self.split_to = self.split_to.saturating_sub(by);
        self.found = self.found.and_then(|found| found.checked_sub(by));
    }
}

impl RecordReader {
    /// Skips the records before the first one that may be asked for, with marks for them.
    pub(super) fn skip(&mut self, marks: &mut Vec<Entry>) {
        let Some(skipping) = &mut self.skipping else {
            return;
        };
        let (start, end) = self.unsplit;
        if self.in_line || start < skipping.split_to || start == end {
            return;
        }
        let open = self.splitter.open_start();
        if skipping
            .found
            .is_some_and(|found| open.is_some_and(|open| open <= found))
        {
            // More lines of the record that was found may follow.
            skipping.split_to = start + SPLIT;
            return;
        }
        let limit = match self.has_read_all {
            true => end,
            false => {
                let newline = memrchr(b'\n', &self.bytes[start..end]);
                let whole = newline.map_or(start, |newline| start + newline + 1);
                let last = last_begin(&self.bytes, start..whole, &mut self.lines);
                last.unwrap_or(start)
            }
        };
        if !self.has_times || limit == start {
            skipping.is_short = self.has_times && end - start < 2 * self.step;
            skipping.split_to = end;
            return;
        }
        let begin = open.unwrap_or(start);
        let found = (skipping.search.0)(&self.bytes[begin..limit]);
        let found = found.map(|found| (begin + found).min(limit - 1));
        let to = match found {
            None => limit,
            Some(found) if found < start => start,
            Some(found) => {
                let line = memchr(b'\n', &self.bytes[found..limit]);
                let line_end = line.map_or(limit, |newline| found + newline + 1);
                let first = last_begin(&self.bytes, start..line_end, &mut self.lines);
                first.unwrap_or(start)
            }
        };
        if to > start {
            if open.is_some() {
                marks.extend(self.splitter.skip().map(Entry::mark));
            }
            mark(&self.bytes, start..to, &mut self.lines, marks);
            self.unsplit.0 = to;
            self.searched = to;
        }
        skipping.found = found;
        // Where many records are found, each search would go over the rest of the buffer for one.
        skipping.split_to = found.map_or(to, |found| found.max(start) + SPLIT);
        skipping.is_short = found.is_none() && !self.has_read_all;
    }
}
