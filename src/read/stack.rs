//! Records that are given out in the opposite order.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::record::{Kept, RecordRef};
use super::timestamp::Timestamp;

/// More than that goes to a temporary file.
const IN_MEMORY: usize = 16 * 1024 * 1024;

/// Takes records, and gives out the last one first.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    bytes: Vec<u8>,
    records: Vec<Stacked>,
    /// The older ones, in blocks: how many bytes, and the records.
    file: Option<File>,
    blocks: Vec<(usize, Vec<Stacked>)>,
    /// There is a gap behind the record that was taken off last.
    has_gap: bool,
}

/// A record on a stack, without its bytes.
#[derive(Clone, Debug)]
struct Stacked {
    start: usize,
    end: usize,
    file: usize,
    time: Option<Timestamp>,
    follows_gap: bool,
}

impl Stack {
    pub(crate) fn push(&mut self, record: &RecordRef<'_>) -> io::Result<()> {
        if self.bytes.len() + record.bytes.len() > IN_MEMORY && !self.bytes.is_empty() {
            let to = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            to.write_all(&self.bytes)?;
            self.blocks
                .push((self.bytes.len(), std::mem::take(&mut self.records)));
            self.bytes.clear();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record.bytes);
        self.records.push(Stacked {
            start,
            end: self.bytes.len(),
            file: record.file,
            time: record.timestamp,
            follows_gap: record.follows_gap,
        });
        Ok(())
    }

    /// Takes the last record off; returns false if there is none.
    pub(crate) fn pop(&mut self, popped: &mut Option<Kept>) -> io::Result<bool> {
        if self.records.is_empty() {
            let (Some((length, records)), Some(file)) = (self.blocks.pop(), &mut self.file) else {
                *popped = None;
                return Ok(false);
            };
            self.bytes.resize(length, 0);
            let start = file.seek(SeekFrom::End(0))?.saturating_sub(length as u64);
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut self.bytes)?;
            file.set_len(start)?;
            self.records = records;
        }
        let Some(record) = self.records.pop() else {
            *popped = None;
            return Ok(false);
        };
        let mut bytes = popped.take().map_or_else(Vec::new, |before| before.bytes);
        bytes.clear();
        bytes.extend_from_slice(&self.bytes[record.start..record.end]);
        *popped = Some(Kept {
            bytes,
            file: record.file,
            time: record.time,
            // What follows a gap in one direction is before it in the other.
            follows_gap: std::mem::replace(&mut self.has_gap, record.follows_gap),
        });
        self.bytes.truncate(record.start);
        Ok(true)
    }
}
