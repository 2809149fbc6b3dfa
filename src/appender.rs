//! [`FileAppender`], the public handle.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::builder::Builder;
use crate::error::InitError;
use crate::layer;
use crate::notify;
use crate::sink::Sink;
use crate::stats::Stats;
use crate::writers::{BatchWriter, EventWriter, RecordWriter};

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
///     .with(file.layer())
///     .init();
///
/// tracing::info!("hello");
/// assert!(std::fs::read_to_string(&path)?.contains("hello"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileAppender {
    sink: Arc<Sink>,
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

    #[cfg(test)]
    pub(crate) fn sink(&self) -> &Arc<Sink> {
        &self.sink
    }

    /// An appender with other options than the default ones.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The primary: the path that it was built with, made absolute. Symbolic links in it are
    /// followed at every event, not resolved once.
    pub fn path(&self) -> &Path {
        self.sink.primary()
    }

    /// The file that the next record goes to: the primary or one of its variants.
    pub fn current_path(&self) -> PathBuf {
        self.sink.current_path()
    }

    /// What this appender and its clones have done so far. Each figure is right by itself; they
    /// are not all of the same instant.
    pub fn stats(&self) -> Stats {
        self.sink.stats()
    }

    /// Waits until no record is pending any more, that is, in memory because no file took it, and
    /// until [`on_rotate`](Builder::on_rotate) has been called for each rotation.
    ///
    /// Records in the queue of [`non_blocking`](Self::non_blocking) are tracing-appender's; its
    /// guard sees to them.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) when some are still pending after `timeout`; the text
    /// says how many. They stay pending.
    pub fn flush(&self, timeout: Duration) -> io::Result<()> {
        self.sink.flush(timeout)
    }

    /// Rotates the file written to now, whatever its size and age: on SIGHUP, before a backup.
    ///
    /// Returns the archive's path, or `None` if there was nothing in the file, or if another process
    /// rotated it at the same time. The next record makes a new file. Processes that share the log
    /// follow at their next record. Waits for the lock as a log call does, and for threads that write.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if another process keeps the file locked,
    /// [`Unsupported`](io::ErrorKind::Unsupported) where the file system has no locks, and what the
    /// system answers to the rename. Then the file is what it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    /// use tracing_subscriber::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::new(&path)?;
    /// tracing_subscriber::registry().with(file.layer()).init();
    /// tracing::info!("hello");
    /// let archive = file.rotate()?.expect("there was a record");
    /// assert!(std::fs::read_to_string(archive)?.ends_with("hello\n"));
    /// assert_eq!(file.rotate()?, None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rotate(&self) -> io::Result<Option<PathBuf>> {
        self.sink.rotate()
    }

    /// A layer that writes each event to this file as a line of text, without colours: what a program
    /// with one log needs.
    ///
    /// It is [`attach`](Self::attach)ed, so the notice of a switch reaches the subscriber that it
    /// will be in. A coloured layer beside it leaves no escape codes in the file, also not in the
    /// fields of spans. For another format, `attach` a [`fmt::layer`](tracing_subscriber::fmt::layer())
    /// `with_ansi(false)` on a clone of the appender.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    /// use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("logs/app.log");
    /// let file = FileAppender::new(&path)?;
    /// tracing_subscriber::registry()
    ///     .with(fmt::layer())
    ///     .with(file.layer().with_filter(LevelFilter::INFO))
    ///     .init();
    ///
    /// tracing::info_span!("request", id = 7).in_scope(|| tracing::info!("hello"));
    /// let log = std::fs::read_to_string(&path)?;
    /// assert!(log.ends_with("hello\n") && log.contains("request{id=7}"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "a layer does nothing until it is in a subscriber"]
    pub fn layer<S>(&self) -> impl Layer<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        self.attach(layer::text(self.clone()))
    }

    /// A layer that writes each event to this file as a line of JSON, otherwise as
    /// [`layer`](Self::layer).
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    /// use tracing_subscriber::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("logs/app.log");
    /// let file = FileAppender::new(&path)?;
    /// tracing_subscriber::registry().with(file.json_layer()).init();
    ///
    /// tracing::info!(answer = 42, "hello");
    /// let log = std::fs::read_to_string(&path)?;
    /// assert!(log.contains(r#""fields":{"message":"hello","answer":42}"#));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    #[must_use = "a layer does nothing until it is in a subscriber"]
    pub fn json_layer<S>(&self) -> impl Layer<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        self.attach(layer::json(self.clone()))
    }

    /// `layer`, in such a way that notices of a switch reach the subscriber that it will be in: for
    /// a format of the program's own, or another writer. [`layer`](Self::layer) does this already.
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
        notify::attach(layer, self.sink.notifier())
    }

    /// A writer for loggers other than tracing: fern, env_logger, slog, log4rs and all that take an
    /// [`io::Write`]. [docs/other-loggers.md] shows each.
    ///
    /// [docs/other-loggers.md]: https://github.com/tracing-fallback-file/tracing-fallback-file/blob/main/docs/other-loggers.md
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let mut writer = FileAppender::new(&path)?.writer();
    /// writeln!(writer, "one record, however many pieces {} has", "it")?;
    /// assert!(std::fs::read_to_string(&path)?.ends_with("it has\n"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn writer(&self) -> RecordWriter {
        RecordWriter::new(Arc::clone(&self.sink))
    }

    /// A writer that makes one commit of the records between two flushes, for
    /// [`mod@tracing_appender::non_blocking`] with other settings than
    /// [`non_blocking`](Self::non_blocking)'s.
    pub fn batch_writer(&self) -> BatchWriter {
        BatchWriter::new(Arc::clone(&self.sink))
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
    ///     .with(file.attach(fmt::layer().with_ansi(false).with_writer(writer)))
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
            .buffered_lines_limit(self.sink.options().buffered_lines)
            .thread_name("fallback-writer")
            .finish(self.batch_writer())
    }
}

impl From<Sink> for FileAppender {
    fn from(sink: Sink) -> Self {
        FileAppender {
            sink: Arc::new(sink),
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
        EventWriter::new(&self.sink)
    }
}
