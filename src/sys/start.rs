//! Threads that may never begin.
//!
//! std registers each thread when it begins and when it ends, under a lock of its own. A child that
//! is forked while a thread of its parent's has that lock finds it held for ever: the system starts
//! the child's threads, and none of them comes to its work. So the first start in each process waits
//! until the thread has begun. After that the lock is known to be free, as only threads that are there
//! take it.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::sys;
use crate::sys::mpsc::{self, RecvTimeoutError};

/// Maximum time that the first start waits. A queue that has waited in vain does without its thread, so
/// it is more than a busy machine needs.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// No thread has been started.
const UNKNOWN: u8 = 0;
/// A thread has been waited for in vain, and none has begun.
const LATE: u8 = 1;
const BEGUN: u8 = 2;

/// Starts a thread of that name. Returns false if it has not begun in time; it may still do so.
///
/// # Errors
///
/// What the system answers where it has no thread. And as long as an earlier thread is late.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<bool> {
    let state = state();
    match state.load(Ordering::Relaxed) {
        BEGUN => return sys::spawn(name, work).map(|_| true),
        LATE => return Err(io::Error::other("no thread begins in this process")),
        _ => {}
    }
    let (begins, begun) = mpsc::channel::<()>();
    let of_thread = self::state();
    sys::spawn(name, move || {
        of_thread.store(BEGUN, Ordering::Relaxed);
        drop(begins);
        work();
    })?;
    if begun.recv_timeout(MAX_WAIT) != Err(RecvTimeoutError::Timeout) {
        return Ok(true);
    }
    let late = state.compare_exchange(UNKNOWN, LATE, Ordering::Relaxed, Ordering::Relaxed);
    Ok(late == Err(BEGUN))
}

/// Returns true if no thread has begun in this process, and one has been waited for in vain.
pub(crate) fn is_late() -> bool {
    state().load(Ordering::Relaxed) == LATE
}

/// What is known of the threads of this process.
#[cfg(not(all(test, unix)))]
fn state() -> &'static AtomicU8 {
    use super::PerProcess;

    static STATE: PerProcess<AtomicU8> = PerProcess::of_first_process(AtomicU8::new(UNKNOWN));
    STATE.get_or(|_| AtomicU8::new(UNKNOWN))
}

#[cfg(all(test, unix))]
use tests::state;

#[cfg(all(test, unix))]
#[path = "start_tests.rs"]
pub(crate) mod tests;
