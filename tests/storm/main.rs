//! "Nothing lost, nothing torn, nobody stuck", under storms and faults.
//!
//! Every row prints a line for RELIABILITY.md, which `ci/reliability` makes of them.

// Nothing here is an interface.
#![allow(unreachable_pub)]

#[cfg(target_os = "linux")]
mod chaos;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod limits;
mod processes;
mod queues;
mod record;
mod storms;
mod writer;
