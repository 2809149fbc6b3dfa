//! The queues of processes that are gone, read and left as they are.

use std::io;
use std::path::{Path, PathBuf};

use super::format::Pending;
use super::lines;
use super::recovery::{find_in, Orphan};
use super::resolve::{resolve, Piece, Resolved};
use crate::sys::{self, File};

/// A queue whose owner is gone. Nobody recovers it while this is open.
#[derive(Debug)]
pub(crate) struct OrphanedQueue {
    orphan: Orphan,
    /// Without the records of its last batch that a killed process has written.
    pending: Vec<Pending>,
}

/// The orphaned queues beside the log `primary`, each opened when its turn comes. An error is one of
/// a file that has the name of a queue: it can't be read, or is none.
pub(crate) fn orphans(
    primary: &Path,
) -> io::Result<impl Iterator<Item = (PathBuf, io::Result<OrphanedQueue>)> + use<>> {
    let shown = primary.to_owned();
    let primary = std::path::absolute(primary)?;
    let directories: Vec<PathBuf> = primary.parent().map(Path::to_owned).into_iter().collect();
    let found = find_in(&primary, &directories);
    let is_file = |path: &PathBuf| sys::is_file(path) && !sys::is_symlink(path);
    Ok(found.into_iter().filter(is_file).filter_map(move |path| {
        let queue = OrphanedQueue::open(&path, &primary).transpose()?;
        let shown = shown.with_file_name(path.file_name()?);
        Some((shown, queue))
    }))
}

impl OrphanedQueue {
    fn open(path: &Path, primary: &Path) -> io::Result<Option<OrphanedQueue>> {
        let Some(orphan) = Orphan::open_to_read(path, primary)? else {
            return Ok(None);
        };
        let mut pending = orphan.contents.pending.clone();
        if let (Some((span, to)), Some(first)) = (orphan.contents.noted, pending.first_mut()) {
            let (segment, lines) = orphan.noted_lines(first, span);
            let written = match resolve(primary, lines, to, Piece::Leave)? {
                Resolved::Written(bytes) => bytes,
                Resolved::Locked(cause) => return Err(cause),
            };
            let (from, before) = lines::skip(segment, first.from, written);
            first.from = from;
            first.records -= before;
        }
        Ok(Some(OrphanedQueue { orphan, pending }))
    }

    /// The number of its records that are in no log.
    #[cfg(feature = "cli")]
    pub(crate) fn records(&self) -> u64 {
        self.pending.iter().map(|pending| pending.records).sum()
    }

    /// The lines that are in no log, in order, in one piece or two.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.pending.iter().map(|pending| {
            let segment = &*self.orphan.segments[pending.index];
            let (end, _) = lines::skip(segment, pending.from, usize::MAX);
            &segment[pending.from.at..end.at]
        })
    }

    /// Drops the lines, and keeps the lock, which keeps others from recovering it.
    pub(crate) fn into_lock(self) -> File {
        self.orphan.file
    }
}
