//! Which file of a stream has the next record.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::mem;
use std::sync::Arc;

use super::log_file::LogFile;
use super::read_ahead::{FileAhead, ReadAhead};
use super::record_reader::RecordReader;
use super::timestamp::Timestamp;
use crate::sys;

/// If more files than this are read at once, the compressed ones share a temporary file, so that
/// they take no memory and no descriptor each.
const MAX_SEPARATE: usize = 100;

/// The files that are read at once.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    number: usize,
    /// The content of compressed files, where these are many.
    content: Option<Arc<File>>,
}

impl OpenFiles {
    pub(crate) fn add(&mut self, file: &mut LogFile) -> io::Result<()> {
        self.number += 1;
        match self.number > MAX_SEPARATE && file.is_sequential() {
            true => file.decompress_into(&mut self.content),
            false => Ok(()),
        }
    }

    pub(crate) fn are_several(&self) -> bool {
        self.number > 1
    }

    pub(crate) fn remove(&mut self) {
        self.number = self.number.saturating_sub(1);
    }
}

/// How far a file is read.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Its turn has not come yet.
    Waiting(Box<LogFile>),
    Open(Box<RecordReader>),
    /// A second thread reads it.
    Ahead(Box<FileAhead>),
    Done,
}

/// The files of a stream, and the thread that reads some of them.
#[derive(Debug)]
pub(crate) struct Slots {
    pub(crate) files: Vec<Slot>,
    pub(crate) ahead: Option<ReadAhead>,
    /// The generation of the process whose stream it is.
    generation: u32,
}

impl Slots {
    pub(crate) fn new() -> Self {
        Slots {
            files: Vec::new(),
            ahead: None,
            generation: sys::generation(),
        }
    }

    /// Returns true in a forked child of the process whose stream it is.
    #[inline]
    pub(crate) fn are_inherited(&self) -> bool {
        self.generation != sys::generation()
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        if self.are_inherited() {
            // The thread may have had a lock that is for ever held here.
            mem::forget((mem::take(&mut self.files), self.ahead.take()));
        }
    }
}

impl Slot {
    /// The number of bytes that are left to be read, if the file can be read ahead.
    pub(crate) fn length_ahead(&self) -> u64 {
        match self {
            Slot::Waiting(file) if file.may_be_read_ahead() => file.length(),
            _ => 0,
        }
    }

    /// The next record of an open file, its time, and what it is sorted by.
    #[inline]
    pub(crate) fn record(&self) -> Option<(&[u8], Option<Timestamp>, Option<Timestamp>)> {
        match self {
            Slot::Open(reader) => reader.record(),
            Slot::Ahead(ahead) => ahead.record(),
            Slot::Waiting(_) | Slot::Done => None,
        }
    }
}

/// A file, ordered by its next record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) key: Option<Timestamp>,
    pub(crate) file: usize,
    backward: bool,
}

impl Turn {
    pub(crate) fn new(key: Option<Timestamp>, file: usize, backward: bool) -> Self {
        Turn {
            key,
            file,
            backward,
        }
    }
}

impl Ord for Turn {
    /// The greatest is the next, as a [`BinaryHeap`](std::collections::BinaryHeap) returns it
    /// first.
    fn cmp(&self, other: &Self) -> Ordering {
        let order = (self.key, self.file).cmp(&(other.key, other.file));
        match self.backward {
            false => order.reverse(),
            true => order,
        }
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
