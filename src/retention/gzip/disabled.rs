//! Without the feature `gzip` there is no compressor.

use std::io;
use std::path::Path;

use super::Compression;
use crate::sys::File;

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
