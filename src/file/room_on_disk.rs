//! Room for a record on the disk, before a file is made for it: a full disk leaves no empty file.

use std::io::Write;
use std::path::Path;

use super::error::CommitError;
use crate::sys;

/// Fails if there is no room for a new file of `bytes` at the path, or where a link there leads to.
pub(super) fn room_for(path: &Path, bytes: &[u8]) -> Result<(), CommitError> {
    // The limit on the size of files holds for every file of the family.
    sys::check_size(bytes.len() as u64).map_err(CommitError::too_large)?;
    let target = sys::canonical(path);
    match target.parent() {
        // Only a write shows whether there is room: into a file that no other process can open, and
        // that is removed when it is closed.
        Some(directory) if sys::may_be_full(directory, bytes.len()) => {
            Ok(sys::temporary_file(directory)?.write_all(bytes)?)
        }
        _ => Ok(()),
    }
}
