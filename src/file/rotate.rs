//! A rotation, of a file that is due or on request: under its lock, if it is still the one at its path
//! and can be replaced.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::due::{LastLook, Rotation};
use super::error::CommitError;
use super::header::Header;
use super::lock_if_supported::with_lock;
use super::rename::{FamilyFile, Renamed};
use super::room_on_disk::room_for;
use crate::sys::{self, FailureScope, File};

/// The outcome of the check of a file before bytes go into it.
pub(super) enum Rotated {
    No,
    Yes(Renamed),
    /// It is not the file at the path any more.
    ByOthers,
    /// It was due.
    Failed(io::Error),
}

/// Rotates the file, which is locked, if that is due.
pub(super) fn rotate(
    file: &File,
    path: &Path,
    family_file: FamilyFile<'_>,
    bytes: &[u8],
    header: Header<'_>,
    rotation: Rotation<'_>,
    last_look: &mut LastLook,
) -> Result<Rotated, CommitError> {
    let found = file.metadata()?;
    // Some file systems do not count links.
    if sys::is_deleted(&found) && !sys::is_at(path, file).unwrap_or(false) {
        return Ok(Rotated::ByOthers);
    }
    let now = sys::now();
    let identity = rotation.calendar.and_then(|_| sys::identity_in(&found));
    let changed = last_look.or_earlier(identity, found.modified()?);
    if !rotation.is_due(found.len(), changed, bytes.len(), now) {
        *last_look = LastLook(identity.map(|identity| (identity, now)));
        return Ok(Rotated::No);
    }
    if header == Header::Unknown {
        // The new file needs it.
        return Err(CommitError::header_needed());
    }
    Ok(rename_locked(file, path, family_file, bytes))
}

/// Rotates the file at the path, without waiting for its lock. `None` if there is nothing in it, or if
/// another process rotates it at the same time.
pub(crate) fn rotate_on_request(
    path: &Path,
    family_file: FamilyFile<'_>,
) -> Result<Option<PathBuf>, CommitError> {
    let file = match sys::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    with_lock(file, |file, lock_unsupported| {
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
        match rename_locked(file, path, family_file, &[]) {
            Rotated::Yes(names) => Ok(Some(names.archive)),
            Rotated::No | Rotated::ByOthers => Ok(None),
            Rotated::Failed(cause) => {
                let scope = FailureScope::File(cause.kind());
                Err(CommitError::new(scope, cause))
            }
        }
    })
}

/// Rotates the file, which is locked, before `bytes` go into the new one.
pub(super) fn rename_locked(
    file: &File,
    path: &Path,
    family_file: FamilyFile<'_>,
    bytes: &[u8],
) -> Rotated {
    // Somebody may have done it between our open and our lock.
    match sys::is_at(path, file) {
        Ok(true) => {}
        Ok(false) => return Rotated::ByOthers,
        Err(error) if error.kind() == ErrorKind::NotFound => return Rotated::ByOthers,
        Err(error) => return Rotated::Failed(error),
    }
    // The new file would stay empty without room for the record.
    if let Err(error) = room_for(path, bytes) {
        return Rotated::Failed(error.cause);
    }
    match family_file.rename(path) {
        // A name under /proc follows the file through a rename.
        Ok(names) if sys::is_at(path, file).unwrap_or(false) => {
            let cause = io::Error::new(ErrorKind::Unsupported, "its name follows it");
            Rotated::Failed(names.undo().err().unwrap_or(cause))
        }
        Ok(names) => Rotated::Yes(names),
        Err(error) if error.kind() == ErrorKind::NotFound => Rotated::ByOthers,
        Err(cause) => Rotated::Failed(cause),
    }
}
