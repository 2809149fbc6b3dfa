//! The lines of a file from its end on.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use memchr::memrchr;

use super::timestamp::Timestamp;

const STEP: u64 = 64 * 1024;

/// Reads a part of a file line by line, from the last one on.
pub(crate) struct Backwards<'a> {
    file: &'a File,
    start: u64,
    /// Where in the file `bytes` begin.
    offset: u64,
    bytes: Vec<u8>,
}

/// Where a line begins, what time it begins with, and whether it has an end.
pub(crate) struct Line {
    pub(crate) offset: u64,
    pub(crate) time: Option<Timestamp>,
    pub(crate) is_whole: bool,
}

impl<'a> Backwards<'a> {
    pub(crate) fn new(file: &'a File, part: Range<u64>) -> Self {
        Backwards {
            file,
            start: part.start,
            offset: part.end.max(part.start),
            bytes: Vec::new(),
        }
    }

    /// Reads the bytes before those that are there.
    fn read(&mut self) -> io::Result<()> {
        let from = self.offset.saturating_sub(STEP).max(self.start);
        let mut bytes = vec![0; usize::try_from(self.offset - from).unwrap_or(0)];
        let mut file = self.file;
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut bytes)?;
        bytes.append(&mut self.bytes);
        self.bytes = bytes;
        self.offset = from;
        Ok(())
    }
}

impl Iterator for Backwards<'_> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        let begin = loop {
            // Its own newline does not end the line before it.
            let before = self.bytes.len().saturating_sub(1);
            if let Some(newline) = memrchr(b'\n', &self.bytes[..before]) {
                break newline + 1;
            }
            if self.offset == self.start {
                break 0;
            }
            if let Err(error) = self.read() {
                self.offset = self.start;
                self.bytes.clear();
                return Some(Err(error));
            }
        };
        let line = &self.bytes[begin..];
        let found = Line {
            offset: self.offset + begin as u64,
            time: Timestamp::of_line(line),
            is_whole: line.ends_with(b"\n"),
        };
        let is_empty = line.is_empty();
        self.bytes.truncate(begin);
        (!is_empty).then_some(Ok(found))
    }
}
