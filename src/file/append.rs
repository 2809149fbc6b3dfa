//! Appends the bytes of one commit: all of them or none, as far as they can be taken back.

use std::io::{self, ErrorKind, Write};

use super::error::CommitError;
use super::header::Header;
use super::open::link_target;
use super::options::{Commit, PendingWrite, SyncPolicy};
use super::torn_line::{self, FileEnd, TailCheck};
use crate::sys::{self, File};

/// A record is written again this often at most: each time another process has left a piece of a line
/// just before it.
const MAX_PIECES: u32 = 10;

/// The file that a commit appends to.
pub(super) struct Target<'a> {
    pub(super) file: &'a File,
    pub(super) commit: &'a Commit<'a>,
    /// This commit made it.
    pub(super) created: bool,
    /// This commit holds its lock; false where the file system has no locks.
    pub(super) locked: bool,
}

impl Target<'_> {
    /// Appends the bytes, and a newline before them if the file's last line is torn.
    ///
    /// Returns where the file ends, if `check` verifies it.
    #[inline]
    pub(super) fn append(&self, check: TailCheck) -> Result<Option<FileEnd>, CommitError> {
        let payload = self.commit.payload;
        let record = payload.bytes;
        let found = match check {
            TailCheck::Skip => {
                self.write(record)?;
                return Ok(None);
            }
            TailCheck::Length => torn_line::length(self.file)?,
            TailCheck::Verify(last) => torn_line::look(self.file, last, self.locked)?,
        };
        let prefix = match found.torn {
            true => "\n",
            false => self.header(found.length)?,
        };
        let with_prefix;
        let bytes = match prefix {
            "" => record,
            // In one write: without a lock something else could come between the two, and a killed
            // process could leave the first one alone.
            prefix => {
                with_prefix = [prefix.as_bytes(), record].concat();
                &with_prefix
            }
        };
        let before = found.length;
        let after = before.saturating_add(bytes.len() as u64);
        if sys::has_size_limit() {
            self.check_size(after, bytes.len())?;
        }
        if let Some(before_write) = payload.before_write {
            before_write(PendingWrite {
                file: self.file,
                number: self.commit.file.number,
                offset: match found.torn {
                    true => before,
                    false => before + prefix.len() as u64,
                },
                newline: found.torn,
            })?;
        }
        self.write(bytes).map_err(|mut error| {
            // Counted without the header or newline before the record.
            error.left = error.left.saturating_sub(bytes.len() - record.len());
            error
        })?;
        if !self.locked && !found.torn {
            self.write_again(bytes.len(), record)?;
        }
        // Without a lock, another process may have written in between.
        Ok(self.locked.then_some(FileEnd { before, after }))
    }

    /// Fails if the file may not get that large with the `length` bytes that come next.
    #[cold]
    fn check_size(&self, after: u64, length: usize) -> Result<(), CommitError> {
        let checked = sys::check_size(after);
        if checked.is_err() {
            // The limit on the size of files holds for every file of the family.
            sys::check_size(length as u64).map_err(CommitError::too_large)?;
        }
        Ok(checked?)
    }

    /// Writes the first record once more, on a line of its own, if the `length` bytes that were
    /// written are on the line of a piece that another process has left.
    #[cold]
    fn write_again(&self, mut length: usize, record: &[u8]) -> Result<(), CommitError> {
        let first = record.split_inclusive(|byte| *byte == b'\n').next();
        let first = first.unwrap_or(record);
        for _ in 0..MAX_PIECES {
            if !self.is_behind_a_piece(length) {
                break;
            }
            // Should that fail, the records that were written with it will be there twice, rather
            // than this one not at all.
            let may_grow = self.check_growth().map_err(CommitError::from);
            may_grow
                .and_then(|()| self.write(first))
                .map_err(|error| CommitError { left: 0, ..error })?;
            length = first.len();
        }
        Ok(())
    }

    /// Returns true if the last `length` bytes written to this handle are on the line of a piece that
    /// another process has left. Before the write that could not be told from a line that was just
    /// being written, as that one had no lock either.
    fn is_behind_a_piece(&self, length: usize) -> bool {
        let start = sys::end_of_write(self.file).map(|end| end.saturating_sub(length as u64));
        let before = start.and_then(|start| start.checked_sub(1));
        before.is_some_and(|at| sys::byte_at(self.file, at).is_ok_and(|byte| byte != b'\n'))
    }

    /// What stands before the first record of a file of that length.
    #[inline]
    fn header(&self, length: u64) -> Result<&str, CommitError> {
        // Without a lock others may be writing to it as well, but only one process has made it.
        let is_new = match self.locked {
            true => length == 0,
            false => self.created,
        };
        match self.commit.options.header {
            Header::Known(text) if is_new => Ok(text),
            Header::Unknown if is_new => Err(CommitError::header_needed()),
            _ => Ok(""),
        }
    }

    // Of two callers: one is cold, and the other writes each record.
    #[inline(always)]
    fn write(&self, bytes: &[u8]) -> Result<(), CommitError> {
        let mut file = self.file;
        let mut written = 0;
        // Where the first of several parts begins.
        let mut start = None;
        let cause = loop {
            match file.write(&bytes[written..]) {
                Ok(0) => break ErrorKind::WriteZero.into(),
                Ok(n) => {
                    written += n;
                    if written < bytes.len() {
                        if start.is_none() {
                            start = sys::end_of_write(file).map(|end| end - n as u64);
                        }
                        if let Err(error) = self.check_growth() {
                            break error;
                        }
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error,
            }
            if written == bytes.len() {
                match self.sync() {
                    Ok(()) => return Ok(()),
                    Err(error) => break error,
                }
            }
        };
        Err(self.roll_back(start, written, bytes, cause))
    }

    /// Fails if the file ends at the limit on the size of files, which may be new: the system cuts a
    /// write off there, and ends the process at the next one.
    #[cold]
    fn check_growth(&self) -> io::Result<()> {
        sys::end_of_write(self.file).map_or(Ok(()), |end| sys::check_size(end + 1))
    }

    /// Takes the first `written` of the bytes back, at the end of the file.
    #[cold]
    fn roll_back(
        &self,
        start: Option<u64>,
        written: usize,
        bytes: &[u8],
        cause: io::Error,
    ) -> CommitError {
        let mut file = self.file;
        let mut error = CommitError::from(cause);
        // Without a lock others may write behind these bytes at any time, and would lose theirs.
        let taken_back = written == 0
            || self.locked && sys::take_back(file, self.commit.path, start, written as u64).is_ok();
        if !taken_back && written < bytes.len() {
            let is_glued = !self.locked && bytes[0] != b'\n' && self.is_behind_a_piece(written);
            // On a line of its own the piece spoils no other record.
            let newline = self.check_growth().and_then(|()| file.write(b"\n"));
            error.left_piece = !newline.is_ok_and(|n| n == 1);
            // A record that lacks nothing but its newline is whole with this one, or with that of
            // the next commit.
            error.left = match is_glued {
                // The first record is not on a line of its own, and all are written again.
                true => 0,
                false => written + usize::from(bytes[written] == b'\n'),
            };
        }
        error
    }

    #[inline]
    fn sync(&self) -> io::Result<()> {
        match self.commit.options.sync {
            SyncPolicy::Never => Ok(()),
            SyncPolicy::EveryCommit => self.sync_to_disk(),
        }
    }

    fn sync_to_disk(&self) -> io::Result<()> {
        match self.file.sync_data() {
            // A character device or a FIFO has nothing to sync.
            Err(error) if error.kind() == ErrorKind::InvalidInput => return Ok(()),
            synced => synced?,
        }
        if self.created || self.commit.options.sync_name {
            // Syncs the name as well, in the directory of the link's target.
            let target = link_target(self.commit.path);
            target.parent().map_or(Ok(()), sys::sync_directory)?;
        }
        Ok(())
    }
}
