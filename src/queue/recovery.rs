//! Recovery: finds the queues of processes that are gone, and writes their lines to the log.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::file::{self, is_name_of};
use super::format::{self, Contents, Destination, Pending, Span, HEADER};
use super::journal::Journal;
use super::lines::{self, Cursor, Invalid};
use super::resolve::{resolve, Piece, Resolved};
use super::segment_file::{FileSegment, Pieces};
use crate::file::PendingWrite;
use crate::sink::{Sink, Unwritten};
use crate::sys::{self, start, File, Instant};

/// Maximum time that a queue's worker spends at once on the queues of others.
const MAX_TIME: Duration = Duration::from_millis(50);

/// A queue that can't be recovered yet is tried again after this time, and after twice as long each
/// time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Recovers the orphaned queues of a log. If some have to wait, for example because the log is
/// locked, a thread tries them again for as long as the appender is in use.
pub(crate) fn recover(sink: &Arc<Sink>) {
    let recovery = Recovery::new(sink);
    if recovery.run_all(sink) == Outcome::Postponed {
        let sink = Arc::downgrade(sink);
        // Without a thread, they wait for the next appender.
        let _ = start("fallback-recovery", move || recovery.retry(&sink));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// Something has to be tried again.
    Postponed,
}

/// Where the queues of a log may be.
#[derive(Debug)]
pub(super) struct Recovery {
    primary: PathBuf,
    directories: Vec<PathBuf>,
}

impl Recovery {
    pub(super) fn new(sink: &Sink) -> Self {
        let primary = sink.primary().to_owned();
        let mut directories = vec![sink.options().queue.directory(&primary).to_owned()];
        // Another process may have another `queue_dir`.
        directories.extend(primary.parent().map(Path::to_owned));
        directories.dedup();
        Recovery {
            primary,
            directories,
        }
    }

    /// Recovers all orphans.
    fn run_all(&self, sink: &Arc<Sink>) -> Outcome {
        self.run_until(sink, None)
    }

    /// Recovers orphans, for a limited time.
    pub(super) fn run(&self, sink: &Arc<Sink>) -> Outcome {
        self.run_until(sink, Some(Instant::now() + MAX_TIME))
    }

    fn run_until(&self, sink: &Arc<Sink>, end: Option<Instant>) -> Outcome {
        let mut outcome = Outcome::Done;
        for path in find_in(&self.primary, &self.directories) {
            if end.is_some_and(|end| Instant::now() >= end) {
                return Outcome::Postponed;
            }
            // What can't be read or is no queue stays as it is.
            if let Ok(Some(orphan)) = Orphan::open(&path, &self.primary) {
                if orphan.recover(sink).is_err() {
                    outcome = Outcome::Postponed;
                }
            }
        }
        outcome
    }

    fn retry(&self, sink: &Weak<Sink>) {
        let mut pause = FIRST_PAUSE;
        loop {
            sys::sleep(pause);
            let Some(sink) = sink.upgrade() else {
                return;
            };
            if self.run_all(&sink) == Outcome::Done {
                return;
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

/// The files that have the name of a queue of the log `primary`.
pub(super) fn find_in(primary: &Path, directories: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in directories {
        let entries = sys::read_dir(directory).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let is_queue = |path: &PathBuf| {
            let name = path.file_name();
            name.is_some_and(|name| is_name_of(primary, directory, name))
        };
        found.extend(paths.filter(is_queue));
    }
    found.sort();
    found
}

/// A queue whose owner is gone, locked by this process.
#[derive(Debug)]
pub(super) struct Orphan {
    path: PathBuf,
    pub(super) file: File,
    /// The length of a segment.
    segment: usize,
    pieces: [Pieces; 2],
    pub(super) contents: Contents,
}

impl Orphan {
    /// Opens the file at `path` if it is a queue without an owner. One that was never completed is
    /// removed.
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) means that it is no queue.
    fn open(path: &Path, primary: &Path) -> io::Result<Option<Orphan>> {
        let file = sys::open_owned(path)?;
        let Some(file) = lock_at(path, primary, file)? else {
            return Ok(None);
        };
        let header = read_header(&file)?;
        if format::is_unfinished(&header) {
            file::remove(path, file);
            return Ok(None);
        }
        Orphan::read(path, file, &header).map(Some)
    }

    /// Opens it without changing anything.
    #[cfg(feature = "read")]
    pub(super) fn open_to_read(path: &Path, primary: &Path) -> io::Result<Option<Orphan>> {
        let file = sys::open_owned(path)?;
        sys::check_owner(&file, primary)?;
        // While the file is incomplete its owner may be about to lock it, and would find it locked.
        if format::is_unfinished(&read_header(&file)?) {
            return Ok(None);
        }
        let Some(file) = lock_at(path, primary, file)? else {
            return Ok(None);
        };
        let header = read_header(&file)?;
        Orphan::read(path, file, &header).map(Some)
    }

    fn read(path: &Path, file: File, header: &[u8]) -> io::Result<Orphan> {
        let metadata = file.metadata()?;
        // A file that its owner has made has no holes: they would be read as more bytes than the
        // file takes on the disk.
        let segment = format::segment_length(header, metadata.len())
            .filter(|_| sys::is_allocated(&metadata))
            .ok_or(Invalid)?;
        let mut pieces = [Pieces::default(), Pieces::default()];
        let [first, second] = &mut pieces;
        let segments = [(0, first), (1, second)]
            .map(|(index, pieces)| FileSegment::new(&file, index, segment, pieces));
        let contents = format::parse(header, segments)?;
        Ok(Orphan {
            path: path.to_owned(),
            file,
            segment,
            pieces,
            contents,
        })
    }

    /// One of its segments.
    #[cfg(feature = "read")]
    pub(super) fn segment(&mut self, index: usize) -> FileSegment<'_> {
        FileSegment::new(&self.file, index, self.segment, &mut self.pieces[index])
    }

    /// Writes its lines to the log, in order, and removes it.
    ///
    /// An error means that the rest has to wait.
    fn recover(self, sink: &Arc<Sink>) -> io::Result<()> {
        let Orphan {
            path,
            file,
            segment: length,
            mut pieces,
            contents,
        } = self;
        let journal = match contents.noted {
            None => Journal::new(&file, contents.last),
            Some(_) => Journal::interrupted(&file, contents.last),
        };
        let journal = RefCell::new(journal);
        let mut pending = contents.pending;
        if let (Some((span, to)), Some(first)) = (contents.noted, pending.first_mut()) {
            let pieces = &mut pieces[first.index];
            let mut segment = FileSegment::new(&file, first.index, length, pieces);
            first.from = resolve_noted(sink, &mut segment, first.from, span, to)?;
            journal
                .borrow_mut()
                .settle(Span::up_to(first.sequence, first.from))?;
        }
        let limit = sink.options().queue_batch();
        let mut ends = Vec::new();
        for Pending {
            index,
            sequence,
            mut from,
            ..
        } in pending
        {
            let mut segment = FileSegment::new(&file, index, length, &mut pieces[index]);
            loop {
                let (next, records) = lines::batch_end(&mut segment, from, limit, &mut ends)?;
                if next == from {
                    break;
                }
                let bytes = segment.bytes(from.at..next.at)?;
                let span = Span::between(sequence, from, next);
                let note = |write: PendingWrite<'_>| journal.borrow_mut().note(span, &write);
                let written =
                    sink.submit_queued(bytes, &ends, records, Some(&note), Unwritten::Keep);
                if let Err(refused) = written {
                    let (next, _) = lines::skip(&mut segment, from, refused.left)?;
                    match next == from {
                        true => journal.borrow_mut().cancel()?,
                        false => journal.borrow_mut().settle(Span::up_to(sequence, next))?,
                    }
                    return Err(refused.cause);
                }
                journal.borrow_mut().done()?;
                from = next;
            }
        }
        file::remove(&path, file);
        Ok(())
    }
}

/// Returns up to where the lines from `from` on are in the log, as the file shows that was being
/// written.
fn resolve_noted(
    sink: &Sink,
    segment: &mut FileSegment<'_>,
    from: Cursor,
    span: Span,
    to: Destination,
) -> io::Result<Cursor> {
    let began = Instant::now();
    let lines = segment.bytes(from.at..span.end as usize)?;
    loop {
        match sink.exclusively(|| resolve(sink.primary(), lines, to, Piece::CutOff))? {
            Resolved::Written(bytes) => {
                return Ok(lines::skip(segment, from, bytes)?.0);
            }
            Resolved::Locked(cause) if began.elapsed() >= sink.options().lock_wait => {
                return Err(cause);
            }
            Resolved::Locked(_) => sys::sleep(Duration::from_millis(1)),
        }
    }
}

/// Takes the lock of the file at `path`; `None` if it has an owner, or was removed.
fn lock_at(path: &Path, primary: &Path, file: File) -> io::Result<Option<File>> {
    sys::check_owner(&file, primary)?;
    let Some(file) = file::lock(file)? else {
        return Ok(None);
    };
    // Its owner may have removed it since.
    if !sys::is_at(path, &file)? {
        return Ok(None);
    }
    sys::check_owner(&file, primary)?;
    Ok(Some(file))
}

/// Reads the header, or what there is of it.
fn read_header(file: &File) -> io::Result<Vec<u8>> {
    let mut header = vec![0; HEADER];
    let length = sys::read_at(file, &mut header, 0)?;
    header.truncate(length);
    Ok(header)
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
