//! A commit that did not happen.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::sys::{self, FailureScope};

/// Why the bytes of a commit are not in the file.
#[derive(Debug)]
pub(crate) struct CommitError {
    pub(crate) scope: FailureScope,
    pub(super) cause: io::Error,
    /// A new file takes the bytes, and its header has yet to be made. Nothing was done.
    pub(crate) needs_header: bool,
    /// No file of this process may get as large as the bytes are.
    pub(crate) is_too_large: bool,
    /// A piece of the bytes may be at the file's end, without a newline.
    pub(crate) left_piece: bool,
    /// The number of bytes that are in the file and stay there. Records that end within them are
    /// written.
    pub(crate) left: usize,
}

impl CommitError {
    pub(super) fn new(scope: FailureScope, cause: io::Error) -> Self {
        CommitError {
            scope,
            cause,
            needs_header: false,
            is_too_large: false,
            left_piece: false,
            left: 0,
        }
    }

    /// An error that every other file in the same directory answers with as well.
    pub(super) fn of_directory(cause: io::Error) -> Self {
        CommitError::new(FailureScope::Directory, cause)
    }

    /// No file of this process may get as large as the bytes are.
    #[cold]
    pub(super) fn too_large(cause: io::Error) -> Self {
        CommitError {
            is_too_large: true,
            ..CommitError::of_directory(cause)
        }
    }

    /// A new file takes the bytes, and must begin with a header that has yet to be made. No other file
    /// is to be tried for that.
    #[cold]
    pub(super) fn header_needed() -> Self {
        CommitError {
            needs_header: true,
            ..CommitError::new(FailureScope::Process, ErrorKind::WouldBlock.into())
        }
    }

    /// The same error for the file at `path`: where that is a link, the disk and the directory that
    /// it leads to are not those of the other files.
    pub(crate) fn at(mut self, path: &Path) -> Self {
        if self.scope == FailureScope::Directory && sys::is_symlink(path) {
            self.scope = FailureScope::File(self.cause.kind());
        }
        self
    }

    /// Returns true if whole records of the commit's `bytes` are in the file.
    pub(crate) fn has_taken_some(&self, bytes: &[u8]) -> bool {
        bytes.iter().take(self.left).any(|byte| *byte == b'\n')
    }

    /// The cause, with an explanation where the system's text is not enough.
    pub(crate) fn into_cause(self) -> io::Error {
        match self.scope {
            FailureScope::Locked => {
                io::Error::new(ErrorKind::WouldBlock, "another process has it locked")
            }
            _ => self.cause,
        }
    }
}

impl From<io::Error> for CommitError {
    fn from(cause: io::Error) -> Self {
        CommitError::new(sys::scope(&cause), cause)
    }
}
