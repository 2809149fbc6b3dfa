//! A segment, half of a queue: lines one after the other, and where each ends.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::format;
use super::lines::{self, ENTRY, SEGMENT_HEADER};
use crate::sys::Mapping;

/// Where the bytes of a segment lie.
pub(super) enum Memory {
    Heap(Box<[u8]>),
    Mapped(Mapping),
}

impl Deref for Memory {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Memory::Heap(bytes) => bytes,
            Memory::Mapped(bytes) => bytes,
        }
    }
}

impl DerefMut for Memory {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Memory::Heap(bytes) => bytes,
            Memory::Mapped(bytes) => bytes,
        }
    }
}

/// Lines are appended to one segment while the other one is written to the log.
pub(super) struct Segment {
    memory: Memory,
    sequence: u64,
    lines: usize,
    end: usize,
}

impl Segment {
    /// The bytes are zero.
    pub(super) fn new(memory: Memory) -> Self {
        Segment {
            memory,
            sequence: 0,
            lines: 0,
            end: SEGMENT_HEADER,
        }
    }

    /// A segment in which no line fits.
    pub(super) fn none() -> Self {
        Segment::new(Memory::Heap(Box::default()))
    }

    /// The length of the longest line that a segment of `length` bytes has room for.
    pub(super) fn capacity(length: usize) -> usize {
        length.saturating_sub(SEGMENT_HEADER + ENTRY)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// Takes it into use. Sequence numbers grow.
    pub(super) fn open(&mut self, sequence: u64) {
        self.sequence = sequence;
        format::open_segment(&mut self.memory, sequence);
    }

    pub(super) fn has_room(&self, line: usize) -> bool {
        self.end + line + ENTRY * (self.lines + 1) <= self.memory.len()
    }

    /// Returns true if a quarter of it is full: if the worker rested on, callers would soon wait
    /// for room.
    #[inline]
    pub(super) fn is_filling(&self) -> bool {
        self.end > self.memory.len() / 4
    }

    /// Appends a line, if there is room for it. When this returns, the line survives a kill.
    #[inline]
    pub(super) fn append(&mut self, line: &[u8], is_record: bool) -> bool {
        let bytes: &mut [u8] = &mut self.memory;
        let end = self.end + line.len();
        if end + ENTRY * (self.lines + 1) > bytes.len() {
            return false;
        }
        bytes[self.end..end].copy_from_slice(line);
        lines::in_order();
        lines::publish(bytes, self.lines, end, is_record);
        self.lines += 1;
        self.end = end;
        true
    }

    /// Takes it out of use. All its lines are in a log.
    pub(super) fn close(&mut self) {
        format::close_segment(&mut self.memory, self.lines);
        self.lines = 0;
        self.end = SEGMENT_HEADER;
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("sequence", &self.sequence)
            .field("lines", &self.lines)
            .finish()
    }
}
