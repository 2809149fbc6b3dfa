//! Threads of the crate's own, and locks that stay usable in a forked child.

mod background;
mod fork;

pub(crate) use background::Background;
pub(crate) use fork::{generation, ForkSafeMutex, PerProcess};
