//! A second thread that reads the files of a large log ahead: it reads and splits them while the
//! stream puts their records in order and returns them.
//!
//! The records come in batches of one file each. While one batch is returned the next one is made.

use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::io::{self, ErrorKind};
use std::mem;
use std::panic::resume_unwind;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread::{self, JoinHandle};

use super::record_reader::RecordReader;
use super::split::Entry;
use super::timestamp::Timestamp;

/// The number of bytes from which a log is large: a smaller one is read in a few milliseconds.
pub(crate) const LARGE: u64 = 8 * 1024 * 1024;

/// Maximum size of all batches that are being returned, in bytes, if that is enough for the smallest
/// of each file: they stay in the cache of a processor.
const BATCHES: usize = 1_600 * 1024;
const SMALLEST: usize = 8 * 1024;
const LARGEST: usize = 64 * 1024;

/// The number of bytes for each record that a batch has room for: a record may have a byte.
const BYTES_EACH: usize = 32;

/// The size of the pieces in which memory comes from one processor to another one, in bytes.
const CACHE_LINE: usize = 64;

/// Records of one file in their order.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    records: Vec<Entry>,
}

/// A batch that is to be filled, or has been: it is empty where the thread can't go on, at the end of
/// the file or before a record that is larger than a batch.
struct Job {
    file: usize,
    reader: Box<RecordReader>,
    batch: Batch,
}

/// The thread, and what it has read.
pub(crate) struct ReadAhead {
    /// `None` when the thread is to end.
    channels: Option<(Sender<Job>, Receiver<Job>)>,
    thread: Option<JoinHandle<()>>,
    /// What was made while the stream waited for the batch of another file.
    made: HashMap<usize, Job>,
}

/// A file that the thread reads: the batch that is being returned.
#[derive(Debug, Default)]
pub(crate) struct FileAhead {
    batch: Batch,
    next: usize,
}

impl ReadAhead {
    /// Starts the thread for that number of files; `None` if there is only one processor, or no thread
    /// to be had.
    pub(crate) fn start(files: usize) -> Option<Self> {
        if thread::available_parallelism().map_or(1, usize::from) == 1 {
            return None;
        }
        let (requests, requested) = channel();
        let (making, made) = channel();
        let thread = thread::Builder::new().name("log-read-ahead".to_owned());
        let size = (BATCHES / files.max(1)).clamp(SMALLEST, LARGEST);
        let thread = thread.spawn(move || make(&requested, &making, size)).ok()?;
        Some(ReadAhead {
            channels: Some((requests, made)),
            thread: Some(thread),
            made: HashMap::new(),
        })
    }

    /// Has a file read ahead from its next record on.
    pub(crate) fn open(&self, file: usize, reader: Box<RecordReader>) -> FileAhead {
        let batch = Batch::default();
        self.request(Job {
            file,
            reader,
            batch,
        });
        FileAhead::default()
    }

    /// Goes on to the next record. Returns the reader of the rest if that is not read ahead.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        file: usize,
        ahead: &mut FileAhead,
    ) -> io::Result<Option<Box<RecordReader>>> {
        ahead.next += 1;
        match ahead.next < ahead.batch.records.len() {
            true => Ok(None),
            false => self.turn_over(file, ahead),
        }
    }

    fn turn_over(
        &mut self,
        file: usize,
        ahead: &mut FileAhead,
    ) -> io::Result<Option<Box<RecordReader>>> {
        let mut made = self.take(file)?;
        if made.batch.records.is_empty() {
            return Ok(Some(made.reader));
        }
        made.batch.load();
        mem::swap(&mut ahead.batch, &mut made.batch);
        ahead.next = 0;
        self.request(made);
        Ok(None)
    }

    fn request(&self, job: Job) {
        if let Some((requests, _)) = &self.channels {
            // If the thread is gone, the next look for a batch finds that out.
            let _ = requests.send(job);
        }
    }

    /// Waits for the next batch of a file.
    fn take(&mut self, file: usize) -> io::Result<Job> {
        if let Some(job) = self.made.remove(&file) {
            return Ok(job);
        }
        let Some((_, made)) = &self.channels else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        loop {
            match made.recv() {
                Ok(job) if job.file == file => return Ok(job),
                Ok(job) => _ = self.made.insert(job.file, job),
                Err(error) => {
                    // A function that the caller gave has panicked.
                    if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                        resume_unwind(panic);
                    }
                    let cause = format!("the thread that reads it has ended: {error}");
                    return Err(io::Error::other(cause));
                }
            }
        }
    }
}

impl Drop for ReadAhead {
    /// Ends the thread, so that it has no file open.
    fn drop(&mut self) {
        drop(self.channels.take());
        self.thread.take().map(JoinHandle::join);
    }
}

impl fmt::Debug for ReadAhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAhead").finish_non_exhaustive()
    }
}

/// The thread.
fn make(requested: &Receiver<Job>, making: &Sender<Job>, size: usize) {
    for mut job in requested {
        job.batch.fill(&mut job.reader, size);
        if making.send(job).is_err() {
            return;
        }
    }
}

impl Batch {
    /// Replaces its records by the next ones, as many as it has room for.
    fn fill(&mut self, reader: &mut RecordReader, size: usize) {
        self.bytes.clear();
        self.bytes.reserve_exact(size);
        self.records.clear();
        while let Some((bytes, time, key)) = reader.record() {
            let start = self.bytes.len();
            if start + bytes.len() > size || self.records.len() == size / BYTES_EACH {
                return;
            }
            self.bytes.extend_from_slice(bytes);
            let mut entry = Entry::new(start..self.bytes.len(), time);
            entry.key = key;
            self.records.push(entry);
            reader.advance();
        }
    }

    /// Brings it into the cache of this processor, many lines at a time: one by one, as the records
    /// are returned, it takes a third more time for the whole merge of 200 files.
    fn load(&self) {
        let bytes = self.bytes.iter().step_by(CACHE_LINE);
        black_box(bytes.fold(0, |all, byte| all ^ byte));
        let records = self.records.iter();
        let records = records.step_by((CACHE_LINE / mem::size_of::<Entry>()).max(1));
        black_box(records.fold(0, |all, entry| all ^ entry.start));
    }
}

impl FileAhead {
    /// The next record, its time, and what it is sorted by.
    #[inline]
    pub(crate) fn record(&self) -> Option<(&[u8], Option<Timestamp>, Option<Timestamp>)> {
        let entry = self.batch.records.get(self.next)?;
        Some((&self.batch.bytes[entry.range()], entry.time, entry.key))
    }
}
