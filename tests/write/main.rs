//! A record on its way into a file: switches, waits, faults, and what the caller sees.

mod append;
mod appender;
mod backlog;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod forks;
mod full_queue;
mod init;
mod lock_wait;
mod log_call;
mod migration;
mod non_blocking;
mod queue;
mod recovery;
mod switches;
