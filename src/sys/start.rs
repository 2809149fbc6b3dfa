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
pub(crate) mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::Arc;

    use super::*;
    use crate::sys::sim::LostThreads;

    std::thread_local! {
        /// That of a process whose only thread this is.
        static STATE: Arc<AtomicU8> = Arc::new(AtomicU8::new(BEGUN));
    }

    pub(super) fn state() -> Arc<AtomicU8> {
        STATE.with(Arc::clone)
    }

    /// Until it is dropped: this thread is a process in which no thread begins that it starts.
    pub(crate) struct NoneBegins(LostThreads);

    impl NoneBegins {
        pub(crate) fn enter() -> Self {
            state().store(UNKNOWN, Ordering::Relaxed);
            NoneBegins(LostThreads::enter())
        }

        /// Has the threads begin after all, one after the other.
        pub(crate) fn begin(&self) {
            self.0.run();
        }
    }

    impl Drop for NoneBegins {
        fn drop(&mut self) {
            state().store(BEGUN, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_thread_that_does_not_begin_is_waited_for_once() {
        let lost = NoneBegins::enter();
        let works = Arc::new(AtomicBool::new(false));
        let work = Arc::clone(&works);
        let has_begun = start("lost", move || work.store(true, Ordering::Relaxed));
        assert!(!has_begun.unwrap());
        assert!(is_late());
        start("another", || unreachable!()).unwrap_err();
        assert!(!works.load(Ordering::Relaxed));

        lost.begin();
        assert!(works.load(Ordering::Relaxed), "late, but done");
        assert!(!is_late());
        drop(lost);
        assert!(start("a thread", || ()).unwrap());
    }

    #[test]
    fn the_first_thread_of_a_process_begins() {
        state().store(UNKNOWN, Ordering::Relaxed);
        assert!(start("first", || ()).unwrap());
        assert_eq!(state().load(Ordering::Relaxed), BEGUN);
    }
}
