//! A log file appender for [`tracing`] that shares its file.
//!
//! Every event opens the file, takes its lock, is written whole, and closes the file again. So
//! other processes may write the same log, and rotate, rename or delete it, while this one runs.
//! When the file stays locked or can't be opened, the appender moves to a numbered variant of it
//! and says so once:
//!
//! ```text
//! app.log → app.001.log → app.002.log → … → app.999.log
//! ```
//!
//! It is for services that write one log from several processes (workers, command-line runs beside
//! a daemon, a deployment that overlaps the old instance), and for logs that other programs open
//! and lock (editors, virus scanners, backups, above all on Windows). A log that one process has to
//! itself needs none of this: [tracing-appender](https://docs.rs/tracing-appender) keeps its file open, which costs less.
//!
//! # Use
//!
//! ```
//! use tracing_fallback_file::FileAppender;
//! use tracing_subscriber::{fmt, prelude::*};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # std::env::set_current_dir(&dir)?;
//! let file = FileAppender::new("logs/app.log")?;
//! tracing_subscriber::registry()
//!     .with(fmt::layer())
//!     .with(file.layer())
//!     .init();
//!
//! tracing::info!("started");
//! # assert!(std::fs::read_to_string("logs/app.log")?.contains("started"));
//! # std::env::set_current_dir("/")?;
//! # Ok(())
//! # }
//! ```
//!
//! [`FileAppender`] is the [`MakeWriter`](tracing_subscriber::fmt::MakeWriter); [`Builder`] has
//! its options. In an async service [`FileAppender::non_blocking`] takes the writing off the tasks.
//! [`Family`] lists the files of a log.
//!
//! # What an event does
//!
//! ```text
//! event ─→ layer ─→ guard ─→ open ─→ lock ─→ rotate, if due ─→ write ─→ unlock ─→ close
//!                              │       │
//!                              │       └─ locked: again for lock_wait, then 001, 002, … 999
//!                              └─ no file takes it: backlog ─→ next event, flush, or a thread
//! ```
//!
//! One event is one record, and one record is one commit: open, lock, write, unlock, close. A
//! record is in a file whole or not at all, and never in two, but for what stands
//! [below](#what-is-not-promised). What happens when that fails:
//!
//! | what is wrong | what is done |
//! |---|---|
//! | somebody else holds the lock | tried again for [`lock_wait`](Builder::lock_wait); then each variant once, low numbers first; the first that takes the record is kept |
//! | this file can't be opened or written (permissions, a directory in its place, a [size limit](#what-is-not-promised)) | the variants, without the wait |
//! | no file can (disk full, quota, read-only or failed device, no descriptors left) | no other file is tried; what was written of the record is taken back; it waits in the backlog |
//! | every file of the family is locked | the record waits in the backlog |
//! | the record is larger than a file of the process may get (`RLIMIT_FSIZE`) | it is dropped: counted, reported and noted in the file, as by a full backlog |
//! | the directory has gone | it is made again |
//! | the file has been renamed or deleted | a new one is made |
//! | the file system has no locks (`ENOLCK`, `ENOTSUP`, `ENOSYS`, `EBADF`, `EINVAL` from the lock), or a security module refuses them (`EACCES`, `EPERM`) | one warning; then records are appended without a lock; one that has come behind the piece of another process's is written once more, on its own line |
//!
//! The backlog is in memory, in order. It is tried by the next event, which costs one try while it
//! is not empty, by [`FileAppender::flush`], and by one thread for all appenders of the process: after 0.1 s, and
//! while no file takes any, after twice as long each time, 5 s at most. When it is
//! [full](Builder::backlog_limit) the newest records are dropped: counted in [`Stats::dropped`],
//! reported on stderr at most once a second, and in the file by one line that says how many are
//! missing. `write` never returns an error for it. Records of [`FileAppender::non_blocking`] stay in
//! its queue instead; in a file it survives the process.
//!
//! Threads and appenders of one process take turns; a thread that has waited for 5 ms is next. They
//! never send each other to a variant, however they spell the path, with these exceptions: hard
//! links, bind mounts, links whose target changes between two builds, and another case of the file
//! name where the file system ignores it.
//!
//! # Rotation and retention
//!
//! [`max_file_size`](Builder::max_file_size) and [`rotate_every`](Builder::rotate_every) rename a
//! file that is full, or whose period is over, to `app.2026-11-23T07-55-01.123456Z.log`, before the
//! record for which it has no room. The process that rotates holds the file's lock and checks once
//! more that it is still the file at the path. So any number of processes can rotate one log
//! together, with the same options, with others or with none, and nothing is lost. There is no
//! index or state beside the logs. [`Family::archives`] lists the renamed files,
//! [`max_files`](Builder::max_files) and its like remove the oldest of them.
//!
//! # Choosing
//!
//! - **Synchronous or off the thread.** [`FileAppender`] itself writes in the call that logs: the
//!   record is in the file when the call returns, at the price of five system calls.
//!   [`non_blocking`](FileAppender::non_blocking) takes that off the caller and lets many records
//!   share one commit; what is queued when the process is killed is in the log after the next
//!   start. For a command-line program or an audit log take the former, for an async service the
//!   latter.
//! - **[`lock_wait`](Builder::lock_wait).** The time for which a file may stay locked and unchanged
//!   before it is left. A file that others write to is waited for longer, up to 30 times as long.
//!   Processes of your own hold the lock for microseconds; a few milliseconds keep them in one file.
//!   Zero never waits, and scatters busy processes over several files. `docs/lock-wait.md` has figures.
//! - **Several processes** may use one path with different options. Each keeps to its own: one that
//!   rotates rotates what the others write.
//! - **Rotation or logrotate.** Either; not `copytruncate`. `docs/reading.md` has settings with which
//!   logrotate's archives keep the names of this crate's.
//!
//! # Network disks
//!
//! Not measured; this is what their documentation says. On NFS, Linux turns `flock` into a lock of the
//! whole file at the server (since 2.6.12; NFSv4, or NFSv3 with lockd), so processes on several
//! machines keep out of each other's way; appends alone do not, as the client looks for the end of
//! the file itself. A client that is cut off loses its lock after the lease (90 s by default). On
//! SMB, Linux maps `flock` to the server's mandatory locks (since 5.5, mounted without `nobrl`), which
//! stop readers of the locked range as well. Where there are no locks, the appender says so once and
//! appends without. A server that does not answer makes any call wait for as long as the mount says
//! (`hard`, `soft`): no library can bound that; [`non_blocking`](FileAppender::non_blocking) keeps it
//! off the caller until the queue is full.
//!
//! # Windows
//!
//! The log is opened for reading and appending, and others may read, write, rename and delete it
//! meanwhile. A sharing violation (an editor, a scanner or a backup that lets nobody else at it)
//! and a lock violation both count as locked. Locks are mandatory there: a program that reads the
//! log during a commit, which takes microseconds, gets error 33 and has to read again, as [`Merge`]
//! does. A file that somebody has open without `FILE_SHARE_DELETE` can't be rotated until it is
//! closed; it is written on and tried again a second later. [`max_files`](Builder::max_files)
//! removes an archive at once if no other handle of it is open, else after two seconds without a
//! change. Idle variants are removed only by a program that runs for two seconds.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `tracing-appender`: `FileAppender::tracing_appender`, that crate's queue over this one's files.
//! - `gzip`: [`Builder::compress`] has `Compression::Gzip`, and [`Merge`] reads compressed archives.
//!   It changes nothing by itself.
//! - `json`: [`FileAppender::json_layer`].
//! - `local-time`: [`Builder::rotate_every`] by the local clock or that of another time zone.
//! - `serde`: `Config`, the options from a file of settings or from the environment.
//! - `read`: [`Merge`], which reads a log back; a program that only writes does not compile it.
//! - `cli`: the command `fallback-log`, with `read`, `gzip` and what else it needs; nothing for a
//!   program that logs.
//!
//! # Reading
//!
//! [`Merge`] (feature `read`) returns the records of all files of a log by time. The command `fallback-log` (`cargo
//! install tracing-fallback-file --features cli`) prints them, and follows with `-f` through
//! switches, rotation and removal.
//!
//! # What survives what
//!
//! | | [`SyncPolicy::Never`] | [`SyncPolicy::EveryCommit`] | [`non_blocking`](FileAppender::non_blocking), its queue in a file |
//! |---|---|---|---|
//! | the process ends, panics, aborts or is killed | every record for which `write` has returned, but for the backlog | the same | the same: what is queued is in the log after the next [`build`](Builder::build) for the path |
//! | the system crashes, the power fails | what the system has written to the disk by itself, on Linux usually within half a minute | every record for which `write` has returned, but for the backlog, as far as the disk keeps what it says that it keeps | what is in the log, as the columns before say; of the queue what the system has written by itself, which may be older lines of it |
//!
//! A queue on the heap ([`QueuePlace::Heap`]) survives neither.
//!
//! # The notice
//!
//! A switch is announced by one INFO event with the target [`TARGET`], the message `File locked,
//! switched to numbered variant:` and the fields `original` and `fallback`. It comes from a
//! short-lived thread, because an event from inside a writer can deadlock, panic or get lost; the
//! call that made the switch waits for it, 50 ms at most.
//!
//! The first ten switches of an appender within a second have an event each. When the second is
//! over, or at a [`flush`](FileAppender::flush) before that, one more event with the message `File
//! switched more times within a second:` and the fields `original`, `fallback` (of the newest switch)
//! and `count` stands for the others.
//!
//! It goes to the subscriber that has the layer made by [`FileAppender::attach`], else to the
//! global default, else to stderr. Filters apply to it as to any event: `RUST_LOG=myapp=debug`
//! hides it, `RUST_LOG=myapp=debug,tracing_fallback_file=info` does not.
//! [`Builder::on_switch`] is called whatever the filters.
//!
//! # What is not promised
//!
//! - Records in the backlog are gone when the process ends before a file takes them:
//!   [`flush`](FileAppender::flush) before the end of `main` if that matters.
//! - By default a record is handed to the operating system, not forced onto the disk.
//! - A process that is killed while the system copies its record leaves the first piece of it. The
//!   next record starts on a line of its own if its appender checks the file's end: in its first
//!   commit to a file, in a thousand commits after it has noticed another process there, and
//!   otherwise in one commit of each thousand. A check in every commit would cost one or two more
//!   system calls a record.
//! - A limit on the size of files (`RLIMIT_FSIZE`) that is set while the process runs: an appender
//!   asks for it when it is built, in [`flush`](FileAppender::flush), once in a thousand commits, and,
//!   once there is one, in each commit; in each it would cost a system call more. On Linux, a limit
//!   beyond the end of the file is also noticed when the system cuts a record off there. A process
//!   that sets one at or below the end of its log calls `flush` after `setrlimit`: without that,
//!   SIGXFSZ ends it at one of its next records, unless it is ignored.
//! - Locks are advisory on Unix. A program that takes none can write between the records, and one
//!   that truncates the file (logrotate's `copytruncate`) takes records with it.
//! - A record that is written at the moment when somebody deletes the file is lost with the file.
//!   If somebody puts a FIFO in the current file's place while the appender runs, the appender
//!   notices only when the FIFO is full, or when it checks the file's end, as above.
//! - The order of records of several processes is the order in which they got the lock.
//! - A killed process's queue is recovered when its lock is free: not before the end of a child
//!   that it has forked and that neither logs nor calls `exec`. If a write was cut off and others
//!   have written behind it, the piece stays in the log, and the record comes again whole.
//! - If a process forks without `exec` while another of its threads writes to a file, and ends before
//!   that thread has unlocked the file, its child has the lock for as long as it lives. All appenders
//!   then take the file for locked, the child's own as well, and switch.
//! - If a process forks without `exec` while another of its threads starts or ends, the child may not
//!   be able to start threads: std holds a lock then (Rust 1.95). The first call that needs a thread
//!   waits for one second. After that, records are written by their calls, also with `non_blocking`,
//!   and a backlog by the next call; notices and `on_switch` do not come.
//! - Under [`SyncPolicy::EveryCommit`] a record that could neither be synced nor taken back is in the
//!   file twice.
//! - Records that are dropped, because a backlog or a queue was full while no file took records, are
//!   counted.
//! - If another process has written the same bytes to the same offset between the kill of a process
//!   and the recovery of its queue, they count as that queue's. If somebody has moved the file out
//!   of its directory meanwhile, the records of the last commit may be there and in the log.
//!
//! `RELIABILITY.md` in the repository says how all this was tested.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod appender;
mod builder;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "serde")]
mod config;
mod error;
mod family;
mod file;
mod fnv;
mod gathered;
mod layer;
mod names;
mod notify;
#[cfg(test)]
#[path = "../tests/common/numbers.rs"]
mod numbers;
mod queue;
#[cfg(feature = "read")]
mod read;
mod retention;
#[cfg(all(test, unix))]
mod simulation;
mod sink;
mod stats;
mod sys;
mod writers;

pub use appender::FileAppender;
pub use builder::Builder;
#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
pub use config::{Config, ConfigError};
pub use error::InitError;
pub use family::Family;
#[cfg(feature = "local-time")]
#[cfg_attr(docsrs, doc(cfg(feature = "local-time")))]
pub use file::TimeZone;
pub use file::{Minutes, Period, PeriodError, SyncPolicy};
pub use notify::{Rotated, Switch, SwitchReason, TARGET};
pub use queue::{NonBlocking, QueueWriter, WorkerGuard};
#[cfg(feature = "read")]
pub use read::{Cursor, Follow, Merge, MergeBuilder, Record, RecordRef};
pub use retention::Compression;
pub use stats::{QueuePlace, Stats};
pub use writers::{BatchWriter, EventWriter, RecordWriter};

/// What exists on Unix only.
#[cfg(unix)]
pub mod unix {
    pub use crate::builder::unix::BuilderExt;
}

/// Compiles and runs the code blocks of docs/migrating.md.
#[cfg(doctest)]
#[doc = include_str!("../docs/migrating.md")]
pub struct Migrating;
