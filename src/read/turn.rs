//! The files of a stream, and the order in which they have their turns.

use std::cmp::Ordering;

use super::log_file::LogFile;
use super::record_reader::RecordReader;
use super::timestamp::Timestamp;

/// How far a file is read.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Its turn has not come yet.
    Waiting(Box<LogFile>),
    Open(Box<RecordReader>),
    Done,
}

/// Which file has the next record.
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
    /// The greatest is the next.
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
