//! Memory that all files of a log share for what is longer than usual.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

/// How many bytes are left.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<AtomicUsize>);

/// A part of a budget, which is returned to it on drop.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Budget(Arc::new(AtomicUsize::new(bytes)))
    }

    pub(crate) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

impl Share {
    /// Resizes it to `bytes` bytes; returns false, and leaves it as it is, if the budget has not
    /// enough left.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let left = &self.budget.0;
        let fits = match bytes.checked_sub(self.bytes) {
            Some(more) => left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(more)
                })
                .is_ok(),
            None => {
                left.fetch_add(self.bytes - bytes, Ordering::Relaxed);
                true
            }
        };
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.resize(0);
    }
}
