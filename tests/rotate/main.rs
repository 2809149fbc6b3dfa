//! Archives: when they are made, compressed and removed.

#[path = "../common/mod.rs"]
mod common;
mod gzip;
mod header;
mod hooks;
mod on_request;
mod retention;
mod rotation;
mod stopped;
