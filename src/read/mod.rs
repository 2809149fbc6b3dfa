//! A log read back: the records of all its files, as one stream by time.

use std::io;
use std::path::Path;

pub use builder::MergeBuilder;
#[cfg(feature = "cli")]
pub(crate) use colours::{colour_length, without_colours};
pub use cursor::Cursor;
pub use follow::Follow;
#[cfg(feature = "cli")]
pub(crate) use json_header::{LEVELS, TIMES};
#[cfg(feature = "cli")]
pub(crate) use json_text::JsonText;
#[cfg(feature = "cli")]
pub(crate) use line::without_padding;
pub use merge::Merge;
pub use record::{Record, RecordRef};

mod bisect;
mod budget;
mod builder;
mod calendar;
mod colours;
mod context;
mod cursor;
mod files;
mod follow;
mod followed;
mod json_header;
mod json_text;
mod level;
mod line;
mod log_file;
mod merge;
mod original;
mod parse_time;
mod pool;
mod query;
mod queues;
mod read_ahead;
mod record;
mod record_reader;
mod reorder_window;
mod reverse_lines;
mod rfc_time;
mod search;
mod split;
mod stack;
mod timestamp;
mod turn;
mod while_locked;

/// Adds the path of the file to an error.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
