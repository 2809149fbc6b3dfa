//! The handle of one commit: the file that is there, or else a new one.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::error::CommitError;
use super::header::Header;
use super::room_on_disk::room_for;
use crate::sys::{self, FailureScope, File};

/// How often a file that is missing is made: others may make or remove it, or its directory, at the
/// same time.
const MAX_ATTEMPTS: u32 = 3;

/// An open file.
pub(super) struct Opened {
    pub(super) file: File,
    /// This open made it.
    pub(super) created: bool,
}

/// Opens the file at `path`, or makes it for `bytes`.
#[inline]
pub(super) fn open(
    path: &Path,
    bytes: &[u8],
    mode: Option<u32>,
    header: Header<'_>,
) -> Result<Opened, CommitError> {
    match sys::open(path) {
        Ok(file) => Ok(Opened {
            file,
            created: false,
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => create(path, bytes, mode, header),
        Err(error) => Err(error.into()),
    }
}

/// Makes a file that was missing, and its directory if that has gone since.
///
/// On a full disk it is not made: it would stay, empty, as another process may have opened it before
/// it could be removed again.
#[cold]
fn create(
    path: &Path,
    bytes: &[u8],
    mode: Option<u32>,
    header: Header<'_>,
) -> Result<Opened, CommitError> {
    if header == Header::Unknown {
        // The file would stay empty if another one takes the record after all.
        return Err(CommitError::header_needed());
    }
    for _ in 0..MAX_ATTEMPTS {
        room_for(path, bytes)?;
        match sys::create(&link_target(path), mode) {
            Ok(file) => {
                return Ok(Opened {
                    file,
                    created: true,
                })
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(directory) = path.parent() {
                    sys::create_dir_all(directory).map_err(CommitError::of_directory)?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        match sys::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => {
                return Ok(Opened {
                    file: opened?,
                    created: false,
                })
            }
        }
    }
    let cause = io::Error::from(ErrorKind::NotFound);
    Err(match sys::is_symlink(path) {
        // It leads to where no file can be made.
        true => CommitError::new(FailureScope::File(ErrorKind::NotFound), cause),
        false => CommitError::of_directory(cause),
    })
}

/// The path of the file that `path` leads to, whether it exists or not.
pub(super) fn link_target(path: &Path) -> Cow<'_, Path> {
    match sys::is_symlink(path) {
        true => Cow::Owned(sys::canonical(path)),
        false => Cow::Borrowed(path),
    }
}
