//! The records that killed processes have left in their queues, for a reader.

use std::fs::File;
use std::io::{self, ErrorKind, Seek};
use std::path::Path;
use std::sync::Arc;

use super::log_file::LogFile;
use super::named;
use crate::family::FileKind;
use crate::queue::{orphans, OrphanedQueue};
use crate::sys;

/// Maximum number of queues that are locked: each takes a descriptor.
const MAX_LOCKED: usize = 200;

/// Orphaned queues, locked until this is dropped: no process recovers them, so each of their
/// records is either in a queue or in a file.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    locks: Vec<sys::File>,
    /// Their lines, one queue after the other.
    copy: Option<Arc<File>>,
    pub(crate) failures: Vec<io::Error>,
}

impl Queues {
    /// Locks the orphaned queues of a log, beside it and in `queue_dir`, and copies their lines.
    pub(crate) fn lock(&mut self, primary: &Path, queue_dir: Option<&Path>) -> Vec<LogFile> {
        let mut files = Vec::new();
        for (path, queue) in orphans(primary, queue_dir).into_iter().flatten() {
            match queue.and_then(|queue| self.add(&path, queue)) {
                Ok(file) => files.extend(file),
                Err(error) if is_no_part(&error) => {}
                Err(error) => self.failures.push(named(&path, &error)),
            }
        }
        files
    }

    fn add(&mut self, path: &Path, mut queue: OrphanedQueue) -> io::Result<Option<LogFile>> {
        if self.locks.len() >= MAX_LOCKED {
            return Err(io::Error::other("there are too many orphaned queues"));
        }
        let copy = match &self.copy {
            Some(copy) => Arc::clone(copy),
            None => Arc::clone(self.copy.insert(Arc::new(tempfile::tempfile()?))),
        };
        let start = (&*copy).seek(io::SeekFrom::End(0))?;
        queue.copy_lines(&mut &*copy)?;
        let range = start..(&*copy).stream_position()?;
        self.locks.push(queue.into_lock());
        let rank = FileKind::Current(0);
        let file = LogFile::part(Arc::from(path), rank, copy, range.clone(), None);
        Ok((!range.is_empty()).then_some(file))
    }
}

/// Returns true for the error of a file that is no queue, or another user's: it is not a part of
/// the log.
fn is_no_part(error: &io::Error) -> bool {
    use ErrorKind::{InvalidData, NotFound, PermissionDenied};
    matches!(error.kind(), InvalidData | NotFound | PermissionDenied)
}
