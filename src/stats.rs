//! What an appender has done, in figures.

/// What an appender and its clones have done, in records, except for `commits`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records that are in a file.
    pub written: u64,
    /// Open, lock, write, unlock, close: how often that was done with success.
    pub commits: u64,
    /// How often a lock was tried again because somebody else held it.
    pub lock_retries: u64,
    /// Moves from one file to another, those back to the primary included.
    pub switches: u64,
    /// Files that this appender has renamed because they were full or their period was over.
    pub rotations: u64,
    /// Records in memory because no file has taken them yet.
    pub pending: u64,
    /// Records given up because the backlog was full.
    pub dropped: u64,
}
