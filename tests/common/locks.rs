//! Locks of files, held as a stranger holds them.

use std::fs::{File, OpenOptions};
use std::path::Path;

/// Holds the lock of a file until it is dropped, as a stranger would, through a handle of its own.
pub struct Held(fd_lock::RwLock<File>);

pub fn hold(path: &Path) -> Held {
    try_hold(path).expect("somebody else holds the lock")
}

pub fn try_hold(path: &Path) -> Option<Held> {
    let mut lock = open(path);
    // The lock goes with the handle; `Held` is its guard.
    std::mem::forget(lock.try_write().ok()?);
    Some(Held(lock))
}

/// Waits for its turn among the writers.
pub fn hold_when_free(path: &Path) -> Held {
    let mut lock = open(path);
    std::mem::forget(lock.write().unwrap());
    Held(lock)
}

impl Drop for Held {
    fn drop(&mut self) {
        // Taken a second time through its handle, it is let go with the guard: the end of the
        // handle alone would leave it with a child that is just being started.
        drop(self.0.try_write());
    }
}

fn open(path: &Path) -> fd_lock::RwLock<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path);
    fd_lock::RwLock::new(file.unwrap())
}
