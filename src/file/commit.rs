//! One commit: open → lock → rotate, if that is due → append → unlock → close. What its failure
//! means.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::append::{Payload, SyncPolicy, Target};
use super::error::CommitError;
use super::lock::with_lock;
use super::open::{open, Opened};
use super::rotate::{rotate, FamilyFile, Renamed, Rotated, Rotation};
use super::tail::{FileEnd, LastCommit, TailCheck};
use crate::sys::FailureScope;

/// How often at most a commit opens the file again, because others have rotated it between the open
/// and the lock.
const MAX_ATTEMPTS: u32 = 100;

/// How a log's files are made and written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CommitOptions {
    pub(crate) rotation: Option<Rotation>,
    pub(crate) sync: SyncPolicy,
    /// The permissions of a new file, on Unix.
    pub(crate) mode: Option<u32>,
    /// The file's name is synced with its first commit, whichever process made it: that one may have
    /// failed, or been killed, before it did so.
    pub(crate) sync_name: bool,
}

/// A commit that happened.
#[derive(Debug)]
pub(crate) struct Report {
    /// The file that was at the path has been rotated.
    pub(crate) rotated: bool,
    /// The commit made the file.
    pub(crate) created: bool,
    /// The error with which the file system said that it has no locks: the bytes were appended
    /// without one.
    pub(crate) lock_unsupported: Option<io::Error>,
    /// Why the file was not rotated, although that was due.
    pub(crate) rotation_failed: Option<io::Error>,
    /// Where the file ends, if the commit looked at that.
    pub(crate) end: Option<FileEnd>,
}

/// What one open and lock of the file came to.
enum Attempt {
    Done(Report),
    /// It was not the file at the path any more.
    Stale,
    /// It has been rotated: there is none at the path now.
    Rotated(Renamed),
}

/// Appends the payload to the file at `path`, whole, under its lock; without waiting.
///
/// With `before_write`, `check` is to be [`TailCheck::Verify`], which finds the file's end.
pub(crate) fn commit(
    path: &Path,
    file: FamilyFile<'_>,
    payload: Payload<'_>,
    mut check: TailCheck,
    options: &CommitOptions,
) -> Result<Report, CommitError> {
    let mut renamed: Option<Renamed> = None;
    for _ in 0..MAX_ATTEMPTS {
        match attempt(path, file, payload, check, options) {
            Ok(Attempt::Done(mut report)) => {
                report.rotated = renamed.is_some();
                return Ok(report);
            }
            Ok(Attempt::Stale) => {}
            Ok(Attempt::Rotated(names)) => renamed = Some(names),
            Err(error) => return after_failure(path, file, payload, options, renamed, error),
        }
        // It is another file now.
        check = TailCheck::Verify(LastCommit::Unknown);
    }
    // Whatever this file system says of its files, they can be written.
    let written = write_without_rotation(path, file, payload, options, None);
    let rotated = renamed.is_some();
    match written {
        Ok(report) => Ok(Report { rotated, ..report }),
        Err(error) => Err(CommitError { rotated, ..error }),
    }
}

/// Undoes a rotation where the new file did not take the bytes: there may be no room for it where
/// the old one has some. As long as nobody else has made one, the old one gets its name back.
#[cold]
fn after_failure(
    path: &Path,
    file: FamilyFile<'_>,
    payload: Payload<'_>,
    options: &CommitOptions,
    renamed: Option<Renamed>,
    error: CommitError,
) -> Result<Report, CommitError> {
    let rotated = match renamed {
        Some(names) if names.undo().is_ok() => {
            // Another process may rotate and remove it meanwhile.
            let never = Some(Rotation::default());
            let report = write_without_rotation(path, file, payload, options, never)?;
            return Ok(Report {
                rotation_failed: Some(error.cause),
                ..report
            });
        }
        renamed => renamed.is_some(),
    };
    Err(CommitError {
        rotated,
        ..error.at(path)
    })
}

fn write_without_rotation(
    path: &Path,
    file: FamilyFile<'_>,
    payload: Payload<'_>,
    options: &CommitOptions,
    rotation: Option<Rotation>,
) -> Result<Report, CommitError> {
    let options = CommitOptions {
        rotation,
        ..*options
    };
    let check = TailCheck::Verify(LastCommit::Unknown);
    match attempt(path, file, payload, check, &options) {
        Ok(Attempt::Done(report)) => Ok(report),
        Ok(_) => Err(CommitError::new(
            FailureScope::Locked,
            ErrorKind::WouldBlock.into(),
        )),
        Err(error) => Err(error.at(path)),
    }
}

fn attempt(
    path: &Path,
    family_file: FamilyFile<'_>,
    payload: Payload<'_>,
    check: TailCheck,
    options: &CommitOptions,
) -> Result<Attempt, CommitError> {
    let Opened { file, created } = open(path, payload.bytes, options.mode)?;
    with_lock(file, |file, lock_unsupported| {
        let locked = lock_unsupported.is_none();
        let mut rotation_failed = None;
        // Without locks two processes would rotate at once, and the new file of the first one.
        if let (Some(rotation), true) = (options.rotation, locked) {
            match rotate(file, path, family_file, payload.bytes, rotation)? {
                Rotated::No => {}
                Rotated::Failed(cause) => rotation_failed = Some(cause),
                Rotated::Yes(names) => return Ok(Attempt::Rotated(names)),
                Rotated::ByOthers => return Ok(Attempt::Stale),
            }
        }
        let check = match created {
            true => TailCheck::Verify(LastCommit::Unknown),
            false => check,
        };
        let target = Target {
            file,
            path,
            number: family_file.number,
            sync_name: created || options.sync_name,
            locked,
        };
        let end = target.append(payload, check, options.sync)?;
        Ok(Attempt::Done(Report {
            rotated: false,
            created,
            lock_unsupported,
            rotation_failed,
            end,
        }))
    })
}
