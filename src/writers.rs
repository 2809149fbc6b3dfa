//! Bytes in, records out.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use crate::gathered::Gathered;
use crate::notify::Origin;
use crate::sink::Sink;
use crate::sys::generation;

/// Length at which a record is cut that comes in pieces and does not end.
const LONGEST: usize = 1024 * 1024;

/// The guard of one event: takes its bytes and commits them as one record.
///
/// A `write` whose bytes end in a newline commits at once; anything else is gathered until one
/// does, or until the guard is dropped, which adds the newline. `flush` does nothing: the end of a
/// record is its newline.
///
/// # Errors
///
/// None: `write` always returns the full length. `fmt()` would print an error to stderr for each
/// event, which panics where stderr is a file on a full disk and waits where it is a pipe that
/// nobody reads. A record that no file has taken is pending in the appender, or counted in
/// [`Stats::dropped`](crate::Stats::dropped) and reported.
pub struct EventWriter<'a> {
    sink: &'a Arc<Sink>,
    gathered: Gathered,
}

impl<'a> EventWriter<'a> {
    pub(crate) fn new(sink: &'a Arc<Sink>) -> Self {
        EventWriter {
            sink,
            gathered: Gathered::default(),
        }
    }
}

impl Write for EventWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sink = self.sink;
        self.gathered.write(bytes, |record| {
            sink.submit(Origin::Caller, record, &[record.len()]);
        });
        Ok(bytes.len())
    }

    /// As `write` takes all bytes, it is called once.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes).map(|_| ())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for EventWriter<'_> {
    fn drop(&mut self) {
        let sink = self.sink;
        self.gathered.end(|record| {
            sink.submit(Origin::Caller, record, &[record.len()]);
        });
    }
}

impl fmt::Debug for EventWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWriter")
            .field("path", &self.sink.primary())
            .field("gathered", &self.gathered.len())
            .finish()
    }
}

/// A writer that owns its share of the appender, from
/// [`FileAppender::writer`](crate::FileAppender::writer), for loggers other than tracing.
///
/// A record ends with the `write` whose bytes end in a newline, with `flush`, and with the drop; the
/// latter two add the newline. It is committed at once: when `flush` returns, the record is in the
/// file. One that has come in pieces is cut when there is 1 MiB of it.
///
/// A clone has records of its own. As with [`EventWriter`], no call returns an error.
pub struct RecordWriter {
    sink: Arc<Sink>,
    gathered: Vec<u8>,
    /// The process that has gathered this.
    generation: u32,
}

impl RecordWriter {
    pub(crate) fn new(sink: Arc<Sink>) -> Self {
        RecordWriter {
            sink,
            gathered: Vec::new(),
            generation: 0,
        }
    }

    /// Commits the bytes so far. A child that was forked meanwhile drops them: they are the
    /// parent's to write.
    fn commit(&mut self) {
        if !self.gathered.is_empty() && self.generation == generation() {
            if !self.gathered.ends_with(b"\n") {
                self.gathered.push(b'\n');
            }
            let record = &self.gathered;
            self.sink.submit(Origin::Caller, record, &[record.len()]);
        }
        self.gathered.clear();
    }
}

impl Write for RecordWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let here = generation();
        if self.generation != here {
            self.generation = here;
            self.gathered.clear();
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.ends_with(b"\n") || self.gathered.len() >= LONGEST {
            self.commit();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.commit();
        Ok(())
    }
}

impl Clone for RecordWriter {
    fn clone(&self) -> Self {
        RecordWriter::new(Arc::clone(&self.sink))
    }
}

impl Drop for RecordWriter {
    fn drop(&mut self) {
        self.commit();
    }
}

impl fmt::Debug for RecordWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordWriter")
            .field("path", &self.sink.primary())
            .field("gathered", &self.gathered.len())
            .finish()
    }
}

/// Takes records and commits those between two flushes as one: a writer for the queues of others, such
/// as tracing-appender's.
///
/// A record ends with the `write` whose bytes end in a newline; `flush` and the drop end one that
/// has none. Commits are cut at 64 KiB of whole records, or at
/// [`max_file_size`](crate::Builder::max_file_size) if that is less, so that memory stays bounded; for the
/// same reason a record that has come in pieces gets its newline when there is 1 MiB of it.
///
/// It never answers with an error, because tracing-appender's worker would take it for the loss of
/// a record and, at the end, stop writing. What no file takes is pending in the appender, or
/// counted in [`Stats::dropped`](crate::Stats::dropped).
pub struct BatchWriter {
    sink: Arc<Sink>,
    buffer: Vec<u8>,
    /// Where the whole records in the buffer end.
    ends: Vec<usize>,
    /// The process whose records these are.
    generation: u32,
}

impl BatchWriter {
    pub(crate) fn new(sink: Arc<Sink>) -> Self {
        BatchWriter {
            sink,
            buffer: Vec::new(),
            ends: Vec::new(),
            generation: generation(),
        }
    }

    /// In a forked child: what is in the buffer is the parent's to write.
    fn leave_to_parent(&mut self) {
        let here = generation();
        if self.generation != here {
            self.generation = here;
            self.buffer.clear();
            self.ends.clear();
        }
    }

    /// Commits the whole records in the buffer.
    fn commit(&mut self) {
        if let Some(&end) = self.ends.last() {
            self.sink
                .submit(Origin::Queue, &self.buffer[..end], &self.ends);
            self.buffer.drain(..end);
            self.ends.clear();
        }
    }

    /// The length of the record that has no newline yet.
    fn half_a_record(&self) -> usize {
        self.buffer.len() - self.ends.last().copied().unwrap_or(0)
    }

    fn end_record(&mut self) {
        if self.half_a_record() > 0 {
            self.buffer.push(b'\n');
            self.ends.push(self.buffer.len());
        }
    }
}

impl Write for BatchWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.leave_to_parent();
        self.sink.notifier().wait_for_late_notice();
        if self.half_a_record() >= LONGEST {
            self.end_record();
        }
        if self.buffer.len() + bytes.len() > self.sink.options().batch() {
            self.commit();
        }
        self.buffer.extend_from_slice(bytes);
        if bytes.last() == Some(&b'\n') {
            self.ends.push(self.buffer.len());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.leave_to_parent();
        self.end_record();
        self.commit();
        Ok(())
    }
}

impl Drop for BatchWriter {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

impl fmt::Debug for BatchWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchWriter")
            .field("path", &self.sink.primary())
            .field("records", &self.ends.len())
            .finish()
    }
}
