//! The options of rotation.

use std::sync::Arc;

use super::Builder;
use crate::file::Period;
#[cfg(feature = "local-time")]
use crate::file::TimeZone;
use crate::notify::Rotated;
use crate::sink::MakeHeader;

/// # Rotation
impl Builder {
    /// Rotates a file before a record that would make it larger than `bytes`. Default: never.
    ///
    /// The file is renamed, under its lock: `app.log` to `app.2026-11-23T07-55-01.123456Z.log`,
    /// with the time in UTC. A new file takes the record. No
    /// record is split; one that is larger than `bytes` gets a file of its own. Variants rotate
    /// like the primary, and of a symbolic link the file that it leads to.
    ///
    /// Several processes rotate one path together, each when its own options say so, and lose
    /// nothing. A rename that fails is reported once, as a WARN event; the file is written on, and
    /// the rename is tried again a second later. Where the file system has no locks nothing is
    /// rotated, nor is what has a name under `/proc`, as `/dev/stdout` has.
    ///
    /// The new file has the owner and the permissions of the process that makes it, not those of
    /// the old one: where processes of several users share a log, make sure that all of them may
    /// write the files that each of them makes (`mode` with the umask, or a default ACL).
    ///
    /// It costs one more system call a record, which reads the file's length and time.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().max_file_size(10_000_000).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_file_size(mut self, bytes: u64) -> Self {
        self.options.max_file_size = Some(bytes);
        self
    }

    /// Rotates a file before the first record of a new period, as
    /// [`max_file_size`](Self::max_file_size) does it. Default: never.
    ///
    /// The period of a file is that of its last change, so a log that was written yesterday is
    /// rotated by a program that starts today. A clock that is set back rotates nothing. Neither
    /// does a period whose first record comes from a program without this option: the file's last
    /// change is in the new period then, so give it to all that write the log.
    ///
    /// An appender rotates by period at most once in each period, also where the file system's
    /// clock is behind (a coarse clock, or that of a network disk). There each of several processes
    /// may rotate once.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::{FileAppender, Period};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().rotate_every(Period::Daily).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rotate_every(mut self, period: Period) -> Self {
        self.period = Some(period);
        self
    }

    /// The clock by which periods end: daily at local midnight, for example. Default: UTC.
    ///
    /// The rules of the zone are read when the appender is made; a change of the machine's zone is
    /// noticed by the next start. When clocks are set back, a day that has two midnights ends at the
    /// first, and periods of an hour or less end twice. The names of archives stay in UTC, in which no
    /// time comes twice. Give it to all processes that rotate the log.
    ///
    /// # Errors
    ///
    /// [`build`](Self::build) fails with `InvalidInput` if the system does not know the zone.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::{FileAppender, Period, TimeZone};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder()
    ///     .rotate_every(Period::Daily)
    ///     .time_zone(TimeZone::Local)
    ///     .build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "local-time")]
    #[cfg_attr(docsrs, doc(cfg(feature = "local-time")))]
    pub fn time_zone(mut self, zone: TimeZone) -> Self {
        self.time_zone = zone;
        self
    }

    /// Rotates what is in the primary before the first record of this appender, whatever its size and
    /// age: each start of the program has a log of its own. Default: no.
    ///
    /// Each of several processes does it once, so it is for a program of which one runs at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::{Family, FileAppender};
    /// use tracing_subscriber::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// std::fs::write(&path, "of the last start\n")?;
    /// let file = FileAppender::builder().rotate_on_start(true).build(&path)?;
    /// tracing_subscriber::registry().with(file.layer()).init();
    /// tracing::info!("hello");
    /// assert_eq!(Family::of(&path)?.archives.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rotate_on_start(mut self, rotate: bool) -> Self {
        self.options.rotate_on_start = rotate;
        self
    }

    /// Begins each new file with the text that `make` returns: a version, a host, the names of
    /// columns. Default: no header.
    ///
    /// The text is written under the file's lock, in one write with the first record, by the process
    /// that finds the file missing or empty: once, however many processes share the log, if all of
    /// them have this option. It is no record: [`Stats`](crate::Stats) do not count it, but its bytes
    /// count for [`max_file_size`](Self::max_file_size). It gets a newline at its end if it has none.
    ///
    /// A process that is killed before that write leaves an empty file, in which the next one writes
    /// the header; one that is killed while the system copies the bytes leaves a piece of header and
    /// record, as of any record, and no second header follows. Where the file system has no locks, the
    /// process that makes the file writes the header, and another one may write its record before it.
    ///
    /// `make` is called by a thread that logs, with none of this crate's locks held: for a file that
    /// then turns out to have its header from another process, too. What it logs itself comes behind
    /// the header. A panic in it ends up in the panic hook, and the file has no header.
    ///
    /// It costs one more system call a record, unless an option of rotation costs it already.
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
    /// let file = FileAppender::builder()
    ///     .header(|| format!("# myapp 1.2.3, process {}", std::process::id()))
    ///     .build(&path)?;
    /// tracing_subscriber::registry().with(file.layer()).init();
    /// tracing::info!("hello");
    /// assert!(std::fs::read_to_string(&path)?.starts_with("# myapp 1.2.3, process "));
    /// # Ok(())
    /// # }
    /// ```
    pub fn header(mut self, make: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.header = Some(MakeHeader::new(make));
        self
    }

    /// Calls `f` for each file that this appender has rotated, and once more when it has
    /// [compressed](Self::compress) an archive: to upload it, or to count.
    ///
    /// Of several processes the one that renames a file calls its `f`, so there is one call an
    /// archive, and none if the process ends before it comes to it. `f` runs on a thread of its own,
    /// which no log call waits for; [`flush`](crate::FileAppender::flush) waits for it. It may log, also through this appender.
    /// Calls come one after the other, in order. A panic in `f` ends up in the panic hook.
    ///
    /// Archives that [`max_files`](Self::max_files) and its like make of idle variants count as rotated
    /// too. What is removed or compressed meanwhile may be gone when `f` is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use tracing_fallback_file::FileAppender;
    /// use tracing_subscriber::prelude::*;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let (sender, archives) = mpsc::channel();
    /// let file = FileAppender::builder()
    ///     .on_rotate(move |rotated| {
    ///         let _ = sender.send(rotated.archive.clone());
    ///     })
    ///     .build(&path)?;
    /// tracing_subscriber::registry().with(file.layer()).init();
    /// tracing::info!("hello");
    /// let archive = file.rotate()?;
    /// assert_eq!(archive, Some(archives.recv()?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_rotate(mut self, f: impl Fn(&Rotated) + Send + Sync + 'static) -> Self {
        self.on_rotate = Some(Arc::new(f));
        self
    }
}
