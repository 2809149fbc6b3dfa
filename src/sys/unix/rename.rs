//! Renames that replace nothing.

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
use rustix::io::Errno;

use crate::sys;

/// Renames a file. One of the new name is never replaced: that is `AlreadyExists`.
///
/// Where the system has no such rename (NFS, other Unixes) the file gets a second name and loses
/// the first one; where it has no second names either (some FUSE file systems), it keeps its own.
pub(crate) fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        match sys::rename_with(from, to, rustix::fs::RenameFlags::NOREPLACE) {
            // Not on this file system, or not in this kernel.
            Err(error) if is_unsupported(&error) => {}
            renamed => return renamed,
        }
    }
    sys::hard_link(from, to)?;
    // Another program may have put a new file there.
    let (new, old) = (sys::symlink_metadata(to)?, sys::symlink_metadata(from));
    let removed = match old {
        Ok(old) if (old.dev(), old.ino()) == (new.dev(), new.ino()) => sys::remove_file(from),
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
    };
    if removed.is_err() {
        sys::remove_file(to)?;
    }
    removed
}

/// Exchanges two names in one step; `Unsupported` where the system or the file system can't.
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        match sys::rename_with(one, other, rustix::fs::RenameFlags::EXCHANGE) {
            Err(error) if is_unsupported(&error) => {}
            done => return done,
        }
    }
    let _ = (one, other);
    Err(ErrorKind::Unsupported.into())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn is_unsupported(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP))
}
