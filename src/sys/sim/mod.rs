//! The operating system in a test build: the real one on a real thread, and on a virtual thread of
//! a [`machine`] a simulated one, under the same names as in `os`.
//!
//! The code above it is that of a production build, not a model of it.

mod chance;
mod clock;
mod coroutine;
mod descriptions;
mod directories;
pub(crate) mod disk;
pub(crate) mod faults;
mod file;
mod file_lock;
mod fork;
mod ids;
mod local;
pub(crate) mod machine;
mod memory;
mod metadata;
mod mutex;
mod paths;
pub(crate) mod random;
mod schedule;
mod sync;
mod trace;
mod wait;

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use self::faults::{Op, Planted};
use self::machine::State;
use super::Identity;

pub(crate) use self::clock::{now, timestamp, Instant};
pub(crate) use self::file::{File, OpenOptions};
pub(crate) use self::file_lock::FileLock;
pub(crate) use self::fork::generation;
pub(crate) use self::local::{thread_local, LocalCell};
pub(crate) use self::memory::allocate;
pub(crate) use self::metadata::Metadata;
pub(crate) use self::mutex::{lock, wait, wait_timeout, Condvar, Mutex, MutexGuard};
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) use self::paths::rename_with;
pub(crate) use self::paths::{
    canonicalize, create_dir_all, free_space, hard_link, is_file, is_symlink, metadata, read_dir,
    read_link, remove_file, rename, symlink, symlink_metadata, temporary_file,
};
pub(crate) use self::sync::{
    current_thread, mpsc, park, park_timeout, sleep, spawn, yield_now, LostThreads, Thread,
};

/// Does one operation of the current virtual thread, after whatever goes on before it.
fn operate<T: fmt::Debug>(
    op: Op,
    what: fmt::Arguments<'_>,
    work: impl FnOnce(&mut State) -> rustix::io::Result<T>,
) -> io::Result<T> {
    let dead = || io::Error::from(rustix::io::Errno::IO);
    let machine = machine::machine().ok_or_else(dead)?;
    if !machine.step() {
        return Err(dead());
    }
    let mut state = machine.state.borrow_mut();
    state.disk.clock = state.file_time();
    state.disk.stranger = state.faults.stranger == Some(state.process());
    if op != Op::List {
        let thread = state.thread();
        state.listed.remove(&thread);
    }
    let result = match state.error(op) {
        Some(error) => Err(error),
        None => work(&mut state),
    };
    match &result {
        _ if state.trace.is_none() => {}
        Ok(answer) => state.trace(format_args!("{what} = {answer:?}")),
        Err(error) => state.trace(format_args!("{what} failed: {error}")),
    }
    result.map_err(io::Error::from)
}

#[cfg(feature = "local-time")]
pub(crate) use super::os::{is_time_zone_set, test_clock};

/// A number that no other process of the machine has.
pub(crate) fn process_id() -> u32 {
    match machine::machine() {
        Some(machine) => {
            let state = machine.state.borrow();
            let process = state.process();
            1_000 + process as u32 + 100 * state.forks(process)
        }
        None => super::os::process_id(),
    }
}

/// A number that this process has not got before.
pub(crate) fn next_number() -> u64 {
    match machine::machine() {
        Some(machine) => {
            let mut state = machine.state.borrow_mut();
            state.last_number += 1;
            state.last_number
        }
        None => super::os::next_number(),
    }
}

/// A place between two stores to memory that outlives its process, which may be killed there.
pub(crate) fn compiler_fence(order: Ordering) {
    super::os::compiler_fence(order);
    if let Some(machine) = machine::machine() {
        machine.step();
    }
}

/// The number of processors; the machine has one.
pub(crate) fn processors() -> u32 {
    match machine::machine() {
        Some(_) => 1,
        None => super::os::processors(),
    }
}

/// The number of threads that could run; the machine does not say.
pub(crate) fn runnable_threads() -> Option<u32> {
    match machine::machine() {
        Some(_) => None,
        None => super::unix::runnable_threads(),
    }
}

/// A file that is open, of std or of either disk.
pub(crate) trait OpenFile {
    fn identity(&self) -> io::Result<Identity>;
}

impl OpenFile for File {
    fn identity(&self) -> io::Result<Identity> {
        super::unix::identity(self)
    }
}

impl OpenFile for std::fs::File {
    fn identity(&self) -> io::Result<Identity> {
        let found = self.metadata()?;
        Ok((found.dev(), found.ino(), found.created().ok()))
    }
}

/// Returns which file is open, whatever its name.
pub(crate) fn identity(file: &impl OpenFile) -> io::Result<Identity> {
    file.identity()
}

/// The value of that type that the current process has.
pub(crate) fn of_process<T: Send + Sync + 'static>(
    real: &OnceLock<Arc<T>>,
    new: impl FnOnce() -> T,
) -> Arc<T> {
    match machine::machine() {
        Some(machine) => machine.of_process(new),
        None => Arc::clone(real.get_or_init(|| Arc::new(new()))),
    }
}

/// The stderr of the machine, or the real one.
pub(crate) struct Stderr;

pub(crate) fn stderr() -> Stderr {
    Stderr
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match machine::machine() {
            Some(_) => operate(Op::Other, format_args!("write to stderr"), |state| {
                state.stderr.extend_from_slice(bytes);
                Ok(bytes.len())
            }),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns true if an open file is the one at `path`.
pub(crate) fn is_at(path: &std::path::Path, file: &File) -> io::Result<bool> {
    let planted = machine::machine().and_then(|machine| machine.state.borrow().planted);
    let is_at = super::unix::is_at(path, file);
    match planted {
        Some(Planted::IsAtSkipped) => is_at.map(|_| true),
        _ => is_at,
    }
}

/// Returns true if no other handle of the file is open in any process.
pub(crate) fn is_open_nowhere_else(path: &std::path::Path) -> bool {
    let planted = machine::machine().and_then(|machine| machine.state.borrow().planted);
    planted == Some(Planted::NoGrace) || super::unix::is_open_nowhere_else(path)
}

/// Returns true if stderr takes `bytes` bytes at once.
pub(crate) fn stderr_is_ready(bytes: usize) -> bool {
    machine::machine().is_some() || super::unix::stderr_is_ready(bytes)
}

/// Writes to stderr, without its lock.
pub(crate) fn write_to_stderr(line: &[u8]) {
    match machine::machine() {
        // Nobody is left who could be told of an error.
        Some(_) => drop(Stderr.write(line)),
        None => super::unix::write_to_stderr(line),
    }
}

/// Gives `to` the permissions of `from`. On the virtual disk there is one user.
#[cfg(feature = "gzip")]
pub(crate) fn copy_access(to: &File, from: &File) -> io::Result<bool> {
    match machine::machine() {
        Some(_) => to
            .set_permissions(from.metadata()?.permissions())
            .map(|()| true),
        None => super::unix::copy_access(to, from),
    }
}
