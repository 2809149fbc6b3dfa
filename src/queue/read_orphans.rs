//! Reads the queues of processes that are gone, and leaves them as they are.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::format::Pending;
use super::lines;
use super::recovery::{find_in, Orphan};
use super::resolve::{resolve, Piece, Resolved};
use crate::sys::{self, File};

/// A queue whose owner is gone, locked: no process recovers it while this lives.
#[derive(Debug)]
pub(crate) struct OrphanedQueue {
    orphan: Orphan,
    /// Without the records of the last batch that the killed process has written to the log.
    pending: Vec<Pending>,
}

/// Finds the orphaned queues of the log `primary`, beside it and in `queue_dir`, and opens one with
/// each step of the iterator. An error is that of a file with the name of a queue that can't be
/// read or is no queue.
pub(crate) fn orphans(
    primary: &Path,
    queue_dir: Option<&Path>,
) -> io::Result<impl Iterator<Item = (PathBuf, io::Result<OrphanedQueue>)> + use<>> {
    let beside = primary.with_file_name("");
    let primary = std::path::absolute(primary)?;
    let mut directories = Vec::new();
    if let Some(parent) = primary.parent() {
        directories.push((parent.to_owned(), beside));
    }
    if let Some(queue_dir) = queue_dir {
        let directory = std::path::absolute(queue_dir)?;
        if primary.parent() != Some(&directory) {
            directories.push((directory, queue_dir.to_owned()));
        }
    }
    let mut found = Vec::new();
    for (directory, shown) in directories {
        let paths = find_in(&primary, &[directory]).into_iter();
        found.extend(paths.map(|path| (shown.join(path.file_name().unwrap_or_default()), path)));
    }
    let is_file = |(_, path): &(PathBuf, PathBuf)| sys::is_file(path) && !sys::is_symlink(path);
    let found = found.into_iter().filter(is_file);
    Ok(found.filter_map(move |(shown, path)| {
        let queue = OrphanedQueue::open(&path, &primary).transpose()?;
        Some((shown, queue))
    }))
}

impl OrphanedQueue {
    fn open(path: &Path, primary: &Path) -> io::Result<Option<OrphanedQueue>> {
        let Some(mut orphan) = Orphan::open_to_read(path, primary)? else {
            return Ok(None);
        };
        let mut pending = orphan.contents.pending.clone();
        if let (Some((span, to)), Some(first)) = (orphan.contents.noted, pending.first_mut()) {
            let mut segment = orphan.segment(first.index);
            let lines = segment.bytes(first.from.at..span.end as usize)?;
            let written = match resolve(primary, lines, to, Piece::Leave)? {
                Resolved::Written(bytes) => bytes,
                Resolved::Locked(cause) => return Err(cause),
            };
            let (from, before) = lines::skip(&mut segment, first.from, written)?;
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

    /// Writes the lines that are in no log to `copy`, in order.
    pub(crate) fn copy_lines(&mut self, copy: &mut impl Write) -> io::Result<()> {
        for pending in &self.pending {
            let mut segment = self.orphan.segment(pending.index);
            let (end, _) = lines::skip(&mut segment, pending.from, usize::MAX)?;
            segment.for_each_piece(pending.from.at..end.at, |piece| copy.write_all(piece))?;
        }
        Ok(())
    }

    /// Drops the lines and returns the lock: no process recovers the queue while that is held.
    pub(crate) fn into_lock(self) -> File {
        self.orphan.file
    }
}
