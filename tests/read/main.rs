//! A log read back: in a program, by the command, by other programs.

mod cli;
mod collectors;
#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod memory;
mod merge;
mod questions;
mod queues;
