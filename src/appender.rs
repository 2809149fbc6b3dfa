//! [`FileAppender`], the public handle.

mod build;
#[cfg(feature = "serde")]
mod config;
mod probe;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::builder::Builder;
use crate::error::InitError;
use crate::layer;
use crate::notify;
use crate::queue::{self, NonBlocking, Queue, WorkerGuard};
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
    /// It also asks anew how large files may get (`RLIMIT_FSIZE`): see what is [not
    /// promised](crate#what-is-not-promised).
    ///
    /// It does not wait for records in the queue of [`non_blocking`](Self::non_blocking):
    /// [`WorkerGuard::flush`] waits for both.
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

    /// A writer that makes one commit of the records between two flushes, for the queues of others:
    /// tracing-appender's, say.
    pub fn batch_writer(&self) -> BatchWriter {
        BatchWriter::new(Arc::clone(&self.sink))
    }

    /// A writer that queues records, which a thread writes, and its guard. A call waits only when the
    /// queue is full.
    ///
    /// The queue lies in a mapped file beside the log. A call copies its record there, and what is
    /// in it outlives the process, however that ends: the process that builds the next appender for
    /// this path writes it to the log, each record once. While processes log to the path, a worker
    /// looks for the queues of those that are gone, about every 10 s. Where there can be no such
    /// file the queue is on the heap; a WARN event reports that once, and [`Stats::queue`] says
    /// where it is.
    ///
    /// When the queue is full ([`queue_size`](Builder::queue_size)), a call waits for room, or drops
    /// its record if the queue is [`lossy`](Builder::lossy). While no file takes records, they stay in
    /// the queue. A call that finds no room then waits until [`lock_wait`](Builder::lock_wait) is over,
    /// or until the try that is under way has failed if that is later; then its record is dropped.
    /// Later calls that find no room drop theirs at once, until a file takes records again. What is
    /// dropped is counted, reported on stderr and noted in the file, as by a full
    /// [backlog](Builder::backlog_limit); a process that is killed first leaves no note.
    ///
    /// # The file
    ///
    /// It is called `.app.log.<unique>.queue`, has the length of the queue and a page, and can be read
    /// by this user only, unless there is a `mode`. It is there from this call until the guard has
    /// gone. There is one on Linux where changed blocks stay in their place (ext4, XFS, F2FS, tmpfs,
    /// overlayfs) and on Windows; elsewhere a full disk could end the process.
    ///
    /// # At the end
    ///
    /// Keep the guard until the end of `main`: its drop waits for 5 s at most until all is in the log,
    /// [`shutdown`](WorkerGuard::shutdown) for as long as it is told to. After that each
    /// record is written by the call that logs it; while older ones are still queued because no file
    /// takes them, it is queued behind them. A program that ends without it, killed or by [`std::process::exit`],
    /// leaves the queue file to the next one.
    ///
    /// # Forks
    ///
    /// A forked child has a queue of its own, from its first record on. A child that does not log and
    /// does not `exec` keeps the file of its parent from being recovered for as long as it lives.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// use std::time::Duration;
    /// use tracing_fallback_file::FileAppender;
    /// use tracing_subscriber::{fmt, prelude::*};
    ///
    /// let file = FileAppender::new(&path)?;
    /// let (writer, guard) = file.non_blocking();
    /// tracing_subscriber::registry()
    ///     .with(file.attach(fmt::layer().with_ansi(false).with_writer(writer)))
    ///     .init();
    /// tracing::info!("hello");
    /// guard.flush(Duration::from_secs(5))?;
    /// assert!(std::fs::read_to_string(&path)?.contains("hello"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn non_blocking(&self) -> (NonBlocking, WorkerGuard) {
        queue::pair(Queue::new(Arc::clone(&self.sink)))
    }

    /// tracing-appender's own `non_blocking`, lossless, over a [`BatchWriter`]: a queue of 128,000
    /// records on the heap, which is gone when the process is.
    ///
    /// Its guard waits for 1.1 s at most, and prints to stdout if that is not enough to reach its
    /// thread. The guard does not wait for records that no file takes: call [`flush`](Self::flush)
    /// after its drop.
    ///
    /// # Panics
    ///
    /// If the thread can't be started.
    #[cfg(feature = "tracing-appender")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tracing-appender")))]
    pub fn tracing_appender(
        &self,
    ) -> (
        tracing_appender::non_blocking::NonBlocking,
        tracing_appender::non_blocking::WorkerGuard,
    ) {
        tracing_appender::non_blocking::NonBlockingBuilder::default()
            .lossy(false)
            .thread_name("fallback-writer")
            .finish(self.batch_writer())
    }
}

impl From<Arc<Sink>> for FileAppender {
    fn from(sink: Arc<Sink>) -> Self {
        FileAppender { sink }
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
