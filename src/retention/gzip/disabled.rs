//! Without the feature `gzip` there is no compressor.

use std::io;
use std::path::Path;

use super::Compression;
use crate::sys::File;

/// Reads no bytes: without the decompressor, a compressed archive can't be read.
pub(crate) fn read_compressed(_: &Path, _: u64, _: &mut [u8]) -> io::Result<usize> {
    Ok(0)
}

/// The request to compress archives, which can't be made.
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
