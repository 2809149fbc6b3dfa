//! The rename of a rotation that was asked for, under the lock of the file.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::CommitError;
use super::lock_if_supported::with_lock;
use super::rename::FamilyFile;
use super::rotate::{rotate_now, Rotated};
use crate::sys::{self, FailureScope};

/// Rotates the file at the path, without waiting for its lock. `None` if there is nothing in it, or
/// if another process rotates it at the same time.
pub(crate) fn rotate_on_request(
    path: &Path,
    family_file: FamilyFile<'_>,
    spin: Duration,
) -> Result<Option<PathBuf>, CommitError> {
    let file = match sys::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    with_lock(file, spin, |file, lock_unsupported| {
        if let Some(cause) = lock_unsupported {
            let cause = io::Error::new(
                ErrorKind::Unsupported,
                format!("nothing is rotated without locks: {cause}"),
            );
            return Err(CommitError::of_directory(cause));
        }
        if file.metadata()?.len() == 0 {
            return Ok(None);
        }
        match rotate_now(file, path, family_file, &[]) {
            Rotated::Yes(names) => Ok(Some(names.archive)),
            Rotated::No | Rotated::ByOthers => Ok(None),
            Rotated::Failed(cause) => {
                let scope = FailureScope::File(cause.kind());
                Err(CommitError::new(scope, cause))
            }
        }
    })
}
