//! The edge to the operating system: files, locks, clocks and threads, as the write path uses them.
//! All of them are those of std and of fd-lock.

pub(crate) use std::fs::{
    canonicalize, create_dir_all, metadata, read_dir, read_link, remove_file, symlink_metadata,
    File,
};
#[cfg(unix)]
pub(crate) use std::fs::{hard_link, Metadata};
#[cfg(any(unix, feature = "gzip"))]
pub(crate) use std::fs::{rename, OpenOptions};
pub(crate) use std::io::stderr;
#[cfg(unix)]
pub(crate) use std::os::unix::fs::symlink;
pub(crate) use std::process::id as process_id;
pub(crate) use std::sync::atomic::compiler_fence;
pub(crate) use std::sync::{mpsc, Condvar, Mutex, MutexGuard};
pub(crate) use std::thread::{
    current as current_thread, park, park_timeout, sleep, yield_now, Thread,
};
pub(crate) use std::thread_local;
pub(crate) use std::time::Instant;

pub(crate) use fd_lock::RwLock as FileLock;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::PoisonError;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{self, FormatTime};

/// The time by the wall clock.
#[inline]
pub(crate) fn now() -> SystemTime {
    #[cfg(all(test, feature = "local-time"))]
    if let Some(now) = test_clock::now() {
        return now;
    }
    SystemTime::now()
}

/// Returns true if the environment names a time zone.
#[cfg(feature = "local-time")]
pub(crate) fn is_time_zone_set() -> bool {
    std::env::var_os("TZ").is_some_and(|name| !name.is_empty())
}

/// The time by the wall clock in UTC, as `2026-11-23T07:55:01.123456Z`.
pub(crate) fn timestamp() -> String {
    let mut now = String::new();
    // Nothing fails that writes to a string.
    let _ = time::SystemTime.format_time(&mut Writer::new(&mut now));
    now
}

/// A number that this process has not got before.
pub(crate) fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// The number of processors that this process may use, as far as the system says at the first call:
/// on Linux it takes 20 system calls to find out.
pub(crate) fn processors() -> u32 {
    static PROCESSORS: AtomicU32 = AtomicU32::new(0);
    let known = PROCESSORS.load(Ordering::Relaxed);
    if known > 0 {
        return known;
    }
    let found = thread::available_parallelism().map_or(1, |n| n.get() as u32);
    PROCESSORS.store(found, Ordering::Relaxed);
    found
}

/// Returns true if there is a regular file at the path, or a link that leads to one.
#[inline]
pub(crate) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Returns true if there is a symbolic link at the path.
#[inline]
pub(crate) fn is_symlink(path: &Path) -> bool {
    path.is_symlink()
}

/// A file that no other process can open, and that goes when it is closed.
#[inline]
pub(crate) fn temporary_file(directory: &Path) -> io::Result<File> {
    tempfile::tempfile_in(directory)
}

/// Starts a thread of that name.
///
/// # Errors
///
/// What the system answers where it has no thread.
pub(crate) fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Waits for the condition variable. A panic of the thread that had the mutex locked is not passed on.
#[inline]
pub(crate) fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition
        .wait(guard)
        .unwrap_or_else(PoisonError::into_inner)
}

/// The same for a limited time.
#[inline]
pub(crate) fn wait_timeout<'a, T>(
    condition: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Duration,
) -> MutexGuard<'a, T> {
    let woken = condition.wait_timeout(guard, timeout);
    woken.unwrap_or_else(PoisonError::into_inner).0
}

/// Locks a mutex. A panic of the thread that had it locked is not passed on.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A wall clock that a test sets, in a process of its own.
#[cfg(all(test, feature = "local-time"))]
pub(crate) mod test_clock {
    use std::sync::Mutex;
    use std::sync::OnceLock;
    use std::time::SystemTime;

    static CLOCK: OnceLock<Mutex<SystemTime>> = OnceLock::new();

    pub(crate) fn set(time: SystemTime) {
        *CLOCK.get_or_init(|| Mutex::new(time)).lock().unwrap() = time;
    }

    pub(super) fn now() -> Option<SystemTime> {
        CLOCK.get().map(|clock| *clock.lock().unwrap())
    }
}

/// `renameat2` between two paths.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
#[inline]
pub(crate) fn rename_with(
    from: &Path,
    to: &Path,
    flags: rustix::fs::RenameFlags,
) -> io::Result<()> {
    use rustix::fs::{renameat_with, CWD};
    Ok(renameat_with(CWD, from, CWD, to, flags)?)
}

/// The blocks of a file system, and its free bytes for any user.
#[cfg(unix)]
#[inline]
pub(crate) fn free_space(directory: &Path) -> io::Result<(u64, u64)> {
    let found = rustix::fs::statvfs(directory)?;
    Ok((
        found.f_blocks,
        found.f_bavail.saturating_mul(found.f_frsize),
    ))
}
