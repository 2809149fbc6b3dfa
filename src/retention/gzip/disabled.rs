//! Without the feature `gzip` there is no compressor.

use std::io;
use std::path::Path;

use super::Compression;
use crate::sys::File;

/// Reads nothing of a compressed archive.
pub(crate) fn read_compressed(_: &Path, _: u64, _: &mut [u8]) -> io::Result<usize> {
    Ok(0)
}

/// No value of it exists.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gzip {}

impl Gzip {
    pub(crate) fn requested(compression: Compression) -> Option<Gzip> {
        match compression {
            Compression::None => None,
        }
    }

    pub(in crate::retention) fn compress(self, _: &Path, _: &File) -> io::Result<bool> {
        match self {}
    }
}
