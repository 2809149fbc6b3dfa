//! Records that are returned in the opposite order.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem;

use super::record::{Kept, RecordRef};
use super::timestamp::Timestamp;

/// Bytes kept in memory; the rest goes to a temporary file.
const IN_MEMORY: usize = 16 * 1024 * 1024;

/// Takes records, and returns the last one first.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    /// The latest records, each with its [`Footer`] behind it.
    bytes: Vec<u8>,
    /// The older ones, in blocks of these lengths.
    file: Option<File>,
    blocks: Vec<usize>,
    /// There is a gap behind the record that was taken off last.
    has_gap: bool,
}

/// What a record has besides its bytes. It is stored among the bytes, as records may have a single
/// byte each, and an allocation each would take far more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Footer {
    length: u64,
    file: u64,
    time: Option<Timestamp>,
    follows_gap: bool,
}

impl Footer {
    const LENGTH: usize = 4 * 8;

    fn encode(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let time = self.time.map_or(0, Timestamp::stored) as u64;
        let fields = [self.length, self.file, time, self.follows_gap.into()];
        for (place, field) in bytes.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_ne_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; Self::LENGTH]) -> Self {
        let mut fields = [0; Self::LENGTH / 8];
        for (field, place) in fields.iter_mut().zip(bytes.chunks_exact(8)) {
            *field = place.try_into().map_or(0, u64::from_ne_bytes);
        }
        let [length, file, time, follows_gap] = fields;
        Footer {
            length,
            file,
            time: Timestamp::of_stored(time as i64),
            follows_gap: follows_gap != 0,
        }
    }
}

impl Stack {
    pub(crate) fn push(&mut self, record: &RecordRef<'_>) -> io::Result<()> {
        let length = record.bytes.len() + Footer::LENGTH;
        if self.bytes.len() + length > IN_MEMORY && !self.bytes.is_empty() {
            let to = match &mut self.file {
                Some(file) => file,
                none => none.insert(tempfile::tempfile()?),
            };
            to.write_all(&self.bytes)?;
            self.blocks.push(self.bytes.len());
            self.bytes.clear();
        }
        let footer = Footer {
            length: record.bytes.len() as u64,
            file: record.file as u64,
            time: record.timestamp,
            follows_gap: record.follows_gap,
        };
        self.bytes.extend_from_slice(record.bytes);
        self.bytes.extend_from_slice(&footer.encode());
        Ok(())
    }

    /// Takes the last record off; returns false if there is none.
    pub(crate) fn pop(&mut self, popped: &mut Option<Kept>) -> io::Result<bool> {
        if self.bytes.is_empty() {
            if let (Some(length), Some(file)) = (self.blocks.pop(), &mut self.file) {
                self.bytes.resize(length, 0);
                let start = file.seek(SeekFrom::End(0))?.saturating_sub(length as u64);
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(&mut self.bytes)?;
                file.set_len(start)?;
            }
        }
        let Some((records, footer)) = self.bytes.split_last_chunk() else {
            *popped = None;
            return Ok(false);
        };
        let footer = Footer::decode(footer);
        let start = records.len() - footer.length as usize;
        let mut bytes = popped.take().map_or_else(Vec::new, |before| before.bytes);
        bytes.clear();
        bytes.extend_from_slice(&records[start..]);
        self.bytes.truncate(start);
        *popped = Some(Kept {
            bytes,
            file: footer.file as usize,
            time: footer.time,
            // What follows a gap in one direction is before it in the other.
            follows_gap: mem::replace(&mut self.has_gap, footer.follows_gap),
        });
        Ok(true)
    }
}
