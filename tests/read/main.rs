//! A log read back: in a program, by the command, by other programs.

mod cli;
mod collectors;
#[path = "../common/mod.rs"]
mod common;
mod memory;
mod merge;
mod queues;
