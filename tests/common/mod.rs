//! Real second processes, locks, disks and readers for the tests.

// Each test binary uses its part, and none of it is an interface.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod appenders;
mod archives;
mod children;
#[cfg(unix)]
mod disks;
mod files;
#[cfg(unix)]
mod forks;
mod locks;
mod numbers;
mod process;
mod records;
mod timing;
#[cfg(target_os = "linux")]
pub mod trace;
#[cfg(unix)]
mod users;

pub use appenders::*;
pub use archives::*;
pub use children::*;
#[cfg(unix)]
pub use disks::*;
pub use files::*;
#[cfg(unix)]
pub use forks::*;
pub use locks::*;
pub(crate) use numbers::*;
pub use process::*;
pub use records::*;
pub use timing::*;
#[cfg(unix)]
pub use users::*;
