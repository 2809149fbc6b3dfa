//! A segment in the file of a process that is gone, read by pieces.

use std::io;
use std::ops::Range;

use super::format::HEADER;
use super::lines::{Bytes, Invalid, ENTRY};
use crate::sys::{self, File};

/// What is read at once. The segments of a queue of the default size are shorter.
const PIECE: usize = 1 << 20;

/// What is in memory of a segment.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    lines: Piece,
    table: Piece,
}

#[derive(Debug, Default)]
struct Piece {
    start: usize,
    bytes: Vec<u8>,
}

impl Piece {
    fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        let start = range.start.checked_sub(self.start)?;
        self.bytes.get(start..start + range.len())
    }
}

/// A segment of an open queue file. The file may be cut short or changed at any time, so each number
/// is checked whenever it is read.
#[derive(Debug)]
pub(super) struct FileSegment<'a> {
    file: &'a File,
    /// Where in the file it is.
    offset: u64,
    length: usize,
    pieces: &'a mut Pieces,
}

impl<'a> FileSegment<'a> {
    /// Segment number `index` of a file whose segments have `length` bytes.
    pub(super) fn new(
        file: &'a File,
        index: usize,
        length: usize,
        pieces: &'a mut Pieces,
    ) -> FileSegment<'a> {
        FileSegment {
            file,
            offset: HEADER as u64 + index as u64 * length as u64,
            length,
            pieces,
        }
    }

    /// The bytes of the range, which are in memory until something else is read.
    pub(super) fn bytes(&mut self, range: Range<usize>) -> io::Result<&[u8]> {
        if self.pieces.lines.get(range.clone()).is_none() {
            let end = range.end.max(range.start.saturating_add(PIECE));
            let piece = self.read(range.start..end)?;
            self.pieces.lines = piece;
        }
        Ok(self.pieces.lines.get(range).ok_or(Invalid)?)
    }

    /// Reads that part of it; all of a short segment.
    fn read(&self, part: Range<usize>) -> io::Result<Piece> {
        let part = match self.length <= PIECE {
            true => 0..self.length,
            false => part.start..part.end.min(self.length),
        };
        let mut bytes = vec![0; part.len()];
        let length = sys::read_at(self.file, &mut bytes, self.offset + part.start as u64)?;
        if length < bytes.len() {
            return Err(Invalid.into());
        }
        Ok(Piece {
            start: part.start,
            bytes,
        })
    }

    /// Each part of the range, one after the other.
    #[cfg(any(test, feature = "read"))]
    pub(super) fn for_each_piece(
        &mut self,
        range: Range<usize>,
        mut work: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + PIECE);
            work(self.bytes(at..end)?)?;
            at = end;
        }
        Ok(())
    }
}

impl Bytes for FileSegment<'_> {
    type Error = io::Error;

    fn length(&self) -> usize {
        self.length
    }

    fn byte(&mut self, at: usize) -> io::Result<u8> {
        Ok(self.bytes(at..at + 1)?[0])
    }

    /// The entries of later lines are before it.
    fn entry(&mut self, at: usize) -> io::Result<[u8; ENTRY]> {
        if self.length <= PIECE {
            return Ok(*self.bytes(at..at + ENTRY)?.first_chunk().ok_or(Invalid)?);
        }
        let range = at..at + ENTRY;
        if self.pieces.table.get(range.clone()).is_none() {
            let piece = self.read(range.end.saturating_sub(PIECE)..range.end)?;
            self.pieces.table = piece;
        }
        let bytes = self.pieces.table.get(range).ok_or(Invalid)?;
        Ok(*bytes.first_chunk().ok_or(Invalid)?)
    }
}

#[cfg(test)]
#[path = "segment_file_tests.rs"]
mod tests;
