//! Threads of the crate's own, and locks that stay usable in a forked child.

mod background;
mod fork;
mod start;

pub(crate) use background::Background;
pub(crate) use fork::{generation, ForkSafeMutex, PerProcess};
pub(crate) use start::start;
#[cfg(all(test, unix))]
pub(crate) use start::tests::NoneBegins;
