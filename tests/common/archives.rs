//! Logs that rotate, and files of an earlier time.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::write::GzEncoder;
use tracing_fallback_file::{Builder, Family, FileAppender};

/// An appender of files of at most `bytes` bytes.
pub fn rotating(bytes: u64) -> Builder {
    FileAppender::builder().max_file_size(bytes)
}

/// Has archives compressed, where the feature `gzip` is on.
pub fn compressing(builder: Builder) -> Builder {
    #[cfg(feature = "gzip")]
    let builder = builder.compress(tracing_fallback_file::Compression::Gzip);
    builder
}

/// What `text` is compressed.
pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Default::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

pub fn set_modified(path: &Path, time: SystemTime) {
    let file = OpenOptions::new().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// A file with one line that was written so long ago.
pub fn left(path: &Path, ago: Duration) {
    fs::write(path, "old\n").unwrap();
    set_modified(path, SystemTime::now() - ago);
}

/// The archives of `log`, oldest first.
pub fn archives(log: &Path) -> Vec<PathBuf> {
    Family::of(log).unwrap().archives
}
