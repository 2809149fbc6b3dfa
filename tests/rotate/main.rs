//! Archives: when they are made, compressed and removed.

#[path = "../common/mod.rs"]
mod common;
mod gzip;
mod hooks;
mod no_replace;
mod retention;
mod rotation;
