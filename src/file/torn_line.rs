//! What is known of a file's end, and the check whether a killed writer has left a torn line there.

use std::io::{Seek, SeekFrom};
use std::time::Duration;

use super::error::CommitError;
use crate::sys::{self, FailureScope, File};

/// After an appender has noticed another process, at the lock or by bytes that it has not written
/// itself, it verifies the file's end in this number of commits, because the other process may be
/// killed in the middle of a write. Otherwise it verifies it once in this number of commits.
const RECHECK_INTERVAL: u32 = 1_000;

/// A line is torn if it has no newline in this number of consecutive checks in which the file has
/// not grown, or in the maximum number of checks of one commit.
const QUIET_LOOKS: u32 = 3;
const MAX_LOOKS: u32 = 20;
const LOOK_INTERVAL: Duration = Duration::from_micros(100);

/// What a commit does about the file's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TailCheck {
    /// It is a log file and ends in a newline, as far as is known.
    Skip,
    /// The same, but it may be empty: that takes a system call.
    Length,
    /// It may not be a log file, or end in a torn line, which gets a newline then.
    ///
    /// That takes a system call, and another one if the file does not end where this appender's last
    /// commit did.
    Verify(LastCommit),
}

/// An appender's last commit to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastCommit {
    /// There is none, or the file may have changed since.
    Unknown,
    /// The file ended there, in its newline. (One that was cut since and has grown to the same length
    /// is taken for whole.)
    Whole { end: u64 },
    /// It failed, and a piece of it is at the file's end, without a newline.
    Piece,
}

/// Where a file ended before and after a commit, under its lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileEnd {
    pub(super) before: u64,
    pub(super) after: u64,
}

/// What is known of the end of an appender's current file.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The number of commits to come that verify it.
    verify: u32,
    /// There is a limit on the size of files, so that each commit has to know the file's length.
    limited: bool,
    /// The number of commits since the limit was asked for.
    counted: u32,
    /// Where the file ends if nobody else has written, as far as is known.
    end: Option<u64>,
    /// Somebody else had written before the last commit that verified the end.
    others_wrote: bool,
    last: LastCommit,
}

impl Tail {
    /// Of a file of that length, or of one that does not exist.
    pub(crate) fn new(length: Option<u64>) -> Self {
        Tail {
            verify: 1,
            end: length.or(Some(0)),
            ..Tail::shared()
        }
    }

    /// Of a file that others may be writing to.
    pub(crate) fn shared() -> Self {
        Tail {
            verify: RECHECK_INTERVAL,
            limited: is_limited(),
            counted: 0,
            end: None,
            others_wrote: false,
            last: LastCommit::Unknown,
        }
    }

    /// Returns true if somebody else had written before the last commit that verified the end.
    pub(crate) fn others_write(&self) -> bool {
        self.others_wrote
    }

    /// What the next commit does.
    #[inline]
    pub(crate) fn check(&self) -> TailCheck {
        match self.verify {
            0 => TailCheck::Skip,
            _ => TailCheck::Verify(self.last),
        }
    }

    /// What the next commit does if it has to know where the file ends.
    pub(crate) fn verify(&self) -> TailCheck {
        TailCheck::Verify(self.last)
    }

    /// Notes a commit of `bytes` bytes, and where the file ends if the commit has verified it.
    #[inline]
    pub(crate) fn committed(&mut self, bytes: usize, end: Option<FileEnd>) {
        self.last = LastCommit::Unknown;
        match end {
            Some(FileEnd { before, after }) => {
                self.others_wrote = self.end.is_some_and(|end| end != before);
                self.verify = match self.others_wrote {
                    true => RECHECK_INTERVAL,
                    false => self.verify.saturating_sub(1).max(self.limited.into()),
                };
                self.end = Some(after);
                self.last = LastCommit::Whole { end: after };
            }
            None => self.end = self.end.map(|end| end + bytes as u64),
        }
        self.counted += 1;
        if self.counted >= RECHECK_INTERVAL {
            self.verify = self.verify.max(1);
            self.read_size_limit();
        }
    }

    /// Asks for the limit on the size of files, which the process may have changed.
    #[cold]
    pub(crate) fn read_size_limit(&mut self) {
        self.counted = 0;
        self.limited = is_limited();
        self.verify = self.verify.max(self.limited.into());
    }

    /// The file did not take a record, or took a piece of it.
    pub(crate) fn refused(&mut self, left_piece: bool) {
        self.verify = RECHECK_INTERVAL;
        self.limited = sys::has_size_limit();
        self.last = match self.last {
            // Only a commit changes that.
            LastCommit::Piece => LastCommit::Piece,
            _ if left_piece => LastCommit::Piece,
            _ => LastCommit::Unknown,
        };
    }
}

fn is_limited() -> bool {
    sys::read_size_limit() < u64::MAX
}

/// The end of a file before a commit.
pub(super) struct Found {
    pub(super) length: u64,
    /// The last line has no newline.
    pub(super) torn: bool,
}

/// Finds the file's end, and takes its last line for whole.
#[inline]
pub(super) fn length(mut file: &File) -> Result<Found, CommitError> {
    // A seek is cheaper than `fstat`, and a file that can't seek is no log file.
    let length = file
        .seek(SeekFrom::End(0))
        .map_err(|cause| CommitError::new(FailureScope::File(cause.kind()), cause))?;
    Ok(Found {
        length,
        torn: false,
    })
}

/// Verifies the file's end.
#[inline]
pub(super) fn look(file: &File, last: LastCommit, has_lock: bool) -> Result<Found, CommitError> {
    let Found { length, .. } = self::length(file)?;
    let may_be_torn = match last {
        LastCommit::Whole { end } => has_lock && end != length,
        // Without a lock half a line may be another process's that is just writing it.
        LastCommit::Unknown => has_lock,
        LastCommit::Piece => true,
    };
    match may_be_torn && is_torn(file, length) {
        true => look_again(file, length),
        false => Ok(Found {
            length,
            torn: false,
        }),
    }
}

/// Returns where the file ends once it has stopped growing for a moment: a process that has no lock
/// may be in the middle of a write, whose first pages can be seen before the others.
#[cold]
fn look_again(mut file: &File, mut length: u64) -> Result<Found, CommitError> {
    let mut torn = true;
    let mut quiet = 0;
    for _ in 0..MAX_LOOKS {
        sys::sleep(LOOK_INTERVAL);
        let now = file.seek(SeekFrom::End(0))?;
        quiet = if now == length { quiet + 1 } else { 0 };
        length = now;
        torn = is_torn(file, length);
        if !torn || quiet == QUIET_LOOKS {
            break;
        }
    }
    Ok(Found { length, torn })
}

fn is_torn(file: &File, length: u64) -> bool {
    let Some(last) = length.checked_sub(1) else {
        return false;
    };
    // A file whose end can't be read is taken for whole.
    sys::byte_at(file, last).is_ok_and(|byte| byte != b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(before: u64, after: u64) -> Option<FileEnd> {
        Some(FileEnd { before, after })
    }

    const UNKNOWN: TailCheck = TailCheck::Verify(LastCommit::Unknown);

    #[test]
    fn an_appender_that_meets_nobody_verifies_once_in_a_thousand() {
        let mut tail = Tail::new(None);
        assert_eq!(tail.check(), UNKNOWN);
        tail.committed(10, end(0, 10));
        for round in 0..3 {
            for n in 1..RECHECK_INTERVAL {
                assert_eq!(tail.check(), TailCheck::Skip, "{round} {n}");
                tail.committed(10, None);
            }
            assert_eq!(tail.check(), UNKNOWN);
            let before = (round + 1) * 10_000;
            tail.committed(10, end(before, before + 10));
        }
    }

    #[test]
    fn others_are_known_by_what_they_write_and_by_their_lock() {
        for meet in [
            |tail: &mut Tail| tail.committed(10, end(20, 30)),
            |tail: &mut Tail| {
                tail.refused(false);
                tail.committed(10, end(10, 30));
            },
        ] {
            let mut tail = Tail::new(Some(0));
            tail.committed(10, end(0, 10));
            assert_eq!(tail.check(), TailCheck::Skip);
            meet(&mut tail);
            let mut verified = 1;
            while tail.check() != TailCheck::Skip {
                tail.committed(10, end(20 + verified * 10, 30 + verified * 10));
                verified += 1;
            }
            assert!((1_000..=1_001).contains(&verified), "{verified}");
        }
    }

    #[test]
    fn a_refusal_ends_what_is_known_of_the_last_commit() {
        let mut tail = Tail::shared();
        tail.committed(10, end(0, 10));
        let last = LastCommit::Whole { end: 10 };
        assert_eq!(tail.check(), TailCheck::Verify(last));
        tail.refused(false);
        assert_eq!(tail.check(), UNKNOWN);
    }

    #[test]
    fn a_piece_is_known_until_a_commit_has_ended_it() {
        let mut tail = Tail::new(Some(0));
        tail.refused(true);
        tail.refused(false);
        assert_eq!(tail.check(), TailCheck::Verify(LastCommit::Piece));
        tail.committed(10, None);
        assert_eq!(tail.check(), UNKNOWN);
    }
}
