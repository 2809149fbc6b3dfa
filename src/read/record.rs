//! A record that has been read.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::Level;

use super::line::{level_of, without_padding};
use super::parse_time;
use super::timestamp::{Timestamp, Zone};

/// A record of a log, read back by [`Merge`](crate::Merge).
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    bytes: Vec<u8>,
    path: Arc<Path>,
    timestamp: Option<SystemTime>,
}

impl Record {
    /// The record as it is in the file, with its newline.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The path of its file, with the name that the file had when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The time that it states, if it states one and the system can represent that.
    pub fn timestamp(&self) -> Option<SystemTime> {
        self.timestamp
    }

    /// The same without a copy.
    pub fn record_ref(&self) -> RecordRef<'_> {
        RecordRef {
            bytes: &self.bytes,
            path: &self.path,
            timestamp: self.timestamp.map(Timestamp::from),
            follows_gap: false,
            file: 0,
        }
    }

    /// Its level, as [`RecordRef::level`].
    pub fn level(&self) -> Option<Level> {
        level_of(&self.bytes)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("bytes", &String::from_utf8_lossy(&self.bytes))
            .field("path", &self.path)
            .field("timestamp", &self.timestamp)
            .finish()
    }
}

/// A record that is still in a buffer of [`Merge`](crate::Merge): see [`Merge::next_ref`](crate::Merge::next_ref).
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) path: &'a Arc<Path>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) follows_gap: bool,
    /// The number of its file.
    pub(super) file: usize,
}

impl<'a> RecordRef<'a> {
    /// The record as it is in the file, with its newline.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The path of its file, with the name that the file had when it was opened.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The time that it states, if it states one and the system can represent that.
    pub fn timestamp(&self) -> Option<SystemTime> {
        self.timestamp?.to_system_time()
    }

    /// Its level: the `level`, `severity` or `lvl` of a JSON record, as a name or a number of
    /// bunyan's or pino's; in a text record, the word after the time. A name of another logger
    /// stands for the nearest level of tracing: `fatal` is `ERROR`. The message of a panic is
    /// `ERROR`.
    pub fn level(&self) -> Option<Level> {
        level_of(self.bytes)
    }

    /// What follows the time of a record that is text.
    pub fn after_time(&self) -> Option<&'a [u8]> {
        let (_, rest) = parse_time::at_start(without_padding(self.bytes), &Zone::default())?;
        Some(rest)
    }

    /// Returns true if this is the first record after a gap: with
    /// [`context`](crate::MergeBuilder::context), records are left out between this one and the one
    /// returned before it.
    pub fn follows_gap(&self) -> bool {
        self.follows_gap
    }

    pub(super) fn to_kept(self) -> Kept {
        Kept {
            bytes: self.bytes.to_vec(),
            file: self.file,
            time: self.timestamp,
            follows_gap: self.follows_gap,
        }
    }

    /// A copy, but for [`follows_gap`](Self::follows_gap).
    pub fn to_record(&self) -> Record {
        Record {
            bytes: self.bytes.to_vec(),
            path: Arc::clone(self.path),
            timestamp: self.timestamp(),
        }
    }
}

impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_record().fmt(f)
    }
}

/// A copy of a record, with the number of its file in the place of the path.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    /// The number of its file.
    pub(crate) file: usize,
    pub(crate) time: Option<Timestamp>,
    /// Records before it are left out.
    pub(crate) follows_gap: bool,
}
