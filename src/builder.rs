//! Options, their defaults and checks.

// rustdoc shows the options in this order, what is used most first.
mod rotation;

mod retention;

mod queue;

#[cfg(unix)]
pub(crate) mod unix;

use std::fmt;
use std::time::Duration;

#[cfg(feature = "local-time")]
use crate::file::TimeZone;
use crate::file::{Period, SyncPolicy};
use crate::names::MAX_VARIANTS;
use crate::notify::{OnRotate, OnSwitch, Switch};
use crate::retention::{Compression, Limits};
use crate::sink::{MakeHeader, Options, QueueOptions};

/// Options of a [`FileAppender`](crate::FileAppender), from
/// [`FileAppender::builder`](crate::FileAppender::builder).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tracing_fallback_file::FileAppender;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.log");
/// let file = FileAppender::builder()
///     .lock_wait(Duration::from_millis(2))
///     .max_variants(20)
///     .return_to_primary(Duration::from_secs(60))
///     .on_switch(|switch| eprintln!("logging to {} now", switch.fallback.display()))
///     .build(&path)?;
/// assert_eq!(file.current_path(), path);
/// # Ok(())
/// # }
/// ```
#[must_use = "options do nothing until `build`"]
pub struct Builder {
    pub(crate) options: Options,
    pub(crate) on_switch: Option<OnSwitch>,
    pub(crate) on_rotate: Option<OnRotate>,
    pub(crate) header: Option<MakeHeader>,
    pub(crate) period: Option<Period>,
    #[cfg(feature = "local-time")]
    pub(crate) time_zone: TimeZone,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Builder {
            options: Options {
                lock_wait: Duration::from_millis(10),
                max_variants: MAX_VARIANTS,
                return_to_primary: None,
                queue: QueueOptions {
                    size: 1024 * 1024,
                    directory: None,
                    lossy: false,
                },
                backlog_limit: 1024 * 1024,
                max_file_size: None,
                calendar: None,
                rotate_on_start: false,
                sync: SyncPolicy::default(),
                mode: None,
                limits: Limits::default(),
                compression: Compression::None,
                latest: None,
            },
            on_switch: None,
            on_rotate: None,
            header: None,
            period: None,
            #[cfg(feature = "local-time")]
            time_zone: TimeZone::default(),
        }
    }

    /// How long one call waits for the lock of the current file, while another process holds it,
    /// before it goes on to the variants. Default: 10 ms. [`Duration::ZERO`]: it tries once. With
    /// [`non_blocking`](crate::FileAppender::non_blocking) it is also how long a call waits for room in a full queue while no file takes records.
    ///
    /// The wait is made of tries and pauses between them. The pauses grow with the time waited, from
    /// a fortieth of `lock_wait` (0.25 ms at most) to 4 ms, so the wait ends soon after the lock is
    /// free. The first pause of a process that has written without rest until then is six times as
    /// long. Variants are tried once each, without waiting.
    ///
    /// # Busy is not locked
    ///
    /// Other processes that write the same file hold its lock for microseconds at a time. Such a file
    /// is waited for longer, as a switch would be wrong:
    ///
    /// - while it changes, until it has not changed for `lock_wait`;
    /// - while the machine does not run this process in time: that time does not count;
    /// - while at least three threads are runnable for each processor, in the mean of several looks
    ///   (Linux only), by 20 ms for each of them but the first two.
    ///
    /// In all one call waits 30 times `lock_wait` at most, 300 ms by default, not counting the time in
    /// which the machine does not run it.
    ///
    /// A holder that always lets go just before `lock_wait` is over is left too: when calls have
    /// waited ten times `lock_wait` together, in at least half of the time, while nobody wrote to
    /// the file.
    ///
    /// One thread of a process waits at a time, for all of them; the others wait for their turn, so
    /// for one of those the bounds add up.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().lock_wait(Duration::from_millis(50)).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.options.lock_wait = wait;
        self
    }

    /// How many numbered variants there may be, 0 to 999: `app.001.log` to `app.NNN.log`.
    /// Default: 999. With 0 a record that the primary does not take waits in the backlog.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().max_variants(20).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_variants(mut self, n: u16) -> Self {
        self.options.max_variants = n;
        self
    }

    /// Goes back to the primary once it is free again. When `every` has passed since the primary
    /// was left, the next record tries it once, without waiting; if it is not free, a record tries
    /// it again after the same time. Default: never; an appender stays with the file that it has
    /// switched to.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().return_to_primary(Duration::from_secs(60)).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn return_to_primary(mut self, every: Duration) -> Self {
        self.options.return_to_primary = Some(every);
        self
    }

    /// How many bytes of records are kept in memory while no file takes any. Default: 1 MiB.
    ///
    /// A record for which there is no room is dropped: counted in
    /// [`Stats::dropped`](crate::Stats::dropped), reported on stderr at most once a second, and in
    /// the file, as soon as it takes records again, by one line that says how many records are
    /// missing. With 0 nothing is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().backlog_limit(16 << 20).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn backlog_limit(mut self, bytes: usize) -> Self {
        self.options.backlog_limit = bytes;
        self
    }

    /// Whether a record is forced onto the disk before the call that logs returns. Default:
    /// [`SyncPolicy::Never`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::{FileAppender, SyncPolicy};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().sync(SyncPolicy::EveryCommit).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync(mut self, policy: SyncPolicy) -> Self {
        self.options.sync = policy;
        self
    }

    /// Calls `f` at every switch, after its notice is out, on a thread of its own: for programs
    /// whose filter hides the notice, or that count switches. It is called also for those that have
    /// no notice of their own, because there were more than ten within a second.
    ///
    /// `f` may log, also through this appender. The call that made the switch waits for it, 50 ms
    /// at most. A panic in it ends up in the panic hook and nowhere else.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().on_switch(|switch| eprintln!("now in {}", switch.fallback.display())).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_switch(mut self, f: impl Fn(&Switch) + Send + Sync + 'static) -> Self {
        self.on_switch = Some(Box::new(f));
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("options", &self.options)
            .field("period", &self.period)
            .field("on_switch", &self.on_switch.is_some())
            .field("on_rotate", &self.on_rotate.is_some())
            .field("header", &self.header.is_some())
            .finish()
    }
}
