//! What the system's errors mean for a log.

use std::io::{self, ErrorKind};

use rustix::io::Errno;

use crate::sys::FailureScope;

/// Returns true if an error means that no more files can be open.
#[cfg(feature = "read")]
pub(crate) fn too_many_open(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

/// Returns which files an error concerns.
pub(crate) fn scope(error: &io::Error) -> FailureScope {
    match Errno::from_io_error(error) {
        // From open: a lease. From write: a mandatory lock (CIFS), a full FIFO.
        Some(Errno::AGAIN) => FailureScope::Locked,
        Some(
            Errno::NOSPC
            | Errno::DQUOT
            | Errno::ROFS
            | Errno::IO
            | Errno::NODEV
            // The parent is no directory; of the file itself it is EISDIR and the like.
            | Errno::NOTDIR
            // A network or FUSE file system that went away, or an NFS handle to be opened anew.
            | Errno::STALE
            | Errno::NOTCONN
            | Errno::TIMEDOUT
            | Errno::HOSTDOWN,
        ) => FailureScope::Directory,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => FailureScope::Process,
        Some(_) => FailureScope::File(error.kind()),
        // No system error, but one of this crate's.
        None if error.kind() == ErrorKind::WouldBlock => FailureScope::Locked,
        // Or one of std's: a write that took nothing, a NUL in the path.
        None => FailureScope::Directory,
    }
}

/// Returns true if the error of a lock means that this file system has none.
pub(crate) fn locks_unsupported(error: &io::Error) -> bool {
    // ENOTSUP and EOPNOTSUPP are one number on Linux and two elsewhere. EBADF is what NFS answers
    // where its server does no locking, EINVAL some FUSE file systems; EACCES and EPERM a security
    // module that grants everything but the lock.
    let unsupported = [
        Errno::NOLCK,
        Errno::NOTSUP,
        Errno::OPNOTSUPP,
        Errno::NOSYS,
        Errno::BADF,
        Errno::INVAL,
        Errno::ACCESS,
        Errno::PERM,
    ];
    Errno::from_io_error(error).is_some_and(|errno| unsupported.contains(&errno))
}
