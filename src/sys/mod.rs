//! The machine under the log: what differs by platform, under the same names on each, and the
//! threads, locks and paths that the crate makes of it.

use std::io::ErrorKind;
use std::time::SystemTime;

// A test build of Unix has `sim` in its place, which needs some of it.
#[cfg_attr(all(test, unix), allow(dead_code, unused_imports))]
mod os;
#[cfg(not(all(test, unix)))]
pub(crate) use os::*;

#[cfg(all(test, unix))]
pub(crate) mod sim;
#[cfg(all(test, unix, feature = "gzip"))]
pub(crate) use sim::copy_access;
#[cfg(all(test, unix))]
pub(crate) use sim::*;
#[cfg(all(test, unix))]
pub(crate) use sim::{
    allocate, identity, is_at, is_open_nowhere_else, runnable_threads, stderr_is_ready,
    write_to_stderr,
};

#[cfg(test)]
mod edge_tests;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

mod background;
mod canonical;
mod fork;
mod map;
mod start;
pub(crate) use background::Background;
pub(crate) use canonical::canonical;
pub(crate) use fork::{generation, ForkSafeMutex, PerProcess};
pub(crate) use map::{map, Mapping};
pub(crate) use start::start;
#[cfg(all(test, unix))]
pub(crate) use start::tests::NoneBegins;

#[cfg(not(any(unix, windows)))]
compile_error!("tracing-fallback-file needs file locks, which this target does not have");

/// Two numbers that no other file of the machine has while this one exists, and the time when it
/// was made, because a later file may get the same numbers.
pub(crate) type Identity = (u64, u64, Option<SystemTime>);

/// Returns true if a file that is found is the one whose identity was kept in a file.
///
/// A device can have another number after the next start of the machine or the next mount. Where the
/// time of creation is known, it decides together with the file's number.
pub(crate) fn is_kept_identity(found: Identity, kept: Identity) -> bool {
    match (found.2, kept.2) {
        (Some(found_time), Some(kept_time)) => (found.1, found_time) == (kept.1, kept_time),
        _ => (found.0, found.1) == (kept.0, kept.1),
    }
}

/// What changes about a file when it is written to, renamed or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    /// `None` where it takes an open handle that can't be had.
    pub(crate) identity: Option<Identity>,
    pub(crate) length: u64,
    pub(crate) modified: SystemTime,
    /// The last change of the file, its name or its permissions, by the file system's clock. It
    /// can't be set back. `None` where std does not say.
    pub(crate) changed: Option<SystemTime>,
}

/// Which files an error of an open, a lock or a write concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureScope {
    /// This one, for now: another process has it.
    Locked,
    /// This one: another file of the family may take the record.
    File(ErrorKind),
    /// Every file in its directory: the disk is full, say.
    Directory,
    /// Every file of this process: it has no descriptors left, say.
    Process,
}

impl FailureScope {
    /// Returns true if another file of the family fails as well.
    pub(crate) fn is_every_file(self) -> bool {
        matches!(self, FailureScope::Directory | FailureScope::Process)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_contended_lock_is_known_without_a_system_error_in_it() {
        let refused = io::Error::from(ErrorKind::WouldBlock);
        assert_eq!(scope(&refused), FailureScope::Locked);
        let full = io::Error::from(ErrorKind::WriteZero);
        assert_eq!(scope(&full), FailureScope::Directory);
    }
}
