//! The options of retention: which files of a log are kept.

use std::time::Duration;

use super::Builder;
use crate::retention::Compression;

/// # Retention
impl Builder {
    /// Keeps at most this number of files of the log: primary, variants and archives together. Default: all.
    ///
    /// The oldest go first: archives and idle variants. Never removed are the primary, the file
    /// written to, one that somebody has locked, and one whose name is not exactly the family's (see
    /// [`Family`](crate::Family)). Each of several processes on one path keeps to its own limits.
    ///
    /// It happens at [`build`](Self::build), after a rotation and after a switch, on a thread of its
    /// own. An archive is removed when this process has found it unchanged for two seconds by the
    /// monotonic clock: a process that had opened the file before it was renamed has written its
    /// record by then. (A process that is stopped for longer between its open and its lock, and does
    /// not rotate itself, could lose that one.)
    ///
    /// A program that runs for less than two seconds keeps to its limits all the same, a little
    /// later. On Unix it removes an archive at once if the file that has its former name
    /// (`app.log`) was changed a minute after the rename, by the clock of the file system. On Windows
    /// it removes an archive at once if no other handle of it is open; idle variants stay there.
    ///
    /// A file that can't be removed causes a WARN event, and is tried again ten minutes later.
    /// Where the file system has no locks nothing is removed, nor is a variant that is a symbolic
    /// link.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().max_files(30).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_files(mut self, n: usize) -> Self {
        self.options.limits.max_files = Some(n);
        self
    }

    /// Removes archives and idle variants whose last write is longer ago than `age`, as
    /// [`max_files`](Self::max_files) does it. Default: never.
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
    /// let file = FileAppender::builder().max_age(Duration::from_secs(30 * 86_400)).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_age(mut self, age: Duration) -> Self {
        self.options.limits.max_age = Some(age);
        self
    }

    /// Keeps at most this number of bytes of the log in all its files together, as
    /// [`max_files`](Self::max_files) does it. Default: no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().max_total_size(1_000_000_000).build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_total_size(mut self, bytes: u64) -> Self {
        self.options.limits.max_total_size = Some(bytes);
        self
    }

    /// Compresses archives, all but the newest: with `Compression::Gzip`
    /// `app.2026-11-23T07-55-01.123456Z.log` becomes `app.2026-11-23T07-55-01.123456Z.log.gz`.
    /// Default: [`Compression::None`].
    ///
    /// It makes no difference who has made an archive: this appender, by its own rules or by
    /// [`rotate`](crate::FileAppender::rotate), another process, or logrotate with names of this form. The
    /// appender looks for archives at [`build`](Self::build), after a rotation or a switch of its own,
    /// and when it has found the log missing and made it anew. It does not notice the rotation of
    /// another process at once, so give this option to each process that rotates.
    ///
    /// The thread that keeps to [`max_files`](Self::max_files) does the work, with the same caution:
    /// when the archive was unchanged for two seconds, under its lock. The compressed file is called
    /// `….gz.tmp` until it is complete. One that a killed process left is removed when the next
    /// appender starts that compresses or has a limit. A program that never runs for as long as its
    /// archives take to be compressed should not ask for it.
    ///
    /// The time of the last change, the permissions and, on Unix, the owner are those of the
    /// archive. An archive stays as it is if they can't be (it is another user's, or has an access
    /// control list of its own), if it is a symbolic link, or if there is another file of the
    /// compressed one's name. Any other failure causes a WARN event, and is tried again ten minutes
    /// later.
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "gzip", doc = "```")]
    #[cfg_attr(not(feature = "gzip"), doc = "```ignore")]
    /// use tracing_fallback_file::{Compression, FileAppender, Period};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder()
    ///     .rotate_every(Period::Daily)
    ///     .compress(Compression::Gzip)
    ///     .build(&path)?;
    /// # drop(file);
    /// # Ok(())
    /// # }
    /// ```
    pub fn compress(mut self, compression: Compression) -> Self {
        self.options.compression = compression;
        self
    }
}
