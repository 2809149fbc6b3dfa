//! Finds the parts of a file in which records may pass, so that the others are not split.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memrchr};

use super::line::LineReader;
use super::reorder_window::NEIGHBOURS;
use super::split::Entry;

/// Returns where in some whole records the first one may be that passes the filter.
#[derive(Clone)]
pub(crate) struct Search(pub(crate) Arc<Finds>);

type Finds = dyn Fn(&[u8]) -> Option<usize> + Send + Sync;

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").finish_non_exhaustive()
    }
}

/// The start of the last line in a part of a buffer, which begins with a line, that begins a record.
pub(crate) fn last_begin(
    bytes: &[u8],
    part: Range<usize>,
    lines: &mut LineReader,
) -> Option<usize> {
    let mut end = part.end;
    while end > part.start {
        let begin = line_begin(bytes, part.start, end);
        if lines.read(&bytes[begin..end]).is_begin() {
            return Some(begin);
        }
        end = begin;
    }
    None
}

/// The start of the line that ends there.
fn line_begin(bytes: &[u8], start: usize, end: usize) -> usize {
    memrchr(b'\n', &bytes[start..end - 1]).map_or(start, |newline| start + newline + 1)
}

/// Marks for some whole lines that are skipped: for the first times in them and for the last ones,
/// which are compared with those of the records before and after them.
pub(crate) fn mark(
    bytes: &[u8],
    part: Range<usize>,
    lines: &mut LineReader,
    marks: &mut Vec<Entry>,
) {
    let mut start = part.start;
    let mut left = NEIGHBOURS;
    while start < part.end && left > 0 {
        let length = memchr(b'\n', &bytes[start..part.end]).map_or(part.end - start, |n| n + 1);
        if let Some(time) = lines.read(&bytes[start..start + length]).time() {
            marks.push(Entry::mark(time));
            left -= 1;
        }
        start += length;
    }
    let first = marks.len();
    let mut end = part.end;
    left = NEIGHBOURS;
    while end > start && left > 0 {
        let begin = line_begin(bytes, start, end);
        if let Some(time) = lines.read(&bytes[begin..end]).time() {
            marks.push(Entry::mark(time));
            left -= 1;
        }
        end = begin;
    }
    marks[first..].reverse();
}
