//! The only I/O of a record: one open → lock → write → unlock → close, and what its failure means.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use fd_lock::RwLock;

use crate::escalation::Refusal;
use crate::sys::{self, Scope};

/// A commit that did not happen: nothing of the bytes is in the file.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) refusal: Refusal,
    cause: io::Error,
}

impl Failure {
    /// The cause, in words that help.
    pub(crate) fn into_cause(self) -> io::Error {
        match self.refusal {
            Refusal::Locked => io::Error::new(ErrorKind::WouldBlock, "somebody else has it locked"),
            _ => self.cause,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Self {
        let refusal = match sys::scope(&cause) {
            Scope::Locked => Refusal::Locked,
            Scope::File(kind) => Refusal::Inaccessible(kind),
            Scope::Everywhere => Refusal::Everywhere,
        };
        Failure { refusal, cause }
    }
}

/// A commit that happened.
#[derive(Debug)]
pub(crate) struct Committed {
    /// The error with which the file system said that it has no locks: the bytes were appended
    /// without one.
    pub(crate) no_lock: Option<io::Error>,
}

/// Appends `bytes` to the file at `path`, whole, in one turn under its lock; without waiting.
///
/// `absent` says that there was no such file when the caller last looked. A commit that fails for
/// a reason that no file escapes then leaves none: the empty file that it has made goes again.
pub(crate) fn commit(path: &Path, bytes: &[u8], absent: bool) -> Result<Committed, Failure> {
    let (file, absent) = match sys::open(path, true) {
        Ok(file) => (file, absent),
        Err(error) if error.kind() == ErrorKind::NotFound => (make_directory_and_open(path)?, true),
        Err(error) => return Err(error.into()),
    };
    let mut lock = RwLock::new(file);
    // The guard's end unlocks before the handle's end closes: were the file only closed, a child
    // forked meanwhile would keep the lock.
    let refused = loop {
        match lock.try_write() {
            Ok(file) => return write_whole(&file, path, bytes, absent, None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    if sys::locks_unsupported(&refused) {
        return write_whole(&lock.into_inner(), path, bytes, absent, Some(refused));
    }
    Err(refused.into())
}

/// For a directory that has gone since: makes it again.
fn make_directory_and_open(path: &Path) -> Result<File, Failure> {
    if let Some(directory) = path.parent() {
        // In the same directory every other file fails alike.
        fs::create_dir_all(directory).map_err(|cause| Failure {
            refusal: Refusal::Everywhere,
            cause,
        })?;
    }
    sys::open(path, true).map_err(Failure::from)
}

fn write_whole(
    mut file: &File,
    path: &Path,
    bytes: &[u8],
    absent: bool,
    no_lock: Option<io::Error>,
) -> Result<Committed, Failure> {
    let mut written = 0;
    let cause = loop {
        match file.write(&bytes[written..]) {
            Ok(0) => break ErrorKind::WriteZero.into(),
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
        if written == bytes.len() {
            return Ok(Committed { no_lock });
        }
    };
    if written > 0 && sys::take_back(file, path, written as u64).is_err() {
        // The piece stays. On a line of its own it spoils no other record.
        let _ = file.write(b"\n");
    }
    let failure = Failure::from(cause);
    if absent && failure.refusal == Refusal::Everywhere {
        remove_if_empty(path);
    }
    Err(failure)
}

/// Called under the file's lock. A process that opened the file before this and gets its lock
/// after it writes into a file without a name; it would have to do so within microseconds, and
/// find room where there just was none.
fn remove_if_empty(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0) {
        let _ = fs::remove_file(path);
    }
}
