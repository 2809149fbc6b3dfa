//! The lock of one commit, and what is done on a file system that has no locks: which errors mean
//! that, and which that another process has the lock.

use std::io::{self, ErrorKind};

use super::error::CommitError;
use crate::sys::{self, FailureScope, File, FileLock};

/// Runs `work` with the file locked, without waiting for the lock.
///
/// Where the file system has no locks, `work` runs without one, and gets the error of the lock.
#[inline]
pub(crate) fn with_lock<T>(
    file: File,
    work: impl FnOnce(&File, Option<io::Error>) -> Result<T, CommitError>,
) -> Result<T, CommitError> {
    let mut lock = FileLock::new(&file);
    // The guard's end unlocks before the handle's end closes: if the file were only closed, a child
    // that is forked meanwhile would keep the lock.
    let (_guard, unsupported) = loop {
        match lock.try_write() {
            Ok(guard) => break (Some(guard), None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if sys::locks_unsupported(&error) => break (None, Some(error)),
            Err(error) => return Err(refused(error)),
        }
    };
    work(&file, unsupported)
}

#[cold]
fn refused(cause: io::Error) -> CommitError {
    match sys::scope(&cause) {
        FailureScope::Locked => CommitError::new(FailureScope::Locked, cause),
        // Any other failure of a lock concerns every file of the directory.
        _ => CommitError::of_directory(cause),
    }
}
