//! The only I/O of a record: one open → lock → write → unlock → close, and what its failure means.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

use fd_lock::RwLock;

use crate::escalation::Refusal;
use crate::sys::{self, Scope};
use crate::tail::Last;

/// A commit that did not happen: nothing of the bytes is in the file.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) refusal: Refusal,
    cause: io::Error,
}

impl Failure {
    fn everywhere(cause: io::Error) -> Self {
        Failure {
            refusal: Refusal::Everywhere,
            cause,
        }
    }

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
            // fd-lock's answer has no system error in it on Windows.
            _ if cause.kind() == ErrorKind::WouldBlock => Refusal::Locked,
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
    /// What a look at the file has shown, if it was looked at.
    pub(crate) look: Option<Look>,
}

/// The length of a file, under its lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// When the lock was there.
    pub(crate) locked: Instant,
}

/// What the caller knows of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// It is a log file, and ends in a newline.
    Known,
    /// It may not be, or not exist. Somebody else may have put something in its place, or may have
    /// been killed while the system copied its last record, which then gets its newline before
    /// ours.
    ///
    /// To look costs a system call, and another one if the file does not end where the caller's
    /// last commit ended, so it is not done each time.
    Doubtful {
        /// The caller's last commit, if that may still be the end of the file.
        last: Option<Last>,
    },
    /// As far as is known it does not exist. On a full disk it isn't made: it would stay, empty, as
    /// a file that somebody else might have opened just now can't be removed.
    Absent,
}

/// Appends `bytes` to the file at `path`, whole, in one turn under its lock; without waiting.
pub(crate) fn commit(path: &Path, bytes: &[u8], outlook: Outlook) -> Result<Committed, Failure> {
    let found = match outlook {
        Outlook::Known => sys::open(path, true),
        Outlook::Doubtful { .. } => match sys::open(path, false) {
            Err(error) if error.kind() == ErrorKind::NotFound => make(path, bytes)?,
            found => found,
        },
        Outlook::Absent => make(path, bytes)?,
    };
    let file = match found {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => make_directory_and_open(path, bytes)?,
        Err(error) => return Err(error.into()),
    };
    let mut lock = RwLock::new(file);
    // The guard's end unlocks before the handle's end closes: were the file only closed, a child
    // forked meanwhile would keep the lock.
    let refused = loop {
        match lock.try_write() {
            Ok(file) => return write_whole(&file, path, bytes, outlook, None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    if sys::locks_unsupported(&refused) {
        return write_whole(&lock.into_inner(), path, bytes, outlook, Some(refused));
    }
    let failure = Failure::from(refused);
    match failure.refusal {
        Refusal::Locked => Err(failure),
        // A lock that fails otherwise fails for every file.
        _ => Err(Failure::everywhere(failure.cause)),
    }
}

/// Makes the file, unless the disk is full.
fn make(path: &Path, bytes: &[u8]) -> Result<io::Result<File>, Failure> {
    match path.parent().and_then(|to| sys::no_room(to, bytes.len())) {
        Some(cause) => Err(Failure::everywhere(cause)),
        None => Ok(sys::open(path, true)),
    }
}

/// For a directory that has gone since: makes it again.
fn make_directory_and_open(path: &Path, bytes: &[u8]) -> Result<File, Failure> {
    // Somebody may be busy removing it.
    for _ in 0..3 {
        if let Some(directory) = path.parent() {
            // In the same directory every other file fails alike.
            fs::create_dir_all(directory).map_err(Failure::everywhere)?;
        }
        match make(path, bytes)? {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            done => return done.map_err(Failure::from),
        }
    }
    match path.symlink_metadata() {
        // A link to where no file can be made.
        Ok(_) => Err(Failure {
            refusal: Refusal::Inaccessible(ErrorKind::NotFound),
            cause: ErrorKind::NotFound.into(),
        }),
        Err(cause) => Err(Failure::everywhere(cause)),
    }
}

fn write_whole(
    mut file: &File,
    path: &Path,
    bytes: &[u8],
    outlook: Outlook,
    no_lock: Option<io::Error>,
) -> Result<Committed, Failure> {
    // Without a lock the half line may be somebody's who is just writing it.
    let look = match outlook {
        Outlook::Known => None,
        _ if no_lock.is_some() => None,
        Outlook::Doubtful { last } => Some(look(file, last, bytes)?),
        Outlook::Absent => Some(look(file, None, bytes)?),
    };
    let mut written = 0;
    let cause = loop {
        match file.write(&bytes[written..]) {
            Ok(0) => break ErrorKind::WriteZero.into(),
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
        if written == bytes.len() {
            return Ok(Committed { no_lock, look });
        }
    };
    if written > 0 && sys::take_back(file, path, written as u64).is_err() {
        // The piece stays. On a line of its own it spoils no other record.
        let _ = file.write(b"\n");
    }
    Err(cause.into())
}

/// Looks at the file's end, where `bytes` will be, unless its last commit tells enough.
fn look(mut file: &File, last: Option<Last>, bytes: &[u8]) -> Result<Look, Failure> {
    let locked = Instant::now();
    let before = match last {
        Some(last) if last.holds_at(locked) => last.end,
        // Cheaper than its metadata, and what has no end to seek to is no log file.
        _ => file.seek(SeekFrom::End(0)).map_err(|cause| Failure {
            refusal: Refusal::Inaccessible(cause.kind()),
            cause,
        })?,
    };
    let newline = match last {
        Some(last) if last.end == before => 0,
        _ => end_torn_line(file, before)?,
    };
    Ok(Look {
        before,
        after: before + newline + bytes.len() as u64,
        locked,
    })
}

/// Ends the last line of the file if it does not end. Tells how many bytes that took.
fn end_torn_line(mut file: &File, length: u64) -> Result<u64, Failure> {
    if let Some(last) = length.checked_sub(1) {
        // A file whose end can't be read is taken as it is.
        if sys::byte_at(file, last).is_ok_and(|byte| byte != b'\n') {
            file.write_all(b"\n")?;
            return Ok(1);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_lock_is_known_without_a_system_error_in_it() {
        let refused = io::Error::from(ErrorKind::WouldBlock);
        assert_eq!(Failure::from(refused).refusal, Refusal::Locked);
    }
}
