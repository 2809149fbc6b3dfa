//! The lines of a segment, and its table of where each ends. No function here uses the file system.

use std::sync::atomic::Ordering;

use crate::sys::compiler_fence;

/// The length of a segment's header; the first line follows.
pub(super) const SEGMENT_HEADER: usize = 16;

/// The length of an entry, which says where a line ends. Entry `n` is the `n`th from the segment's
/// end.
pub(super) const ENTRY: usize = 4;
const PUBLISHED: u8 = 0x80;
/// The line is this crate's own and no record.
const NO_RECORD: u8 = 0x40;

/// The error of a file that is no queue, or whose contents no owner can have left, at whatever
/// instant it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// Keeps the compiler from moving a store to the mapping across this point. The processor needs no
/// barrier: a thread is killed between two of its instructions, and every process sees the stores
/// before.
#[inline]
pub(super) fn in_order() {
    compiler_fence(Ordering::SeqCst);
}

/// Adds the entry of line `n`, whose bytes are in the segment already and end at `end`.
#[inline]
pub(super) fn publish(segment: &mut [u8], n: usize, end: usize, is_record: bool) {
    let at = segment.len() - ENTRY * (n + 1);
    let [low @ .., high] = (end as u32).to_le_bytes();
    let flags = match is_record {
        true => PUBLISHED,
        false => PUBLISHED | NO_RECORD,
    };
    segment[at..at + 3].copy_from_slice(&low);
    in_order();
    segment[at + 3] = high | flags;
    in_order();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) end: usize,
    pub(super) is_record: bool,
}

/// Line `n` of a segment, if there is one; its end is not checked.
fn entry(segment: &[u8], n: usize) -> Option<Entry> {
    let at = segment.len().checked_sub(ENTRY.checked_mul(n + 1)?)?;
    let &[a, b, c, high] = segment.get(at.max(SEGMENT_HEADER)..)?.first_chunk()?;
    let is_there = at >= SEGMENT_HEADER && high & PUBLISHED != 0;
    is_there.then(|| Entry {
        end: u32::from_le_bytes([a, b, c, high & !(PUBLISHED | NO_RECORD)]) as usize,
        is_record: high & NO_RECORD == 0,
    })
}

/// A place between two lines of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The number of the next line, and where it starts.
    pub(super) line: usize,
    pub(super) at: usize,
}

impl Cursor {
    pub(super) const START: Cursor = Cursor {
        line: 0,
        at: SEGMENT_HEADER,
    };
}

/// Lines of a segment that are written together.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) records: u64,
    pub(super) next: Cursor,
}

/// Returns the lines from `from` on that are within `limit` bytes, or one line that is longer.
/// Their ends, counted from the start of the first one, are put into `ends`.
///
/// `None` at the segment's end, and where an entry is invalid.
pub(super) fn batch<'a>(
    segment: &'a [u8],
    from: Cursor,
    limit: usize,
    ends: &mut Vec<usize>,
) -> Option<Batch<'a>> {
    ends.clear();
    let mut next = from;
    let mut records = 0;
    while let Some(entry) = entry(segment, next.line) {
        if entry.end <= next.at || !ends.is_empty() && entry.end - from.at > limit {
            break;
        }
        next = Cursor {
            line: next.line + 1,
            at: entry.end,
        };
        ends.push(entry.end - from.at);
        records += u64::from(entry.is_record);
    }
    let bytes = segment.get(from.at..next.at)?;
    (!bytes.is_empty()).then_some(Batch {
        bytes,
        records,
        next,
    })
}

/// Returns the place behind the lines from `from` on that are within `bytes` bytes, and how many of
/// them are records.
pub(super) fn skip(segment: &[u8], from: Cursor, bytes: usize) -> (Cursor, u64) {
    let (mut next, mut records) = (from, 0);
    while let Some(entry) = entry(segment, next.line) {
        if entry.end <= next.at || entry.end - from.at > bytes {
            break;
        }
        next = Cursor {
            line: next.line + 1,
            at: entry.end,
        };
        records += u64::from(entry.is_record);
    }
    (next, records)
}

/// Checks all lines of a segment, and returns the place between two of them that is at `at`.
pub(super) fn check_lines(segment: &[u8], at: usize) -> Result<Cursor, Invalid> {
    let mut cursor = Cursor::START;
    let mut found = (cursor.at == at).then_some(cursor);
    while let Some(entry) = entry(segment, cursor.line) {
        let table = segment.len() - ENTRY * (cursor.line + 1);
        let ends_a_line = |end: usize| segment.get(end - 1) == Some(&b'\n');
        if entry.end <= cursor.at || entry.end > table || !ends_a_line(entry.end) {
            return Err(Invalid);
        }
        cursor = Cursor {
            line: cursor.line + 1,
            at: entry.end,
        };
        if cursor.at == at {
            found = Some(cursor);
        }
    }
    found.ok_or(Invalid)
}
