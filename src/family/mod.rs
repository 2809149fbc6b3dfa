//! The files of a log: their names, and which of them exist.

mod canonical;
mod list;
mod names;

use std::path::Path;

pub(crate) use canonical::canonical;
pub use list::Family;
pub(crate) use list::{is_gzip, Listing};
#[cfg(feature = "read")]
pub(crate) use list::{Archive, FileKind};
pub(crate) use names::{archive, compressed, member, partial, rotated_from, MAX_VARIANTS};

/// Returns true if `path`, spelled like `primary`, is or may become a file of its family.
pub(crate) fn is_member(primary: &Path, path: &Path) -> bool {
    path.parent() == primary.parent()
        && path
            .file_name()
            .is_some_and(|name| path == primary || names::Name::of(primary, name).is_some())
}
