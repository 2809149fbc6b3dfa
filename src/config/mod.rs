//! Options from a file of settings or from the environment.

mod environment;
mod error;
mod keys;
mod serde;
mod value;

use std::path::PathBuf;
use std::time::Duration;

pub use self::error::ConfigError;
#[cfg(feature = "local-time")]
use crate::file::TimeZone;
use crate::file::{Period, SyncPolicy};
use crate::retention::Compression;

/// The options of a log as they stand in a file of settings, in any format that serde reads, or in
/// the environment.
///
/// A program has it as a field of its settings, `log: Config`, and calls [`build`](Self::build) on it.
/// In TOML that is
///
/// ```toml
/// [log]
/// path = "logs/app.log"
/// rotate = "daily"
/// max_file_size = "10 MB"
/// max_age = "30d"
/// ```
///
/// Each key is named for the option of [`Builder`](crate::Builder) that it sets; what is not there keeps its
/// default. A program can change the fields before it makes a [`Builder`](crate::Builder) or a [`FileAppender`](crate::FileAppender) of
/// it.
///
/// | key | value |
/// |---|---|
/// | `path` | where the log is |
/// | `rotate` | [`rotate_every`](crate::Builder::rotate_every): `daily`, `hourly`, `minutely`, `weekly`, or whole minutes or hours such as `15m`, `6h` |
/// | `time_zone` | `Builder::time_zone`: `utc`, or, with the feature `local-time`, `local` or a name such as `Europe/Berlin` |
/// | `max_file_size`, `max_total_size`, `backlog_limit`, `queue_size` | bytes, as a number or a size: `10 MB`, `64 KiB` |
/// | `rotate_on_start`, `lossy` | `true` or `false` |
/// | `queue_dir` | [`queue_dir`](crate::Builder::queue_dir), a path |
/// | `max_files`, `max_variants` | a number |
/// | `max_age`, `lock_wait`, `return_to_primary` | a time span: `30d`, `12h`, `10ms` |
/// | `compress` | `none` or, with the feature `gzip`, `gzip` |
/// | `sync` | `never` or `every_commit` |
/// | `mode` | `unix::BuilderExt::mode`, octal and in quotes: `"0640"`; ignored where there are no such permissions |
/// | `latest_symlink` | `unix::BuilderExt::latest_symlink`, a path; ignored on Windows |
///
/// An unknown key, one that is there twice, and a value that a key can't have are errors with the
/// key, the value and what is allowed.
///
/// # Examples
///
/// ```
/// use tracing_fallback_file::Config;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let settings = r#"{
///     "path": "logs/app.log",
///     "rotate": "daily",
///     "max_file_size": "10 MB",
///     "max_age": "30d"
/// }"#;
/// let mut config: Config = serde_json::from_str(settings)?;
/// # config.path = Some(dir.path().join("app.log"));
/// let file = config.build()?;
/// assert!(file.path().ends_with("app.log"));
///
/// let error = serde_json::from_str::<Config>(r#"{ "max_file_size": "10 XB" }"#).unwrap_err();
/// assert!(error.to_string().starts_with("max_file_size = \"10 XB\" is not allowed"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where the log is, for [`build`](Self::build).
    pub path: Option<PathBuf>,
    /// [`Builder::rotate_every`](crate::Builder::rotate_every).
    pub rotate: Option<Period>,
    /// [`Builder::time_zone`](crate::Builder::time_zone).
    #[cfg(feature = "local-time")]
    pub time_zone: Option<TimeZone>,
    /// [`Builder::rotate_on_start`](crate::Builder::rotate_on_start).
    pub rotate_on_start: Option<bool>,
    /// [`Builder::max_file_size`](crate::Builder::max_file_size).
    pub max_file_size: Option<u64>,
    /// [`Builder::max_files`](crate::Builder::max_files).
    pub max_files: Option<usize>,
    /// [`Builder::max_age`](crate::Builder::max_age).
    pub max_age: Option<Duration>,
    /// [`Builder::max_total_size`](crate::Builder::max_total_size).
    pub max_total_size: Option<u64>,
    /// [`Builder::compress`](crate::Builder::compress).
    pub compress: Option<Compression>,
    /// [`Builder::lock_wait`](crate::Builder::lock_wait).
    pub lock_wait: Option<Duration>,
    /// [`Builder::max_variants`](crate::Builder::max_variants).
    pub max_variants: Option<u16>,
    /// [`Builder::return_to_primary`](crate::Builder::return_to_primary).
    pub return_to_primary: Option<Duration>,
    /// [`Builder::backlog_limit`](crate::Builder::backlog_limit).
    pub backlog_limit: Option<usize>,
    /// [`Builder::queue_size`](crate::Builder::queue_size).
    pub queue_size: Option<usize>,
    /// [`Builder::queue_dir`](crate::Builder::queue_dir).
    pub queue_dir: Option<PathBuf>,
    /// [`Builder::lossy`](crate::Builder::lossy).
    pub lossy: Option<bool>,
    /// [`Builder::sync`](crate::Builder::sync).
    pub sync: Option<SyncPolicy>,
    /// `unix::BuilderExt::mode`.
    pub mode: Option<u32>,
    /// `unix::BuilderExt::latest_symlink`.
    pub latest_symlink: Option<PathBuf>,
}
