//! What an appender knows of its files from one commit to the next.

use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use super::current::CurrentFile;
use super::make_header::{is_in_header, HeaderText};
use super::pending_notices::PendingNotices;
use super::return_to_primary::ReturnToPrimary;
use crate::file::{BeforeWrite, Rotations, Tail};

/// Whole records that go into one file in one commit.
#[derive(Clone, Copy)]
pub(super) struct Records<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) count: u64,
    /// Called with the lock of a file, before it takes the bytes.
    pub(super) before_write: Option<BeforeWrite<'a>>,
}

#[derive(Debug)]
pub(super) struct FileState {
    pub(super) current: CurrentFile,
    pub(super) returning: ReturnToPrimary,
    pub(super) notices: PendingNotices,
    /// What one commit has rotated.
    pub(super) rotations: Rotations,
    pub(super) header: HeaderText,
    /// The lock was waited for in vain by a call that then had to make a header first.
    pub(super) has_waited: bool,
    /// The warning that the file system has no locks was given.
    pub(super) warned_of_no_locks: bool,
}

impl FileState {
    pub(super) fn new(current: CurrentFile, return_to_primary: Option<Duration>) -> Self {
        FileState {
            current,
            returning: ReturnToPrimary::new(return_to_primary),
            notices: PendingNotices::default(),
            rotations: Rotations::default(),
            header: HeaderText::default(),
            has_waited: false,
            warned_of_no_locks: false,
        }
    }

    /// The number and the path of the current file.
    pub(super) fn current_file(&self) -> (u16, PathBuf) {
        (self.current.number, self.current.path.clone())
    }

    /// Has the next commit rotate the current file.
    pub(super) fn rotate_first(&mut self) {
        self.current.rotate_first = true;
    }

    /// Begins a turn, for the second time if there is a text.
    pub(super) fn begin_with_header(&mut self, text: Option<String>) {
        self.has_waited &= text.is_some();
        self.header = text.map_or(HeaderText::Unknown, HeaderText::Known);
    }

    /// Ends a turn. Returns true if it has to be done again with a header.
    pub(super) fn end_with_header(&mut self) -> bool {
        let was = mem::replace(&mut self.header, HeaderText::Unknown);
        matches!(was, HeaderText::Wanted) && !is_in_header()
    }

    /// The current file has been rotated; there is none at its path, as far as is known.
    pub(super) fn rotated_current(&mut self) {
        self.current.tail = Tail::new(None);
        self.current.rotate_first = false;
        self.current.name_synced = false;
    }
}
