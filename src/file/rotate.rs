//! A rotation: whether the file is due, is still the one at its path, and can be replaced; then the
//! rename.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::due::{LastLook, Rotation};
use super::error::CommitError;
use super::header::Header;
use super::rename::{FamilyFile, Renamed};
use super::room_on_disk::room_for;
use crate::sys::{self, File};

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
    Ok(rotate_now(file, path, family_file, bytes))
}

/// Rotates the file, which is locked, before `bytes` go into the new one.
pub(super) fn rotate_now(
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
