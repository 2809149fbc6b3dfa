//! The only I/O of a record: one open → lock → write → unlock → close, and what its failure means.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use fd_lock::RwLock;

use crate::process_lock;
use crate::rotation::{Member, Rotation};
use crate::sys::{self, FailureScope};
use crate::tail::Last;

/// A commit that did not happen: the bytes are not in the file.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) scope: FailureScope,
    cause: io::Error,
    /// A piece of them may be, at its end, where nothing ends it.
    pub(crate) left_piece: bool,
}

impl Failure {
    fn new(scope: FailureScope, cause: io::Error) -> Self {
        Failure {
            scope,
            cause,
            left_piece: false,
        }
    }

    /// What it means for a file at `path`: where that is a link, the disk and the directory that it
    /// leads to are not those of the other files.
    pub(crate) fn at(mut self, path: &Path) -> Self {
        if self.scope == FailureScope::Directory && path.is_symlink() {
            self.scope = FailureScope::File(self.cause.kind());
        }
        self
    }

    /// The cause, in words that help.
    pub(crate) fn into_cause(self) -> io::Error {
        match self.scope {
            FailureScope::Locked => {
                io::Error::new(ErrorKind::WouldBlock, "somebody else has it locked")
            }
            _ => self.cause,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Self {
        Failure::new(sys::scope(&cause), cause)
    }
}

/// A commit that happened.
#[derive(Debug)]
pub(crate) struct Committed {
    /// The file was made for them.
    pub(crate) created: bool,
    /// The error with which the file system said that it has no locks: the bytes were appended
    /// without one.
    pub(crate) no_lock: Option<io::Error>,
    /// What a look at the file has shown, if it was looked at.
    pub(crate) look: Option<Look>,
    /// Why the file was not rotated, although that was due.
    pub(crate) not_rotated: Option<io::Error>,
}

/// Whether a record is forced onto the disk before the call that logs returns: see what survives
/// what in the [crate's documentation](crate#what-survives-what).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// The operating system writes to the disk when it sees fit. The default.
    #[default]
    Never,
    /// Each commit ends with [`File::sync_data`], with the lock held, and on Unix the one that makes
    /// a file with a sync of the directory that the file is in: for audit logs. Under
    /// [`non_blocking`](crate::FileAppender::non_blocking) that is once a batch. A directory that
    /// the process may not read can't be synced, and is left out.
    ///
    /// A record that can't be synced is taken back, as one that can't be written, and waits in the
    /// backlog. Where it can't be taken back either it will be in the file twice, rather than not
    /// at all.
    EveryCommit,
}

impl SyncPolicy {
    fn after_commit(self, file: &File, path: &Path, created: bool) -> io::Result<()> {
        if self == SyncPolicy::Never {
            return Ok(());
        }
        match file.sync_data() {
            // A character device or a FIFO has nothing to sync.
            Err(error) if error.kind() == ErrorKind::InvalidInput => return Ok(()),
            synced => synced?,
        }
        if created {
            // Its name is to stay as well; a link's target has it.
            let target = link_target(path);
            target.parent().map_or(Ok(()), sys::sync_directory)?;
        }
        Ok(())
    }
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
    /// It may not be. Somebody else may have put something in its place, or may have
    /// been killed while the system copied its last record, which then gets its newline before
    /// ours.
    ///
    /// To look costs a system call, and another one if the file does not end where the caller's
    /// last commit ended, so it is not done each time.
    Doubtful {
        /// The caller's last commit.
        last: Last,
    },
}

/// How a log's files are made and kept, the same at every commit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keeping {
    pub(crate) rotation: Option<Rotation>,
    pub(crate) sync: SyncPolicy,
    /// The permissions of a new file, on Unix.
    pub(crate) mode: Option<u32>,
}

/// So often at most the file is rotated away by others between our open and our lock.
const MOST_STALE: u32 = 100;

/// What one open and lock of a file has come to.
enum Turn {
    Done(Committed),
    /// It was not the file at the path any more.
    Stale,
    /// It has been rotated, from one name to another: there is none at the path now.
    Rotated((PathBuf, PathBuf)),
}

/// Appends `bytes` to the file at `path`, whole, in one turn under its lock; without waiting.
///
/// Tells as well whether it has rotated the file that was there.
pub(crate) fn commit(
    path: &Path,
    member: Member<'_>,
    bytes: &[u8],
    outlook: Outlook,
    keeping: &Keeping,
) -> (bool, Result<Committed, Failure>) {
    let mut renamed: Option<(PathBuf, PathBuf)> = None;
    for _ in 0..MOST_STALE {
        match open_and_write(path, member, bytes, outlook, keeping) {
            Ok(Turn::Done(done)) => return (renamed.is_some(), Ok(done)),
            Ok(Turn::Stale) => {}
            Ok(Turn::Rotated(names)) => renamed = Some(names),
            Err(failure) => match renamed {
                // There may be no room for a new file where the old one has some. As long as
                // nobody has made one, it gets its name back.
                Some((file, archive)) if sys::rename_to_new(&archive, &file).is_ok() => {
                    let done = write_on(path, member, bytes, keeping);
                    let done = done.map_err(|failure| failure.at(path));
                    return (
                        false,
                        done.map(|done| Committed {
                            not_rotated: Some(failure.cause),
                            ..done
                        }),
                    );
                }
                renamed => return (renamed.is_some(), Err(failure.at(path))),
            },
        }
    }
    // Whatever this file system says of its files, they can be written.
    let done = write_on(path, member, bytes, keeping);
    (renamed.is_some(), done.map_err(|failure| failure.at(path)))
}

/// Without rotation.
fn write_on(
    path: &Path,
    member: Member<'_>,
    bytes: &[u8],
    keeping: &Keeping,
) -> Result<Committed, Failure> {
    let keeping = Keeping {
        rotation: None,
        ..*keeping
    };
    let outlook = Outlook::Doubtful {
        last: Last::Unknown,
    };
    match open_and_write(path, member, bytes, outlook, &keeping)? {
        Turn::Done(done) => Ok(done),
        _ => Err(Failure::new(
            FailureScope::Locked,
            ErrorKind::WouldBlock.into(),
        )),
    }
}

fn open_and_write(
    path: &Path,
    member: Member<'_>,
    bytes: &[u8],
    outlook: Outlook,
    keeping: &Keeping,
) -> Result<Turn, Failure> {
    let Opened { file, created } = open(path, bytes, keeping.mode)?;
    let outlook = match created {
        true => Outlook::Doubtful {
            last: Last::Unknown,
        },
        false => outlook,
    };
    let mut lock = RwLock::new(file);
    // The guard's end unlocks before the handle's end closes: were the file only closed, a child
    // forked meanwhile would keep the lock.
    let refused = loop {
        match lock.try_write() {
            Ok(file) => {
                let not_rotated = match keeping.rotation {
                    Some(rotation) => match rotate(&file, path, member, bytes, rotation)? {
                        Rotated::No => None,
                        Rotated::Failed(cause) => Some(cause),
                        Rotated::Yes(names) => return Ok(Turn::Rotated(names)),
                        Rotated::ByOthers => return Ok(Turn::Stale),
                    },
                    None => None,
                };
                let done = write_whole(&file, path, bytes, outlook, keeping.sync, created, None)?;
                return Ok(Turn::Done(Committed {
                    not_rotated,
                    ..done
                }));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break error,
        }
    };
    if sys::locks_unsupported(&refused) {
        // Two that rotate at once would rotate twice, so nobody does.
        let file = lock.into_inner();
        let sync = keeping.sync;
        return write_whole(&file, path, bytes, outlook, sync, created, Some(refused))
            .map(Turn::Done);
    }
    Err(match is_contended(&refused) {
        true => Failure::new(FailureScope::Locked, refused),
        // A lock that fails otherwise fails for every file.
        false => Failure::new(FailureScope::Directory, refused),
    })
}

/// Returns true if another process has the lock.
fn is_contended(error: &io::Error) -> bool {
    // fd-lock's answer has no system error in it on Windows.
    error.kind() == ErrorKind::WouldBlock || sys::scope(error) == FailureScope::Locked
}

/// Whether the file was rotated before the bytes go into it.
enum Rotated {
    No,
    Yes((PathBuf, PathBuf)),
    ByOthers,
    /// It should have been.
    Failed(io::Error),
}

/// Rotates the file, which is locked, if that is due.
fn rotate(
    file: &File,
    path: &Path,
    member: Member<'_>,
    bytes: &[u8],
    rotation: Rotation,
) -> Result<Rotated, Failure> {
    let found = file.metadata()?;
    // Some file systems do not count links.
    if sys::is_deleted(&found) && !sys::is_at(path, file).unwrap_or(false) {
        return Ok(Rotated::ByOthers);
    }
    let changed = found.modified()?;
    if !rotation.is_due(found.len(), changed, bytes.len(), SystemTime::now()) {
        return Ok(Rotated::No);
    }
    // Somebody may have done it between our open and our lock.
    match sys::is_at(path, file) {
        Ok(true) => {}
        Ok(false) => return Ok(Rotated::ByOthers),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Rotated::ByOthers),
        Err(error) => return Ok(Rotated::Failed(error)),
    }
    // The new file would stay empty.
    if let Err(failure) = room_for(path, bytes) {
        return Ok(Rotated::Failed(failure.cause));
    }
    match member.rename(path) {
        // A name under /proc goes with the file, whatever that is called.
        Ok((name, archive)) if sys::is_at(path, file).unwrap_or(false) => {
            let cause = io::Error::new(ErrorKind::Unsupported, "its name follows it");
            Ok(Rotated::Failed(
                sys::rename_to_new(&archive, &name).err().unwrap_or(cause),
            ))
        }
        Ok(names) => Ok(Rotated::Yes(names)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Rotated::ByOthers),
        Err(cause) => Ok(Rotated::Failed(cause)),
    }
}

/// Fails if there is no room for a new file of `bytes` at the path, or where a link there leads to.
fn room_for(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    sys::check_size(bytes.len() as u64)
        .map_err(|cause| Failure::new(FailureScope::Directory, cause))?;
    let target = process_lock::canonical(path);
    match target.parent() {
        // Only a write tells: into a file that nobody else can open, and that goes when it is
        // closed.
        Some(directory) if sys::may_be_full(directory, bytes.len()) => {
            Ok(tempfile::tempfile_in(directory)?.write_all(bytes)?)
        }
        _ => Ok(()),
    }
}

/// The handle of one commit.
struct Opened {
    file: File,
    /// This open made the file.
    created: bool,
}

fn open(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<Opened, Failure> {
    match sys::open(path) {
        Ok(file) => Ok(Opened {
            file,
            created: false,
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => create(path, bytes, mode),
        Err(error) => Err(error.into()),
    }
}

/// Makes a file that was missing, and its directory if that has gone since.
///
/// On a full disk it isn't made: it would stay, empty, as another process may have opened it before
/// it could be removed again.
#[cold]
fn create(path: &Path, bytes: &[u8], mode: Option<u32>) -> Result<Opened, Failure> {
    // Others may make or remove the file or the directory at the same time.
    for _ in 0..3 {
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
                    // In the same directory every other file fails alike.
                    fs::create_dir_all(directory)
                        .map_err(|cause| Failure::new(FailureScope::Directory, cause))?;
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
    match path.is_symlink() {
        // It leads to where no file can be made.
        true => Err(Failure::new(FailureScope::File(ErrorKind::NotFound), cause)),
        false => Err(Failure::new(FailureScope::Directory, cause)),
    }
}

/// The path of the file that `path` leads to, whether it exists or not.
fn link_target(path: &Path) -> Cow<'_, Path> {
    match path.is_symlink() {
        true => Cow::Owned(process_lock::canonical(path)),
        false => Cow::Borrowed(path),
    }
}

fn write_whole(
    mut file: &File,
    path: &Path,
    bytes: &[u8],
    outlook: Outlook,
    sync: SyncPolicy,
    created: bool,
    no_lock: Option<io::Error>,
) -> Result<Committed, Failure> {
    let found = match outlook {
        Outlook::Known => None,
        Outlook::Doubtful { last } => {
            // Without a lock the half line may be another process's that is just writing it.
            let found = look(file, last, no_lock.is_none() || last == Last::Piece)?;
            let length = found
                .length
                .saturating_add(bytes.len() as u64 + u64::from(found.torn));
            if let Err(cause) = sys::check_size(length) {
                sys::check_size(bytes.len() as u64)
                    .map_err(|cause| Failure::new(FailureScope::Directory, cause))?;
                return Err(cause.into());
            }
            Some(found)
        }
    };
    let ended;
    let bytes = match found {
        Some(Found { torn: true, .. }) => {
            // In one write: without a lock something else could come between the two.
            ended = [b"\n", bytes].concat();
            &ended
        }
        _ => bytes,
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
            match sync.after_commit(file, path, created) {
                Ok(()) => {
                    let look = found.filter(|_| no_lock.is_none()).map(|found| Look {
                        before: found.length,
                        after: found.length + bytes.len() as u64,
                        locked: found.locked,
                    });
                    return Ok(Committed {
                        created,
                        no_lock,
                        look,
                        not_rotated: None,
                    });
                }
                Err(error) => break error,
            }
        }
    };
    let mut failure = Failure::from(cause);
    // Without a lock others may write behind these bytes at any time, and would lose theirs.
    let taken_back =
        written == 0 || no_lock.is_none() && sys::take_back(file, path, written as u64).is_ok();
    if !taken_back && written < bytes.len() {
        // On a line of its own the piece spoils no other record.
        failure.left_piece = !file.write(b"\n").is_ok_and(|n| n == 1);
    }
    Err(failure)
}

/// The end of a file, before the commit.
struct Found {
    length: u64,
    /// Its last line does not end.
    torn: bool,
    /// When the lock was there.
    locked: Instant,
}

/// Looks at the file's end, unless its last commit tells enough.
fn look(mut file: &File, last: Last, may_be_torn: bool) -> Result<Found, Failure> {
    let locked = Instant::now();
    let end = last.end();
    let length = match end {
        Some(end) if last.holds_at(locked) => end,
        // Cheaper than its metadata, and what has no end to seek to is no log file.
        _ => file
            .seek(SeekFrom::End(0))
            .map_err(|cause| Failure::new(FailureScope::File(cause.kind()), cause))?,
    };
    // A file whose end can't be read is taken as it is.
    let is_torn = |last: u64| sys::byte_at(file, last).is_ok_and(|byte| byte != b'\n');
    let torn = may_be_torn && end != Some(length) && length.checked_sub(1).is_some_and(is_torn);
    Ok(Found {
        length,
        torn,
        locked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_lock_is_known_without_a_system_error_in_it() {
        let refused = io::Error::from(ErrorKind::WouldBlock);
        assert!(is_contended(&refused));
    }
}
