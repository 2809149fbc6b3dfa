//! Records that are given out in the opposite order.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

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
}

/// A record on a stack, without its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Stacked {
    start: usize,
    end: usize,
    /// The number of its file.
    pub(crate) file: usize,
    pub(crate) time: Option<Timestamp>,
}

impl Stack {
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        file: usize,
        time: Option<Timestamp>,
    ) -> io::Result<()> {
        if self.bytes.len() + bytes.len() > IN_MEMORY && !self.bytes.is_empty() {
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
        self.bytes.extend_from_slice(bytes);
        self.records.push(Stacked {
            start,
            end: self.bytes.len(),
            file,
            time,
        });
        Ok(())
    }

    /// Takes the last record off.
    pub(crate) fn pop(&mut self) -> io::Result<Option<(&[u8], Stacked)>> {
        if self.records.is_empty() {
            let (Some((length, records)), Some(file)) = (self.blocks.pop(), &mut self.file) else {
                return Ok(None);
            };
            self.bytes.resize(length, 0);
            let start = file.seek(SeekFrom::End(0))?.saturating_sub(length as u64);
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut self.bytes)?;
            file.set_len(start)?;
            self.records = records;
        }
        let Some(record) = self.records.pop() else {
            return Ok(None);
        };
        self.bytes.truncate(record.end);
        Ok(Some((&self.bytes[record.start..], record)))
    }
}
