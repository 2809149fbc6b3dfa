//! Logs that rotate, and files of an earlier time.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::write::GzEncoder;
use flate2::Compression;
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

/// What some bytes are compressed.
pub fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// Compresses an archive, which goes.
pub fn gzip_archive(archive: &Path) {
    let compressed = format!("{}.gz", archive.display());
    fs::write(compressed, gzip(fs::read(archive).unwrap())).unwrap();
    fs::remove_file(archive).unwrap();
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
