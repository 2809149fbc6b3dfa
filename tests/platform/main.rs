//! What one system has and another has not: forks, links, modes, share modes.

#[path = "../common/mod.rs"]
mod common;
mod fork;
mod hostile;
mod latest;
mod open;
mod regressions;
mod windows;
