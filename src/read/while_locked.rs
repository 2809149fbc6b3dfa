//! What another process prevents for an instant, which only happens on Windows, is tried again.

use std::io;
use std::thread;
use std::time::Duration;

use crate::sys::{self, FailureScope};

/// How often a read and an open are tried again, a millisecond later each time.
const MAX_READS: u32 = 1_000;
const MAX_OPENS: u32 = 100;

/// Repeats a read that fails because another process has the bytes locked.
pub(crate) fn read_while_locked<T>(read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    while_locked(MAX_READS, read)
}

/// Repeats an open that fails because another process, a scanner maybe, shares nothing.
pub(crate) fn open_while_locked<T>(open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    while_locked(MAX_OPENS, open)
}

fn while_locked<T>(most: u32, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..most {
        match call() {
            Err(error) if sys::scope(&error) == FailureScope::Locked => {}
            done => return done,
        }
        thread::sleep(Duration::from_millis(1));
    }
    call()
}
