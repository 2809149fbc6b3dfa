//! The files of a merge: each is opened when its turn comes, and is in order by its next record.

use std::collections::binary_heap::PeekMut;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;

use super::Merge;
use crate::read::log_file::LogFile;
use crate::read::named;
use crate::read::read_ahead::{FileAhead, ReadAhead, LARGE};
use crate::read::record_reader::{RecordReader, Rules};
use crate::read::turn::{Slot, Slots, Turn};

/// The number of bytes that are read of each file at first.
const FIRST: usize = 16 * 1024;

impl Merge {
    /// Prepares a file, and finds out when it has its turn.
    pub(super) fn start(&mut self, n: usize, mut file: LogFile) -> Slot {
        let Rules { zone, window, .. } = &self.rules;
        match self.options.times.narrow(&mut file, zone, *window) {
            Ok(true) => {}
            Ok(false) => return Slot::Done,
            Err(error) => {
                self.note(&file, &error);
                return Slot::Done;
            }
        }
        let backward = self.rules.backward;
        let turn = |key| Turn::new(key, n, backward);
        if backward && file.is_sequential() {
            if let Some(latest) = file.latest() {
                // It is decompressed only when it has its turn.
                self.next.push(turn(Some(latest)));
                return Slot::Waiting(Box::new(file));
            }
        }
        let is_stream = file.is_stream();
        let step = if is_stream { self.step } else { FIRST };
        // The first record is read without the search, which could go through the whole file, or
        // wait for a stream.
        let mut reader = RecordReader::new(file, step, &self.rules.without_search());
        if reader.has_no_times() {
            self.without_times.push(Arc::clone(reader.file().path()));
        }
        self.note_failure(&mut reader);
        let Some(key) = reader.key() else {
            return Slot::Done;
        };
        self.next.push(turn(key));
        if is_stream {
            return Slot::Open(Box::new(reader));
        }
        // Files that wait for their turn have no buffer: there may be many.
        let mut file = reader.into_file();
        file.rewind();
        Slot::Waiting(Box::new(file))
    }

    /// Starts the thread that reads a large log ahead. A search may take long for one record, which is
    /// returned when it is found, so that has no thread.
    pub(super) fn read_ahead(&mut self) {
        let may_read = !self.rules.backward && self.rules.search.is_none();
        let lengths = self.slots.files.iter().map(Slot::length_ahead);
        if may_read && lengths.sum::<u64>() >= LARGE {
            self.slots.ahead = ReadAhead::start(self.slots.files.len());
        }
    }

    /// Leaves the stream to the parent of this forked child.
    #[cold]
    pub(super) fn abandon(&mut self) {
        self.slots = Slots::new();
        self.next.clear();
        (self.given, self.kept, self.last) = (None, None, None);
        let cause = "a forked child can't go on with the stream of its parent";
        let error = io::Error::new(ErrorKind::Unsupported, cause);
        self.failures = VecDeque::from([error]);
    }

    fn note_failure(&mut self, reader: &mut RecordReader) {
        if let Some(error) = reader.take_failure() {
            self.note(reader.file(), &error);
        }
    }

    /// Keeps the error of a file for the stream.
    fn note(&mut self, file: &LogFile, error: &io::Error) {
        // A file that was removed before any of it was read is left out, as if it had been removed
        // before the list.
        if error.kind() != ErrorKind::NotFound || file.was_there() {
            self.failures.push_back(named(file.path(), error));
        }
    }

    /// Opens file `n`, which has the next turn, or advances it by a record, and puts it in order
    /// again.
    pub(super) fn update(&mut self, n: usize) {
        let mut slot = match mem::replace(&mut self.slots.files[n], Slot::Done) {
            Slot::Waiting(file) => self.opened(n, *file),
            Slot::Open(mut reader) => {
                reader.advance();
                Slot::Open(reader)
            }
            Slot::Ahead(file) => self.advanced(n, file),
            // A function that the caller gave has panicked.
            Slot::Done => {
                self.next.pop();
                return;
            }
        };
        let key = slot.record().map(|(_, _, key)| key);
        if let Slot::Open(reader) = &mut slot {
            if key.is_none() || self.rules.backward {
                self.note_failure(reader);
            }
        }
        if let Some(mut top) = self.next.peek_mut() {
            match key {
                Some(key) => {
                    if top.key != key {
                        top.key = key;
                    }
                }
                None => {
                    self.open.remove();
                    PeekMut::pop(top);
                    return;
                }
            }
        }
        self.slots.files[n] = slot;
    }

    /// A file whose turn has come.
    fn opened(&mut self, n: usize, mut file: LogFile) -> Slot {
        if let Err(error) = self.open.add(&mut file) {
            self.note(&file, &error);
        }
        // A search skips records, also the one whose time ends the reading of a file that can't be
        // bisected.
        let has_end = file.is_sequential() && self.options.times.until.is_some();
        let reader = Box::new(match has_end {
            true => RecordReader::new(file, self.step, &self.rules.without_search()),
            false => RecordReader::new(file, self.step, &self.rules),
        });
        // The merge has more to do than the thread if it has several files to choose from.
        let may_be = self.open.are_several() && reader.file().may_be_read_ahead();
        match self.slots.ahead.as_mut().filter(|_| may_be) {
            Some(thread) => {
                let ahead = thread.open(n, reader);
                self.advanced(n, Box::new(ahead))
            }
            None => Slot::Open(reader),
        }
    }

    /// A file that is read ahead, at its next record.
    fn advanced(&mut self, n: usize, mut file: Box<FileAhead>) -> Slot {
        let thread = self.slots.ahead.as_mut();
        match thread.map(|thread| thread.advance(n, &mut file)) {
            Some(Ok(None)) => Slot::Ahead(file),
            Some(Ok(Some(reader))) => Slot::Open(reader),
            Some(Err(error)) => {
                self.failures.push_back(named(&self.paths[n], &error));
                Slot::Done
            }
            None => Slot::Done,
        }
    }
}
