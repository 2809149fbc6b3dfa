//! Which records are read, and how.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::budget::Budget;
use super::files;
use super::log_file::LogFile;
use super::merge::Merge;
use super::query::{Context, Filter, Options};
use super::record::RecordRef;
use super::record_reader::Rules;
use super::reorder_window::late_records;
use super::search::Search;
use super::timestamp::Zone;

/// The default of [`MergeBuilder::window`].
const WINDOW: Duration = Duration::from_millis(100);

/// Maximum memory for long records and the window, for all files together.
const BUDGET: usize = 24 * 1024 * 1024;

/// Which records [`Merge`] returns, and in what order: made by [`Merge::builder`].
///
/// No more is read than is asked for: where a file that is not compressed has the records between
/// two times is found by bisection, an archive whose name says that it ended before
/// [`since`](Self::since) is not opened, and the [`last`](Self::last) records are read from the end.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use tracing::Level;
/// use tracing_fallback_file::Merge;
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let log = dir.path().join("app.log");
/// # std::fs::write(&log, "2026-11-23T07:55:01Z ERROR one\n2026-11-23T07:55:03Z INFO two\n")?;
/// let last_error = Merge::builder()
///     .filter(|record| record.level() == Some(Level::ERROR))
///     .last(1)
///     .open(&log)?
///     .next();
/// # assert_eq!(last_error.unwrap()?.bytes(), b"2026-11-23T07:55:01Z ERROR one\n");
/// let hour = Duration::from_secs(3_600);
/// let since = Merge::builder().since(SystemTime::now() - hour).open(&log)?;
/// # drop(since);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct MergeBuilder {
    options: Options,
    window: Duration,
    zone: Zone,
    queue_dir: Option<PathBuf>,
}

impl Merge {
    /// The records of the log at `primary`.
    ///
    /// # Errors
    ///
    /// Those of [`MergeBuilder::open`].
    pub fn open(primary: impl AsRef<Path>) -> io::Result<Merge> {
        Merge::builder().open(primary)
    }

    /// A builder that selects records, or orders them in another way.
    pub fn builder() -> MergeBuilder {
        MergeBuilder::default()
    }
}

impl Default for MergeBuilder {
    fn default() -> Self {
        MergeBuilder {
            options: Options::default(),
            window: WINDOW,
            zone: Zone::default(),
            queue_dir: None,
        }
    }
}

impl MergeBuilder {
    /// Only records of this time or later. A record without a time counts as having the time before
    /// it in its file.
    pub fn since(mut self, time: SystemTime) -> Self {
        self.options.times.since = Some(time.into());
        self
    }

    /// Only records of this time or earlier; otherwise as [`since`](Self::since).
    pub fn until(mut self, time: SystemTime) -> Self {
        self.options.times.until = Some(time.into());
        self
    }

    /// Only records for which `filter` returns true. A second call replaces the first filter.
    pub fn filter(
        mut self,
        filter: impl Fn(&RecordRef<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.options.filter = Some(Filter(Arc::new(filter)));
        self
    }

    /// Finds the records that may pass the [`filter`](Self::filter), so that the others need not be
    /// parsed: with a fast search, a whole file is read nearly at the speed of the search.
    ///
    /// It is called with a part of a file, of whole records, and returns the position of the first
    /// byte of it that may belong to a record that passes; `None` if no record in it can. It is used
    /// as far as files are read from their start on. Times, order and the filter are as without it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::Merge;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let log = dir.path().join("app.log");
    /// # std::fs::write(&log, "2026-11-23T07:55:01Z INFO one\n2026-11-23T07:55:03Z INFO two\n")?;
    /// let find = |bytes: &[u8]| bytes.windows(3).position(|part| part == b"two");
    /// let merge = Merge::builder()
    ///     .search(find)
    ///     .filter(move |record| find(record.bytes()).is_some())
    ///     .open(&log)?;
    /// assert_eq!(merge.count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn search(
        mut self,
        search: impl Fn(&[u8]) -> Option<usize> + Send + Sync + 'static,
    ) -> Self {
        self.options.search = Some(Search(Arc::new(search)));
        self
    }

    /// Also the `before` records before and the `after` records after each one that passes the
    /// [`filter`](Self::filter). [`RecordRef::follows_gap`] says where some are left out. Those
    /// before are kept in memory, at most 16 MiB of them.
    pub fn context(mut self, before: usize, after: usize) -> Self {
        self.options.context = Context { before, after };
        self
    }

    /// Only the last `n` of the records that the other options select, the earliest first; those of
    /// the [`context`](Self::context) are not counted. They are collected before the first is
    /// returned: 16 MiB of them in memory, the others in a temporary file.
    pub fn last(mut self, n: usize) -> Self {
        self.options.last = Some(n);
        self
    }

    /// The latest record first; default false. Each compressed archive is then decompressed to a
    /// temporary file when it is its turn.
    pub fn newest_first(mut self, newest_first: bool) -> Self {
        self.options.newest_first = newest_first;
        self
    }

    /// How much earlier than one before it in its file a record may be and still be put in order;
    /// 100 ms by default. The records of a file within that time are kept in memory, at most 4 MiB
    /// of each file. Zero leaves the records of each file in the order of the file.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// The time zone of times without one: `offset` returns the offset from UTC in seconds,
    /// positive to the east, at a local time, given in seconds since 1970-01-01T00:00:00 of the
    /// local clock. UTC by default. A second thread may call it, while this one waits for the record.
    pub fn local_offset(mut self, offset: impl Fn(i64) -> i64 + Send + Sync + 'static) -> Self {
        self.zone = Zone::new(offset);
        self
    }

    /// The directory that the programs have set with
    /// [`Builder::queue_dir`](crate::Builder::queue_dir): the queues that killed processes have
    /// left there are read as well.
    pub fn queue_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.queue_dir = Some(path.as_ref().to_owned());
        self
    }

    /// The records of the log at `primary`. The path may also be one of a variant or an archive,
    /// which is read alone then, or a link to the current file, which stands for the log.
    ///
    /// What killed processes have left in queue files beside the log or in the
    /// [`queue_dir`](Self::queue_dir) ([`non_blocking`](crate::FileAppender::non_blocking)) is
    /// returned as well, with the path of the queue, and stays there: the next
    /// [`build`](crate::Builder::build) for the path or `fallback-log --recover` writes it to the
    /// log. These are not read: a queue whose process runs, one of another user, and a file that is
    /// no queue. At most 200 queues are read; each further one is an error of the stream.
    /// [`follow`](Self::follow) returns such records when they are in the log.
    ///
    /// # Errors
    ///
    /// Those of [`Family::of`](crate::Family::of), and [`NotFound`](io::ErrorKind::NotFound) if the
    /// log has no files. A file that can't be read is no error here, but one of the stream.
    pub fn open(&self, primary: impl AsRef<Path>) -> io::Result<Merge> {
        self.open_all([primary])
    }

    /// The records of several logs as one stream; each file once, if it belongs to several.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), of the first log that has one.
    pub fn open_all(
        &self,
        primaries: impl IntoIterator<Item = impl AsRef<Path>>,
    ) -> io::Result<Merge> {
        let (files, failures) = files::find(primaries, self.queue_dir.as_deref())?;
        let mut merge = self.merge(files);
        merge.add_failures(failures);
        Ok(merge)
    }

    /// The records of one file of a log.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if it is not there.
    pub fn open_file(&self, file: impl AsRef<Path>) -> io::Result<Merge> {
        Ok(self.merge(vec![files::single(file.as_ref())?]))
    }

    /// The records that `reader` reads; `name` is their path.
    pub fn read(&self, name: impl AsRef<Path>, reader: impl Read + Send + 'static) -> Merge {
        self.merge(vec![LogFile::stream(name.as_ref(), reader)])
    }

    /// The records in a part of an open file, whose path is another.
    #[cfg(feature = "cli")]
    pub(crate) fn part(
        &self,
        path: &Path,
        file: &Arc<std::fs::File>,
        range: std::ops::Range<u64>,
    ) -> Merge {
        let rank = crate::family::FileKind::Current(0);
        let file = LogFile::part(Arc::from(path), rank, Arc::clone(file), range, None);
        self.merge(vec![file])
    }

    /// The builder for the records after the first poll.
    pub(crate) fn later(&self) -> Self {
        let options = Options {
            last: None,
            newest_first: false,
            ..self.options.clone()
        };
        MergeBuilder {
            options,
            ..self.clone()
        }
    }

    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    pub(crate) fn merge(&self, files: Vec<LogFile>) -> Merge {
        let rules = Rules {
            zone: self.zone.clone(),
            window: self.window,
            late: late_records(files.len()),
            backward: self.options.newest_first || self.options.last.is_some(),
            // A search would skip records that are context.
            search: match self.options.context {
                Context {
                    before: 0,
                    after: 0,
                } => self.options.search.clone(),
                _ => None,
            },
            budget: Budget::new(BUDGET),
        };
        Merge::of(files, rules, self.options.clone())
    }
}
