//! The lines of a segment, and its table of where each ends. No function here uses the file system.

use std::io::{self, ErrorKind};
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

/// The bytes of a segment: in memory, or in a file.
pub(super) trait Bytes {
    type Error: From<Invalid>;

    fn length(&self) -> usize;

    fn byte(&mut self, at: usize) -> Result<u8, Self::Error>;

    /// The bytes at the place of an entry.
    fn entry(&mut self, at: usize) -> Result<[u8; ENTRY], Self::Error>;
}

impl Bytes for &[u8] {
    type Error = Invalid;

    #[inline]
    fn length(&self) -> usize {
        self.len()
    }

    #[inline]
    fn byte(&mut self, at: usize) -> Result<u8, Invalid> {
        self.get(at).copied().ok_or(Invalid)
    }

    #[inline]
    fn entry(&mut self, at: usize) -> Result<[u8; ENTRY], Invalid> {
        let bytes = self.get(at..).and_then(|bytes| bytes.first_chunk());
        bytes.copied().ok_or(Invalid)
    }
}

impl From<Invalid> for io::Error {
    fn from(_: Invalid) -> Self {
        io::Error::new(ErrorKind::InvalidData, "it is no queue")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) end: usize,
    pub(super) is_record: bool,
}

/// Line `n` of a segment, if there is one; its end is not checked.
#[inline]
fn entry<S: Bytes>(segment: &mut S, n: usize) -> Result<Option<Entry>, S::Error> {
    let table = n.checked_add(1).and_then(|lines| lines.checked_mul(ENTRY));
    let at = table.and_then(|table| segment.length().checked_sub(table));
    let Some(at) = at.filter(|at| *at >= SEGMENT_HEADER) else {
        return Ok(None);
    };
    let [a, b, c, high] = segment.entry(at)?;
    Ok((high & PUBLISHED != 0).then(|| Entry {
        end: u32::from_le_bytes([a, b, c, high & !(PUBLISHED | NO_RECORD)]) as usize,
        is_record: high & NO_RECORD == 0,
    }))
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
    mut segment: &'a [u8],
    from: Cursor,
    limit: usize,
    ends: &mut Vec<usize>,
) -> Option<Batch<'a>> {
    let (next, records) = batch_end(&mut segment, from, limit, ends).ok()?;
    let bytes = segment.get(from.at..next.at)?;
    (!bytes.is_empty()).then_some(Batch {
        bytes,
        records,
        next,
    })
}

/// The place behind these lines, which is `from` if there are none, and how many of them are records.
pub(super) fn batch_end<S: Bytes>(
    segment: &mut S,
    from: Cursor,
    limit: usize,
    ends: &mut Vec<usize>,
) -> Result<(Cursor, u64), S::Error> {
    ends.clear();
    walk(segment, from, |end| {
        let is_in = ends.is_empty() || end <= limit;
        if is_in {
            ends.push(end);
        }
        is_in
    })
}

/// The place behind the lines from `from` on that are within `bytes` bytes, and how many of them are
/// records.
pub(super) fn skip<S: Bytes>(
    segment: &mut S,
    from: Cursor,
    bytes: usize,
) -> Result<(Cursor, u64), S::Error> {
    walk(segment, from, |end| end <= bytes)
}

/// The place behind the lines from `from` on that `takes` takes, by where they end, counted from the
/// first one; and how many of them are records.
#[inline]
fn walk<S: Bytes>(
    segment: &mut S,
    from: Cursor,
    mut takes: impl FnMut(usize) -> bool,
) -> Result<(Cursor, u64), S::Error> {
    let (mut next, mut records) = (from, 0);
    while let Some(entry) = entry(segment, next.line)? {
        if entry.end <= next.at || !takes(entry.end - from.at) {
            break;
        }
        next = Cursor {
            line: next.line + 1,
            at: entry.end,
        };
        records += u64::from(entry.is_record);
    }
    Ok((next, records))
}

/// Checks all lines of a segment, and returns the place between two of them that is at `at`.
pub(super) fn check_lines<S: Bytes>(segment: &mut S, at: usize) -> Result<Cursor, S::Error> {
    let mut cursor = Cursor::START;
    let mut found = (cursor.at == at).then_some(cursor);
    while let Some(entry) = entry(segment, cursor.line)? {
        let table = segment.length() - ENTRY * (cursor.line + 1);
        let is_within = entry.end > cursor.at && entry.end <= table;
        if !is_within || segment.byte(entry.end - 1)? != b'\n' {
            return Err(Invalid.into());
        }
        cursor = Cursor {
            line: cursor.line + 1,
            at: entry.end,
        };
        if cursor.at == at {
            found = Some(cursor);
        }
    }
    found.ok_or_else(|| Invalid.into())
}
