//! Archives: when they are made, compressed and removed.

#[path = "../common/mod.rs"]
mod common;
mod gzip;
mod hooks;
mod retention;
mod rotation;
mod stopped;
