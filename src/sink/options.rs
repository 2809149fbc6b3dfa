//! The options of an appender, in the form in which they are acted on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::file::{Calendar, Rotation, SyncPolicy};
use crate::retention::{Compression, Limits};
use crate::sys;

const BATCH: usize = 64 * 1024;

/// The options that a [`Builder`](crate::Builder) has collected.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) lock_wait: Duration,
    pub(crate) max_variants: u16,
    pub(crate) return_to_primary: Option<Duration>,
    pub(crate) queue: QueueOptions,
    pub(crate) backlog_limit: usize,
    pub(crate) max_file_size: Option<u64>,
    pub(crate) calendar: Option<Calendar>,
    pub(crate) rotate_on_start: bool,
    pub(crate) sync: SyncPolicy,
    /// The permissions of a new file, on Unix.
    pub(crate) mode: Option<u32>,
    pub(crate) limits: Limits,
    pub(crate) compression: Compression,
    /// A link to the current file; on Unix.
    pub(crate) latest: Option<PathBuf>,
}

/// The queue of `non_blocking`.
#[derive(Clone, Debug)]
pub(crate) struct QueueOptions {
    /// In bytes.
    pub(crate) size: usize,
    /// The log's directory if it is `None`.
    pub(crate) directory: Option<PathBuf>,
    /// A record that comes when the queue is full is dropped.
    pub(crate) lossy: bool,
}

impl QueueOptions {
    pub(crate) const MAX_SIZE: usize = 2 << 30;

    /// The length of each of the two segments: whole pages.
    pub(crate) fn segment(&self) -> usize {
        const PAGE: usize = 4096;
        let half = self.size.min(QueueOptions::MAX_SIZE) / 2;
        half.max(1).next_multiple_of(PAGE)
    }

    pub(crate) fn directory<'a>(&'a self, primary: &'a Path) -> &'a Path {
        let of_log = || primary.parent().unwrap_or(primary);
        self.directory.as_deref().unwrap_or_else(of_log)
    }
}

impl Options {
    /// The maximum number of bytes in a commit of more than one record: large enough that the system
    /// calls do not count, small enough that memory stays bounded, others get their turn, and no file
    /// gets larger than it may.
    pub(crate) fn batch(&self) -> usize {
        self.batch_of(BATCH)
    }

    /// The same of a queue, which has no copy of them: a file system takes large writes at less cost a
    /// byte. A file that is rotated by its size may lack a sixteenth of that, or [`BATCH`].
    pub(crate) fn queue_batch(&self) -> usize {
        const MAX: usize = 4 * BATCH;
        let share = self.max_file_size.map_or(MAX as u64, |size| size / 16);
        self.batch_of(share.clamp(BATCH as u64, MAX as u64) as usize)
    }

    fn batch_of(&self, most: usize) -> usize {
        let limit = usize::try_from(sys::read_size_limit()).unwrap_or(usize::MAX);
        let batch = most.min(limit);
        self.rotation()
            .map_or(batch, |rotation| rotation.batch(batch))
    }

    /// When a file is rotated, if that was asked for.
    #[inline]
    pub(crate) fn rotation(&self) -> Option<Rotation<'_>> {
        let rotation = Rotation {
            max_size: self.max_file_size,
            calendar: self.calendar.as_ref(),
            at_once: false,
            is_of_period: false,
        };
        let is_asked_for =
            self.max_file_size.is_some() || self.calendar.is_some() || self.rotate_on_start;
        is_asked_for.then_some(rotation)
    }
}
