//! [`FileAppender`] and its writers: bytes in, records out.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::builder::{Builder, InitError};
use crate::delivery::Delivery;
use crate::layer;
use crate::thread::generation;

/// Here a record is cut that has come in pieces and does not end.
const LONGEST: usize = 1024 * 1024;

/// A log file that other processes may also write, lock, rotate or delete.
///
/// It is a [`MakeWriter`] for [`mod@tracing_subscriber::fmt`]: each event opens the file, takes its
/// lock, is written whole, and closes it again. When the file stays locked or can't be opened, the
/// appender moves to a numbered variant of it and says so once. See the [crate's
/// documentation](crate) for what it does in which case.
///
/// Clones share everything.
///
/// # Examples
///
/// ```
/// use tracing_fallback_file::FileAppender;
/// use tracing_subscriber::{fmt, prelude::*};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("logs/app.log");
/// let file = FileAppender::new(&path)?;
/// tracing_subscriber::registry()
///     .with(fmt::layer())
///     .with(file.attach(fmt::layer().json().with_writer(file.clone())))
///     .init();
///
/// tracing::info!("hello");
/// assert!(std::fs::read_to_string(&path)?.contains("hello"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileAppender {
    delivery: Arc<Delivery>,
}

impl FileAppender {
    /// An appender for the file at `path`, with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new(path: impl AsRef<Path>) -> Result<Self, InitError> {
        Self::builder().build(path)
    }

    /// An appender with other options than the default ones.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The primary: the path that it was built with, made absolute. Symbolic links in it are
    /// followed at every event, not resolved once.
    pub fn path(&self) -> &Path {
        self.delivery.primary()
    }

    /// The file that the next record goes to: the primary or one of its variants.
    pub fn current_path(&self) -> PathBuf {
        self.delivery.current_path()
    }

    /// What this appender and its clones have done so far. Each figure is right by itself; they
    /// are not all of the same instant.
    pub fn stats(&self) -> Stats {
        self.delivery.stats()
    }

    /// Waits until no record is pending any more, that is, in memory because no file took it.
    ///
    /// Records in the queue of [`non_blocking`](Self::non_blocking) are tracing-appender's; its
    /// guard sees to them.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) when some are still pending after `timeout`; the text
    /// says how many. They stay pending.
    pub fn flush(&self, timeout: Duration) -> io::Result<()> {
        self.delivery.flush(timeout)
    }

    /// `layer`, in such a way that notices of a switch reach the subscriber that it will be in.
    ///
    /// Without it they go to the global default subscriber, and to stderr where there is none. So
    /// it matters for scoped subscribers ([`tracing::subscriber::with_default`]), in tests for
    /// example, and does no harm elsewhere: levels, filters and what other layers get are as
    /// without it. (One exception: a layer that refuses events for all layers, such as
    /// `LevelFilter::WARN.and_then(layer)`, inside `attach`, with a per-layer filter outside.)
    ///
    /// Put a per-layer filter outside: `file.attach(layer).with_filter(filter)`. With the filter
    /// inside, `file.attach(layer.with_filter(filter))`, `attach` takes one more of the 64 filter
    /// ids that a registry has, and tracing-subscriber panics when the 65th is taken, as the
    /// subscriber is built. Outside it takes none.
    ///
    /// Put it directly into the registry, also boxed, filtered or reloadable. `Option` and `Vec`
    /// do not tell the layers in them about their subscriber: put those inside,
    /// `file.attach(Some(layer))`.
    pub fn attach<L, S>(&self, layer: L) -> impl Layer<S>
    where
        L: Layer<S>,
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        layer::attach(layer, self.delivery.announcer())
    }

    /// A writer that makes one commit of the records between two flushes, for
    /// [`mod@tracing_appender::non_blocking`] with other settings than
    /// [`non_blocking`](Self::non_blocking)'s.
    pub fn batch_writer(&self) -> BatchWriter {
        BatchWriter {
            delivery: Arc::clone(&self.delivery),
            buffer: Vec::new(),
            ends: Vec::new(),
            generation: generation(),
        }
    }

    /// tracing-appender's writer and its guard, over a [`BatchWriter`]: events are queued and
    /// written by a thread, so that no caller waits for a file.
    ///
    /// It is lossless: with [`buffered_lines`](Builder::buffered_lines) in the queue a call waits
    /// for room rather than drop a record.
    ///
    /// # At the end
    ///
    /// Keep the guard until the end of `main`, and let everything that logs end before it: its drop
    /// puts a message behind what is queued, and what is queued behind the message is never
    /// written. It waits 100 ms for a place for that message; if the queue is still full then, it
    /// says so on stdout. It waits 1 s for the thread to come to the message; if that was not
    /// enough it says nothing. In both cases the thread goes on for as long as the process lives,
    /// and [`stats`](Self::stats) tells what is written. (That is tracing-appender 0.2.5; nothing of
    /// it can be set.)
    ///
    /// A full queue of 128,000 records of 200 bytes was in the file 15 to 23 ms after the drop had
    /// begun, and 24 to 32 ms while somebody had the primary locked (ext4, Linux, 2 cores). Where a
    /// disk is slow, choose `buffered_lines` such that a second is enough.
    ///
    /// The records in this appender's backlog are not the guard's: call [`flush`](Self::flush)
    /// after its drop, where files may be locked all at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// use tracing_fallback_file::FileAppender;
    /// use tracing_subscriber::{fmt, prelude::*};
    ///
    /// let file = FileAppender::new(&path)?;
    /// let (writer, guard) = file.non_blocking();
    /// tracing_subscriber::registry()
    ///     .with(file.attach(fmt::layer().with_writer(writer)))
    ///     .init();
    /// tracing::info!("hello");
    /// drop(guard);
    /// assert!(std::fs::read_to_string(&path)?.contains("hello"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If the thread can't be started, as [`NonBlockingBuilder::finish`] does.
    pub fn non_blocking(&self) -> (NonBlocking, WorkerGuard) {
        NonBlockingBuilder::default()
            .lossy(false)
            .buffered_lines_limit(self.delivery.options().buffered_lines)
            .thread_name("fallback-writer")
            .finish(self.batch_writer())
    }
}

impl From<Delivery> for FileAppender {
    fn from(delivery: Delivery) -> Self {
        FileAppender {
            delivery: Arc::new(delivery),
        }
    }
}

impl fmt::Debug for FileAppender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileAppender")
            .field("path", &self.path())
            .field("current_path", &self.current_path())
            .field("stats", &self.stats())
            .finish()
    }
}

impl<'a> MakeWriter<'a> for FileAppender {
    type Writer = EventWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        EventWriter {
            delivery: &self.delivery,
            gathered: Vec::new(),
            generation: 0,
        }
    }
}

/// What an appender and its clones have done, in records, except for `commits`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records that are in a file.
    pub written: u64,
    /// Open, lock, write, unlock, close: how often that was done with success.
    pub commits: u64,
    /// How often a lock was tried again because somebody else held it.
    pub lock_retries: u64,
    /// Moves from one file to another, those back to the primary included.
    pub switches: u64,
    /// Files that this appender has renamed because they were full or their period was over.
    pub rotations: u64,
    /// Records in memory because no file has taken them yet.
    pub pending: u64,
    /// Records given up because the backlog was full.
    pub dropped: u64,
}

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
/// [`Stats::dropped`] and reported.
pub struct EventWriter<'a> {
    delivery: &'a Arc<Delivery>,
    gathered: Vec<u8>,
    /// The process that has gathered this.
    generation: u32,
}

impl Write for EventWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ends = bytes.last() == Some(&b'\n');
        if ends && self.gathered.is_empty() {
            self.delivery.deliver(bytes, &[bytes.len()]);
        } else {
            if self.gathered.is_empty() {
                self.generation = generation();
            }
            self.gathered.extend_from_slice(bytes);
            if ends {
                self.commit_gathered();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl EventWriter<'_> {
    /// Commits a record that came in pieces. In a child that was forked between two of them it is
    /// the parent's.
    fn commit_gathered(&mut self) {
        if self.generation == generation() {
            self.delivery
                .deliver(&self.gathered, &[self.gathered.len()]);
        }
        self.gathered.clear();
    }
}

impl Drop for EventWriter<'_> {
    fn drop(&mut self) {
        if !self.gathered.is_empty() {
            self.gathered.push(b'\n');
            self.commit_gathered();
        }
    }
}

impl fmt::Debug for EventWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWriter")
            .field("path", &self.delivery.primary())
            .field("gathered", &self.gathered.len())
            .finish()
    }
}

/// Takes records and commits those between two flushes as one: the writer under
/// [`FileAppender::non_blocking`].
///
/// A record ends with the `write` whose bytes end in a newline; `flush` and the drop end one that
/// has none. Commits are cut at 64 KiB of whole records, or at
/// [`max_file_size`](Builder::max_file_size) if that is less, so that memory stays bounded; for the
/// same reason a record that has come in pieces gets its newline when there is 1 MiB of it.
///
/// It never answers with an error, because tracing-appender's worker would take it for the loss of
/// a record and, at the end, stop writing. What no file takes is pending in the appender, or
/// counted in [`Stats::dropped`].
pub struct BatchWriter {
    delivery: Arc<Delivery>,
    buffer: Vec<u8>,
    /// Where the whole records in the buffer end.
    ends: Vec<usize>,
    /// The process whose records these are.
    generation: u32,
}

impl BatchWriter {
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
            self.delivery.deliver(&self.buffer[..end], &self.ends);
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
        self.delivery.announcer().give_way();
        if self.half_a_record() >= LONGEST {
            self.end_record();
        }
        if self.buffer.len() + bytes.len() > self.delivery.options().batch() {
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
            .field("path", &self.delivery.primary())
            .field("records", &self.ends.len())
            .finish()
    }
}
