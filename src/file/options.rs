//! What a commit is told: what is appended, to which file, and how.

use std::io;
use std::path::Path;

use super::due::Rotation;
use super::header::Header;
use super::rename::FamilyFile;
use crate::sys::File;

/// What is appended to which file.
#[derive(Clone, Copy)]
pub(crate) struct Commit<'a> {
    pub(crate) path: &'a Path,
    pub(crate) file: FamilyFile<'a>,
    pub(crate) payload: Payload<'a>,
    pub(crate) options: CommitOptions<'a>,
}

/// Whether a record is forced onto the disk before the call that logs returns: see what survives
/// what in the [crate's documentation](crate#what-survives-what).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// The operating system writes to the disk when it sees fit. The default.
    #[default]
    Never,
    /// Each commit ends with [`File::sync_data`](std::fs::File::sync_data), with the lock held, and on Unix the one that makes
    /// a file with a sync of the directory that the file is in: for audit logs. Under
    /// [`non_blocking`](crate::FileAppender::non_blocking) that is once a batch. A directory that
    /// the process may not read can't be synced, and is left out.
    ///
    /// A record that can't be synced is taken back, as one that can't be written, and waits in the
    /// backlog. Where it can't be taken back either it will be in the file twice, rather than not
    /// at all.
    EveryCommit,
}

/// What a commit appends.
#[derive(Clone, Copy)]
pub(crate) struct Payload<'a> {
    /// Whole records.
    pub(crate) bytes: &'a [u8],
    /// Called before the bytes are written: a queue notes here what it needs to find out after a
    /// kill how many of them are in the file.
    pub(crate) before_write: Option<BeforeWrite<'a>>,
}

/// An error ends the commit.
pub(crate) type BeforeWrite<'a> = &'a dyn Fn(PendingWrite<'_>) -> io::Result<()>;

/// A write that comes next, while this process has the file's lock.
pub(crate) struct PendingWrite<'a> {
    pub(crate) file: &'a File,
    /// Of the file in its family.
    pub(crate) number: u16,
    /// Where the file ends.
    pub(crate) offset: u64,
    /// A newline is written before the bytes, because the file's last line is torn.
    pub(crate) newline: bool,
}

/// How a log's files are made and written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommitOptions<'a> {
    pub(crate) rotation: Option<Rotation<'a>>,
    pub(crate) sync: SyncPolicy,
    /// The permissions of a new file, on Unix.
    pub(crate) mode: Option<u32>,
    /// The file's name is synced with its first commit, whichever process made it: that one may have
    /// failed, or been killed, before it did so.
    pub(crate) sync_name: bool,
    pub(crate) header: Header<'a>,
}
