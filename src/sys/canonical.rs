//! One path for all spellings of a file's path.

use std::path::{Path, PathBuf};

use super::{canonicalize, read_link};

/// Resolves symbolic links as far as there is something to resolve: to the primary itself, or to
/// where it will be.
pub(crate) fn canonical(primary: &Path) -> PathBuf {
    let mut path = primary.to_owned();
    // The number of links that Linux follows.
    for _ in 0..40 {
        let directory = path.parent().unwrap_or(&path);
        let directory = canonicalize(directory).unwrap_or(directory.to_owned());
        path = directory.join(path.file_name().unwrap_or_default());
        match read_link(&path) {
            Ok(target) => path = directory.join(target),
            Err(_) => break,
        }
    }
    path
}
