//! Appenders with one option or two, which many tests need.

use std::path::Path;
use std::time::Duration;

use tracing_fallback_file::FileAppender;

/// An appender that waits for the lock of its file for this time.
pub fn with_lock_wait(log: impl AsRef<Path>, wait: Duration) -> FileAppender {
    FileAppender::builder().lock_wait(wait).build(log).unwrap()
}

/// An appender that keeps a record that the primary does not take.
pub fn without_variants(log: impl AsRef<Path>) -> FileAppender {
    FileAppender::builder().max_variants(0).build(log).unwrap()
}

/// The same, with room for this number of bytes.
pub fn with_backlog_limit(log: impl AsRef<Path>, bytes: usize) -> FileAppender {
    FileAppender::builder()
        .max_variants(0)
        .backlog_limit(bytes)
        .build(log)
        .unwrap()
}
