//! What `non_blocking` returns.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::Queue;
use crate::gathered::Gathered;

/// How long the drop of a [`WorkerGuard`] waits for the queue to be written.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// A [`MakeWriter`] whose records are queued and written by a thread: the first part of what
/// [`FileAppender::non_blocking`](crate::FileAppender::non_blocking) returns.
///
/// Clones share the queue. A forked child has one of its own.
#[derive(Clone)]
pub struct NonBlocking {
    queue: Arc<Queue>,
}

impl fmt::Debug for NonBlocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonBlocking")
            .field("path", &self.queue.sink().primary())
            .finish()
    }
}

impl<'a> MakeWriter<'a> for NonBlocking {
    type Writer = QueueWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        QueueWriter {
            queue: &self.queue,
            gathered: Gathered::default(),
        }
    }
}

/// The guard of one event: takes its bytes and queues them as one record.
///
/// As with [`EventWriter`](crate::EventWriter), a `write` whose bytes end in a newline ends a record,
/// and so does the drop. `write` always returns the full length, and `flush` does nothing:
/// [`WorkerGuard::flush`] waits for the log.
pub struct QueueWriter<'a> {
    queue: &'a Queue,
    gathered: Gathered,
}

impl Write for QueueWriter<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.write(bytes, |record| self.queue.push(record));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for QueueWriter<'_> {
    fn drop(&mut self) {
        self.gathered.end(|record| self.queue.push(record));
    }
}

impl fmt::Debug for QueueWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueWriter")
            .field("path", &self.queue.sink().primary())
            .field("gathered", &self.gathered.len())
            .finish()
    }
}

/// Writes what is queued when it is dropped: the second part of what
/// [`FileAppender::non_blocking`](crate::FileAppender::non_blocking) returns.
///
/// The drop waits for 5 s at most and prints nothing. After it the [`NonBlocking`] writes each record
/// in the call that logs it.
#[must_use = "dropped at once, it ends the queue"]
pub struct WorkerGuard {
    queue: Arc<Queue>,
    is_shut_down: bool,
}

impl WorkerGuard {
    /// Waits until every record whose call has returned is in a file of the log, but for those that
    /// [`Stats::dropped`](crate::Stats::dropped) counts.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut) if some are in none after `timeout`. The text says how
    /// many, where they are and why. They stay queued.
    pub fn flush(&self, timeout: Duration) -> io::Result<()> {
        self.queue.flush(timeout)
    }

    /// Has all that is queued written and the queue's file removed, and waits for that.
    ///
    /// After it the [`NonBlocking`] writes each record in the call that logs it.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush). The thread goes on until the process ends; the next appender for
    /// this path writes what is still queued in a file then.
    pub fn shutdown(mut self, timeout: Duration) -> io::Result<()> {
        self.is_shut_down = true;
        self.queue.shutdown(timeout)
    }
}

impl Drop for WorkerGuard {
    fn drop(&mut self) {
        if !self.is_shut_down {
            // An error has no caller left to be returned to.
            let _ = self.queue.shutdown(DROP_TIMEOUT);
        }
    }
}

impl fmt::Debug for WorkerGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerGuard")
            .field("path", &self.queue.sink().primary())
            .finish()
    }
}

/// A new queue, for its two parts.
pub(crate) fn pair(queue: Queue) -> (NonBlocking, WorkerGuard) {
    let queue = Arc::new(queue);
    let writer = NonBlocking {
        queue: Arc::clone(&queue),
    };
    let guard = WorkerGuard {
        queue,
        is_shut_down: false,
    };
    (writer, guard)
}
