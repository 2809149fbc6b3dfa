//! Records, written as a layer writes them.

use std::io::{self, Write};

use tracing_fallback_file::FileAppender;
use tracing_subscriber::fmt::MakeWriter;

/// Writes one record through the guard, as `fmt::Layer` does.
pub fn write(appender: &FileAppender, record: &str) {
    try_write(appender, record).unwrap();
}

pub fn try_write(appender: &FileAppender, record: &str) -> io::Result<()> {
    appender
        .make_writer()
        .write_all(format!("{record}\n").as_bytes())
}
