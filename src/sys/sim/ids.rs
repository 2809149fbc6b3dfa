//! The numbers of virtual processes and threads.

pub(crate) type ThreadId = usize;
pub(crate) type ProcessId = usize;
