//! The last lines of a followed file, the last one first.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use memchr::memrchr;

use super::line::Line as Kind;
use super::timestamp::{Timestamp, Zone};
use super::while_locked::read_while_locked;

/// Bytes of the first read; each further one is twice as long, up to the maximum.
const FIRST: usize = 4 * 1024;
const MOST: usize = 1024 * 1024;

/// Of a longer line only the end is returned, as if it were a line.
pub(crate) const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// Reads a part of a file line by line, from the last one on.
pub(crate) struct ReverseLines<'a> {
    file: &'a File,
    zone: &'a Zone,
    start: u64,
    /// Where in the file the last of `blocks` begins.
    offset: u64,
    /// The bytes read of the next line and of those before it, in blocks, the last block first.
    blocks: Vec<Vec<u8>>,
    step: usize,
}

/// Where a line begins, what time it begins with, and whether it has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) offset: u64,
    pub(crate) time: Option<Timestamp>,
    pub(crate) is_whole: bool,
}

impl<'a> ReverseLines<'a> {
    pub(crate) fn new(file: &'a File, part: Range<u64>, zone: &'a Zone) -> Self {
        ReverseLines {
            file,
            zone,
            start: part.start,
            offset: part.end.max(part.start),
            blocks: Vec::new(),
            step: FIRST,
        }
    }

    /// Reads the bytes before those that are there.
    fn read(&mut self) -> io::Result<()> {
        let from = self.offset.saturating_sub(self.step as u64).max(self.start);
        let mut block = vec![0; usize::try_from(self.offset - from).unwrap_or(0)];
        let mut file = self.file;
        read_while_locked(|| {
            file.seek(SeekFrom::Start(from))?;
            file.read_exact(&mut block)
        })?;
        self.offset = from;
        self.blocks.push(block);
        self.step = (self.step * 2).min(MOST);
        Ok(())
    }

    /// Where the next line begins, if that is in the last block. The newline at its own end is not
    /// the end of the line before it.
    fn begin(&self) -> Option<usize> {
        let block = self.blocks.last()?;
        let before = match self.blocks.len() {
            1 => block.len().saturating_sub(1),
            _ => block.len(),
        };
        memrchr(b'\n', &block[..before]).map(|newline| newline + 1)
    }
}

impl Iterator for ReverseLines<'_> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        let begin = loop {
            if let Some(begin) = self.begin() {
                break begin;
            }
            let length: usize = self.blocks.iter().map(Vec::len).sum();
            if self.offset == self.start || length > LONGEST_LINE {
                break 0;
            }
            if let Err(error) = self.read() {
                self.offset = self.start;
                self.blocks.clear();
                return Some(Err(error));
            }
        };
        let mut rest = self.blocks.pop()?;
        let mut line = rest.split_off(begin);
        for block in self.blocks.drain(..).rev() {
            line.extend_from_slice(&block);
        }
        if !rest.is_empty() {
            self.blocks.push(rest);
        }
        (!line.is_empty()).then(|| {
            Ok(Line {
                offset: self.offset + begin as u64,
                time: Kind::of(&line, self.zone).time(),
                is_whole: line.ends_with(b"\n"),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::numbers::Numbers;

    #[test]
    fn the_lines_are_those_of_the_file() {
        let mut numbers = Numbers::new(1);
        for _ in 0..256 {
            let mut text = String::new();
            for _ in 0..numbers.below(20) {
                let length = match numbers.below(2) {
                    0 => numbers.below(100),
                    _ => 3_000 + numbers.below(17_000),
                };
                text += &format!("2026-11-23T07:55:01Z {}\n", "x".repeat(length as usize));
            }
            if numbers.below(2) == 0 {
                text.pop();
            }
            let start = (numbers.below(200) as usize).min(text.len());
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let mut offset = start as u64;
            let mut expected = Vec::new();
            for line in text.as_bytes()[start..].split_inclusive(|byte| *byte == b'\n') {
                expected.push(Line {
                    offset,
                    time: Kind::of(line, &Zone::default()).time(),
                    is_whole: line.ends_with(b"\n"),
                });
                offset += line.len() as u64;
            }
            expected.reverse();
            let part = start as u64..text.len() as u64;
            let found: Result<Vec<_>, _> =
                ReverseLines::new(&file, part, &Zone::default()).collect();
            assert_eq!(found.unwrap(), expected);
        }
    }
}
