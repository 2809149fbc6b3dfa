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
    let mut lock = FileLock::new(file);
    let refused = loop {
        match lock.try_write() {
            // The guard's end unlocks before the handle's end closes: if the file were only closed,
            // a child that is forked meanwhile would keep the lock.
            Ok(file) => return work(&file, None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    if sys::locks_unsupported(&refused) {
        return work(&lock.into_inner(), Some(refused));
    }
    Err(match sys::scope(&refused) {
        FailureScope::Locked => CommitError::new(FailureScope::Locked, refused),
        // Any other failure of a lock concerns every file of the directory.
        _ => CommitError::of_directory(refused),
    })
}
