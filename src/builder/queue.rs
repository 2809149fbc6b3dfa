//! The options of the queue of `non_blocking`.

use std::path::Path;

use super::Builder;

/// # The queue of `non_blocking`
impl Builder {
    /// How many bytes of records [`non_blocking`](crate::FileAppender::non_blocking) queues before it
    /// slows the callers down. Default: 1 MiB. It is rounded up to two times 4 KiB, or a multiple; 2 GiB
    /// at most.
    ///
    /// It is also the most that is kept while no file takes records, on a full disk for example; at
    /// least half of it is. A call that finds no room then waits for about
    /// [`lock_wait`](Self::lock_wait) and drops its record, which is counted, reported and noted in the
    /// file as by a full [backlog](Self::backlog_limit).
    ///
    /// A record that is longer than half of it is written by the call that logs it, after the
    /// records that were queued before it, also if the queue is [`lossy`](Self::lossy).
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().queue_size(16 << 20).build(&path)?;
    /// let (writer, guard) = file.non_blocking();
    /// # drop((writer, guard));
    /// # Ok(())
    /// # }
    /// ```
    pub fn queue_size(mut self, bytes: usize) -> Self {
        self.options.queue.size = bytes;
        self
    }

    /// The directory of the file in which the queue of
    /// [`non_blocking`](crate::FileAppender::non_blocking) lies. Default: that of the log. It is made if
    /// it is missing.
    ///
    /// All programs that log to one path should name the same one: the next appender for the path
    /// writes what a killed process has left there. A user who can write in it can have records
    /// written to the log.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// # let queues = dir.path().join("queues");
    /// let file = FileAppender::builder().queue_dir(&queues).build(&path)?;
    /// let (writer, guard) = file.non_blocking();
    /// # drop((writer, guard));
    /// # Ok(())
    /// # }
    /// ```
    pub fn queue_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.options.queue.directory = Some(path.as_ref().to_owned());
        self
    }

    /// Whether a full queue drops a record rather than have its call wait. Default: `false`.
    ///
    /// What is dropped is counted in [`Stats::dropped`](crate::Stats::dropped), and a line in the file
    /// says how many records are missing. It is not reported on stderr.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::FileAppender;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().queue_size(64 * 1024).lossy(true).build(&path)?;
    /// let (writer, guard) = file.non_blocking();
    /// # drop((writer, guard));
    /// assert_eq!(file.stats().dropped, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn lossy(mut self, lossy: bool) -> Self {
        self.options.queue.lossy = lossy;
        self
    }
}
