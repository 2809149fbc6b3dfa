//! One commit: open → lock → rotate, if that is due → append → unlock → close. What its failure
//! means.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::append::{SyncPolicy, Target};
use super::error::CommitError;
use super::header::Header;
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
pub(crate) struct CommitOptions<'a> {
    pub(crate) rotation: Option<Rotation<'a>>,
    pub(crate) sync: SyncPolicy,
    /// The permissions of a new file, on Unix.
    pub(crate) mode: Option<u32>,
    /// The file's name is synced with its first commit, whichever process made it: that one may have
    /// failed, or been killed, before it did so.
    pub(crate) sync_name: bool,
    pub(crate) header: Header<'a>,
}

/// A commit that happened.
#[derive(Debug)]
pub(crate) struct Report {
    /// The archives that the file at the path has become: one, unless the clock of the files is
    /// behind.
    pub(crate) rotated: Vec<PathBuf>,
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

/// Appends `bytes` to the file at `path`, whole, under its lock; without waiting.
pub(crate) fn commit(
    path: &Path,
    file: FamilyFile<'_>,
    bytes: &[u8],
    mut check: TailCheck,
    options: &CommitOptions<'_>,
) -> Result<Report, CommitError> {
    let mut renamed: Vec<Renamed> = Vec::new();
    for _ in 0..MAX_ATTEMPTS {
        match attempt(path, file, bytes, check, options) {
            Ok(Attempt::Done(mut report)) => {
                report.rotated = archives(renamed);
                return Ok(report);
            }
            Ok(Attempt::Stale) => {}
            Ok(Attempt::Rotated(names)) => renamed.push(names),
            Err(error) => return after_failure(path, file, bytes, options, renamed, error),
        }
        // It is another file now.
        check = TailCheck::Verify(LastCommit::Unknown);
    }
    // Whatever this file system says of its files, they can be written.
    let written = write_without_rotation(path, file, bytes, options);
    let rotated = archives(renamed);
    match written {
        Ok(report) => Ok(Report { rotated, ..report }),
        Err(error) => Err(CommitError { rotated, ..error }),
    }
}

#[inline]
fn archives(renamed: Vec<Renamed>) -> Vec<PathBuf> {
    renamed.into_iter().map(|names| names.archive).collect()
}

/// Undoes a rotation where the new file did not take the bytes: there may be no room for it where
/// the old one has some. As long as nobody else has made one, the old one gets its name back.
#[cold]
fn after_failure(
    path: &Path,
    file: FamilyFile<'_>,
    bytes: &[u8],
    options: &CommitOptions<'_>,
    mut renamed: Vec<Renamed>,
    error: CommitError,
) -> Result<Report, CommitError> {
    if renamed.last().is_some_and(|names| names.undo().is_ok()) {
        renamed.pop();
        let rotated = archives(renamed);
        return match write_without_rotation(path, file, bytes, options) {
            Ok(report) => Ok(Report {
                rotated,
                rotation_failed: Some(error.cause),
                ..report
            }),
            Err(error) => Err(CommitError { rotated, ..error }),
        };
    }
    Err(CommitError {
        rotated: archives(renamed),
        ..error.at(path)
    })
}

fn write_without_rotation(
    path: &Path,
    file: FamilyFile<'_>,
    bytes: &[u8],
    options: &CommitOptions<'_>,
) -> Result<Report, CommitError> {
    let options = CommitOptions {
        rotation: None,
        ..*options
    };
    let check = TailCheck::Verify(LastCommit::Unknown);
    match attempt(path, file, bytes, check, &options) {
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
    bytes: &[u8],
    check: TailCheck,
    options: &CommitOptions<'_>,
) -> Result<Attempt, CommitError> {
    let Opened { file, created } = open(path, bytes, options.mode, options.header)?;
    with_lock(file, |file, lock_unsupported| {
        let locked = lock_unsupported.is_none();
        let mut rotation_failed = None;
        // Without locks two processes would rotate at once, and the new file of the first one.
        if let (Some(rotation), true) = (options.rotation, locked) {
            match rotate(file, path, family_file, bytes, options.header, rotation)? {
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
            path,
            created,
            header: options.header,
            sync_name: created || options.sync_name,
            locked,
        };
        let end = target.append(bytes, check, options.sync)?;
        Ok(Attempt::Done(Report {
            rotated: Vec::new(),
            created,
            lock_unsupported,
            rotation_failed,
            end,
        }))
    })
}
