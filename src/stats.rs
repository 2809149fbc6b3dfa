//! What an appender has done, in figures.

use std::sync::atomic::{AtomicU16, AtomicU64, AtomicU8, Ordering};

/// What an appender and its clones have done, in records, except for `commits`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records that are in a file.
    pub written: u64,
    /// Number of successful commits: open, lock, write, unlock, close.
    pub commits: u64,
    /// How often a lock was tried again because somebody else held it.
    pub lock_retries: u64,
    /// Moves from one file to another, those back to the primary included.
    pub switches: u64,
    /// Files that this appender has renamed: because they were full, because their period was over, or
    /// because that was asked for.
    pub rotations: u64,
    /// Records in the backlog because no file has taken them yet. Those in a queue are not counted.
    pub pending: u64,
    /// Records given up because the backlog was full, because a queue was full while no file took
    /// records or is [`lossy`](crate::Builder::lossy), or because no file may get that large.
    pub dropped: u64,
    /// Where the queue of [`non_blocking`](crate::FileAppender::non_blocking) lies.
    pub queue: QueuePlace,
}

/// Where the queue of [`FileAppender::non_blocking`](crate::FileAppender::non_blocking) lies; of
/// several the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueuePlace {
    /// There is none.
    #[default]
    None,
    /// In a mapped file: what is queued outlives the process.
    File,
    /// On the heap, because there can be no such file: what is queued is gone when the process is
    /// killed.
    Heap,
}

/// The figures as they are counted: read without a lock, so that no reader waits.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// The number of the current file.
    pub(crate) current: AtomicU16,
    pub(crate) written: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) lock_retries: AtomicU64,
    pub(crate) switches: AtomicU64,
    pub(crate) rotations: AtomicU64,
    pub(crate) pending: AtomicU64,
    pub(crate) dropped: AtomicU64,
    queue: AtomicU8,
}

const FILE: u8 = QueuePlace::File as u8;
const HEAP: u8 = QueuePlace::Heap as u8;

impl Counters {
    pub(crate) fn set_queue(&self, place: QueuePlace) {
        self.queue.store(place as u8, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            written: get(&self.written),
            commits: get(&self.commits),
            lock_retries: get(&self.lock_retries),
            switches: get(&self.switches),
            rotations: get(&self.rotations),
            pending: get(&self.pending),
            dropped: get(&self.dropped),
            queue: match self.queue.load(Ordering::Relaxed) {
                FILE => QueuePlace::File,
                HEAP => QueuePlace::Heap,
                _ => QueuePlace::None,
            },
        }
    }
}
