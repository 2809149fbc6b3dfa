//! Compressed archives. Without the feature `gzip` none is made, but what other programs have made
//! is listed, removed and cleaned up.

#[cfg(feature = "gzip")]
#[path = "enabled.rs"]
mod compressor;
#[cfg(not(feature = "gzip"))]
#[path = "disabled.rs"]
mod compressor;
#[cfg(feature = "gzip")]
mod limited_file;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::family;
use crate::names;
use crate::sys::{self, FileLock};

pub(crate) use compressor::{read_compressed, Gzip};

/// Whether archives are compressed, for [`Builder::compress`](crate::Builder::compress).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// They stay as they are. The default.
    #[default]
    None,
    /// They become `.gz` files. It exists with the feature `gzip` alone.
    #[cfg(feature = "gzip")]
    #[cfg_attr(docsrs, doc(cfg(feature = "gzip")))]
    Gzip,
}

/// The compressed file of an archive that is still there, if it has one: both have the same time.
/// An archive of another log can have that name and that time; it is not compressed.
pub(super) fn compressed_copy(archive: &Path) -> Option<PathBuf> {
    let copy = names::compressed(archive);
    let modified = |path: &Path| sys::symlink_metadata(path).ok()?.modified().ok();
    let time = modified(&copy)?;
    let is_copy = modified(archive)? == time && family::is_gzip(&copy).unwrap_or(false);
    is_copy.then_some(copy)
}

/// Removes the partial file that a killed process left when it compressed the archive. A process
/// that is writing one has the archive's lock.
pub(super) fn remove_partial(archive: &Path) {
    let mut lock = match sys::open(archive) {
        Ok(file) => Some(FileLock::new(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => return,
    };
    let locked = lock.as_mut().map(FileLock::try_write);
    if !matches!(locked, Some(Err(_))) {
        let _ = sys::remove_file(names::partial(archive));
    }
}
