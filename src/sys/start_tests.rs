//! Threads that do not begin, or late.

use std::sync::atomic::AtomicBool;
use std::sync::Arc;

use super::*;
use crate::sys::sim::machine::machine;
use crate::sys::sim::LostThreads;
use crate::sys::PerProcess;

std::thread_local! {
    /// That of a process whose only thread this is.
    static STATE: Arc<AtomicU8> = Arc::new(AtomicU8::new(BEGUN));
}

pub(super) fn state() -> Arc<AtomicU8> {
    let unknown = || Arc::new(AtomicU8::new(UNKNOWN));
    match machine() {
        Some(machine) => {
            let of_process = machine.of_process(|| PerProcess::of_first_process(unknown()));
            Arc::clone(of_process.get_or(|_| unknown()))
        }
        None => STATE.with(Arc::clone),
    }
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
