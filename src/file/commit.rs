//! One commit: open → lock → rotate, if that is due → append → unlock → close.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::append::Target;
use super::due::{LastLook, Rotation, Rotations};
use super::error::CommitError;
use super::header::Header;
use super::lock_if_supported::with_lock;
use super::open::{open, Opened};
use super::options::{Commit, CommitOptions};
use super::rename::Renamed;
use super::rotate::{rotate, Rotated};
use super::torn_line::{FileEnd, LastCommit, TailCheck};
use crate::sys::FailureScope;

/// How often at most a commit opens the file again, because others have rotated it between the open
/// and the lock.
const MAX_ATTEMPTS: u32 = 100;

/// A commit that happened.
#[derive(Debug)]
pub(crate) struct Report {
    /// The commit made the file.
    pub(crate) created: bool,
    /// The error with which the file system said that it has no locks: the bytes were appended
    /// without one.
    pub(crate) lock_unsupported: Option<io::Error>,
    /// Why the file was not rotated, although that was due.
    pub(crate) rotation_failed: Option<io::Error>,
    /// Where the file ends, if the commit has verified it.
    pub(crate) end: Option<FileEnd>,
}

/// The outcome of one open and lock of the file.
enum Attempt {
    Done(Report),
    /// It was not the file at the path any more.
    Stale,
    /// It has been rotated: there is none at the path now.
    Rotated(Renamed),
}

/// Appends the payload to the file, whole, under its lock; without waiting.
///
/// With `before_write`, `check` is to be [`TailCheck::Verify`], which finds the file's end.
///
/// If the file that was there has been rotated, the archive is added to `rotations`, whether the commit
/// happens or not.
pub(crate) fn commit(
    commit: &Commit<'_>,
    mut check: TailCheck,
    rotations: &mut Rotations,
) -> Result<Report, CommitError> {
    let mut renamed: Option<Renamed> = None;
    for _ in 0..MAX_ATTEMPTS {
        let rotated = &mut rotations.archives;
        match attempt(commit, check, &mut rotations.last_look) {
            Ok(Attempt::Done(report)) => {
                if let Some(names) = renamed {
                    rotated.push(names.archive);
                }
                return Ok(report);
            }
            Ok(Attempt::Stale) => {}
            Ok(Attempt::Rotated(names)) => {
                // The clock of the files may be behind, so that the new one is due at once.
                rotated.extend(renamed.replace(names).map(|earlier| earlier.archive));
            }
            Err(error) => return after_failure(commit, renamed, error, rotated),
        }
        // It is another file now.
        check = TailCheck::Verify(LastCommit::Unknown);
    }
    rotations
        .archives
        .extend(renamed.map(|names| names.archive));
    // Each attempt found another file at the path than the open one. If the file system answers
    // wrongly, this still writes the record.
    write_without_rotation(commit, None)
}

/// Undoes a rotation where the new file did not take the bytes: there may be no room for it where
/// the old one has some. As long as nobody else has made one, the old one gets its name back.
///
/// A new file that is locked is somebody's. If there is none any more, they have rotated it too.
#[cold]
fn after_failure(
    commit: &Commit<'_>,
    renamed: Option<Renamed>,
    error: CommitError,
    rotated: &mut Vec<PathBuf>,
) -> Result<Report, CommitError> {
    match renamed {
        // A file that has kept some of the records may have been renamed since: they would be
        // written twice.
        Some(names)
            if error.left == 0 && error.scope != FailureScope::Locked && names.undo().is_ok() =>
        {
            // Another process may rotate and remove it meanwhile.
            let never = Some(Rotation::default());
            let report = write_without_rotation(commit, never)?;
            Ok(Report {
                rotation_failed: Some(error.cause),
                ..report
            })
        }
        renamed => {
            rotated.extend(renamed.map(|names| names.archive));
            Err(error.at(commit.path))
        }
    }
}

#[cold]
fn write_without_rotation(
    commit: &Commit<'_>,
    rotation: Option<Rotation<'_>>,
) -> Result<Report, CommitError> {
    let commit = Commit {
        options: CommitOptions {
            rotation,
            ..commit.options
        },
        ..*commit
    };
    let check = TailCheck::Verify(LastCommit::Unknown);
    match attempt(&commit, check, &mut LastLook::default()) {
        Ok(Attempt::Done(report)) => Ok(report),
        Ok(_) => Err(CommitError::new(
            FailureScope::Locked,
            ErrorKind::WouldBlock.into(),
        )),
        Err(error) => Err(error.at(commit.path)),
    }
}

#[inline]
fn attempt(
    commit: &Commit<'_>,
    check: TailCheck,
    last_look: &mut LastLook,
) -> Result<Attempt, CommitError> {
    let Commit {
        path,
        payload,
        options,
        ..
    } = commit;
    let Opened { file, created } = open(path, payload.bytes, options.mode, options.header)?;
    with_lock(file, |file, lock_unsupported| {
        let locked = lock_unsupported.is_none();
        let mut rotation_failed = None;
        // Without locks two processes would rotate at once, and the new file of the first one.
        if let (Some(rotation), true) = (options.rotation, locked) {
            match rotate(
                file,
                path,
                commit.file,
                payload.bytes,
                options.header,
                rotation,
                last_look,
            )? {
                Rotated::No => {}
                Rotated::Failed(cause) => rotation_failed = Some(cause),
                Rotated::Yes(names) => return Ok(Attempt::Rotated(names)),
                Rotated::ByOthers => return Ok(Attempt::Stale),
            }
        }
        let check = match check {
            _ if created => TailCheck::Verify(LastCommit::Unknown),
            TailCheck::Skip if options.header != Header::Absent => TailCheck::Length,
            check => check,
        };
        let target = Target {
            file,
            commit,
            created,
            locked,
        };
        let end = target.append(check)?;
        Ok(Attempt::Done(Report {
            created,
            lock_unsupported,
            rotation_failed,
            end,
        }))
    })
}
