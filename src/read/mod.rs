//! A log read back: the records of all its files, as one stream by time.

use std::io;
use std::path::Path;

pub use builder::MergeBuilder;
pub use follow::Follow;
#[cfg(feature = "cli")]
pub(crate) use line::{colour_length, without_colours};
pub use merge::{Merge, Record, RecordRef};

mod budget;
mod builder;
mod files;
mod follow;
mod line;
mod log_file;
mod merge;
mod pool;
mod range;
mod record_reader;
mod records;
mod reorder;
mod reverse_lines;
mod stack;
mod timestamp;

/// The error, with the file that it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
