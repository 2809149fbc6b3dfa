//! Who may read a file: a compressed archive has the permissions of the archive.

use std::io;
use std::os::unix::fs::{fchown, MetadataExt, OpenOptionsExt};

use crate::sys::{File, OpenOptions};

/// Has a new file made so that only its owner may read it.
pub(crate) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// Gives `to` the owner, the group and the permissions of `from`. Returns false if it can't have the
/// access control list of `from`.
pub(crate) fn copy_access(to: &File, from: &File) -> io::Result<bool> {
    let (made, found) = (to.metadata()?, from.metadata()?);
    if (made.uid(), made.gid()) != (found.uid(), found.gid()) {
        fchown(to, Some(found.uid()), Some(found.gid()))?;
    }
    to.set_permissions(found.permissions())?;
    Ok(access_list(to) == access_list(from))
}

/// The POSIX access control list of a file beside its mode, as the system keeps it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn access_list(file: &File) -> Option<Vec<u8>> {
    const MAX_ATTRIBUTE_SIZE: usize = 64 * 1024;
    let mut list = vec![0; MAX_ATTRIBUTE_SIZE];
    let length = rustix::fs::fgetxattr(file, c"system.posix_acl_access", &mut list).ok()?;
    list.truncate(length);
    Some(list)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn access_list(_: &File) {}
