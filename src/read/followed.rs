//! A file that is followed, and the part of it that has not been returned yet.

use std::fs::File;
use std::io;
use std::mem;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::log_file::LogFile;
use super::original::Original;
use super::reverse_lines::{ReverseLines, LONGEST_LINE};
use super::timestamp::Zone;
use crate::family::FileKind;
use crate::sys::{self, Identity};

/// A file that was renamed or removed is read for this time: a process that opened it before may
/// still write.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Maximum length of a record that waits for more lines while its file grows.
const MOST_HELD: u64 = 1024 * 1024;

/// A file that may grow.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(super) path: Arc<Path>,
    pub(super) rank: FileKind,
    pub(super) file: Arc<File>,
    pub(super) identity: Identity,
    /// The offset up to which its records have been returned.
    pub(super) offset: u64,
    /// The length at the last poll, when it was first seen, and whether there was no whole record.
    pub(super) length: u64,
    pub(super) grew: Instant,
    pub(super) is_stuck: bool,
    /// When it was first seen without a name that is written to.
    pub(super) left: Option<Instant>,
    pub(super) is_done: bool,
}

impl Followed {
    /// A file that has been returned up to `offset`.
    pub(super) fn new(
        path: &Path,
        rank: FileKind,
        file: File,
        identity: Identity,
        offset: u64,
    ) -> Self {
        Followed {
            path: path.into(),
            rank,
            file: Arc::new(file),
            identity,
            offset,
            length: 0,
            grew: Instant::now(),
            is_stuck: false,
            left: None,
            is_done: false,
        }
    }

    /// The part of it that is to be returned.
    pub(super) fn grown(&mut self, is_first: bool, zone: &Zone) -> io::Result<Range<u64>> {
        let length = self.file.metadata()?.len();
        if length < self.offset {
            // Cut off, and written again.
            self.offset = 0;
        }
        let is_quiet = mem::replace(&mut self.length, length) == length;
        if !is_quiet {
            self.grew = Instant::now();
        }
        let end = if self.is_done {
            length
        } else if is_quiet && self.is_stuck {
            self.offset
        } else {
            whole_records(&self.file, self.offset..length, is_quiet || is_first, zone)?
        };
        self.is_stuck = is_quiet && end == self.offset;
        Ok(mem::replace(&mut self.offset, end)..end)
    }

    /// Returns true if a compressed archive has its content.
    pub(super) fn is_original(&self, original: &Original) -> bool {
        let found = self.file.metadata();
        found.is_ok_and(|found| original.is_of(found.len(), found.modified(), &*self.file))
    }

    pub(super) fn input(&self, part: Range<u64>, zone: &Zone) -> io::Result<LogFile> {
        // A line without a time goes on with what has been returned.
        let mut before = None;
        let held = part.start.saturating_sub(MOST_HELD)..part.start;
        for line in ReverseLines::new(&self.file, held, zone) {
            before = before.or(line?.time);
            if before.is_some() {
                break;
            }
        }
        let (path, file) = (Arc::clone(&self.path), Arc::clone(&self.file));
        Ok(LogFile::part(path, self.rank.clone(), file, part, before))
    }
}

/// Returns true if the file was changed or renamed so recently that a process may still write to
/// it.
pub(super) fn has_just_changed(path: &Path) -> bool {
    let changed = path.metadata().and_then(|found| sys::last_change(&found));
    let age = changed.map(|changed| SystemTime::now().duration_since(changed));
    age.is_ok_and(|age| age.map_or(true, |age| age < GRACE))
}

/// Where the whole records of a part end. The last one may go on with another line as long as the
/// file grows.
fn whole_records(file: &File, part: Range<u64>, is_quiet: bool, zone: &Zone) -> io::Result<u64> {
    let mut end = part.end;
    let all = part.end;
    for line in ReverseLines::new(file, part, zone) {
        let line = line?;
        if all - line.offset > LONGEST_LINE as u64 && !line.is_whole {
            // It is returned in pieces.
            return Ok(all);
        } else if !line.is_whole {
            end = line.offset;
        } else if is_quiet || end - line.offset > MOST_HELD {
            break;
        } else if line.time.is_some() {
            return Ok(line.offset);
        }
    }
    Ok(end)
}
