//! The options of an appender, as the rooms that act on them read them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::file::CommitOptions;
use crate::retention::{Compression, Limits};
use crate::sys;

/// What a [`Builder`](crate::Builder) has been told.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) lock_wait: Duration,
    pub(crate) max_variants: u16,
    pub(crate) return_to_primary: Option<Duration>,
    pub(crate) queue: QueueOptions,
    pub(crate) backlog_limit: usize,
    pub(crate) commit: CommitOptions,
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
    /// What comes when it is full is dropped.
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
        const BATCH: usize = 64 * 1024;
        let limit = usize::try_from(sys::read_size_limit()).unwrap_or(usize::MAX);
        let batch = BATCH.min(limit);
        let rotation = self.commit.rotation;
        rotation.map_or(batch, |rotation| rotation.batch(batch))
    }
}
