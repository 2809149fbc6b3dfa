//! Maps a part of a file into memory.

use std::io;

pub(crate) use memmap2::MmapMut as Mapping;
use memmap2::MmapOptions;

use super::File;

/// Maps a part of a file of this process's own, shared: what is stored there is in the file, also
/// when the process is killed with its next instruction.
///
/// The caller maps no byte twice, and only of a file that it has made itself, whose name, permissions
/// and lock keep others away, and whose blocks are allocated.
#[allow(unsafe_code)]
pub(crate) fn map(file: &File, offset: u64, length: usize) -> io::Result<Mapping> {
    // SAFETY: A mapping is sound as long as nobody else changes its bytes and the file is not cut
    // short. No other part of this process has the file open, none maps the same part of it, and of
    // a forked child each keeps off its parent's mappings (`PerProcess`). Another process changes the
    // file only once this one is gone and the file's lock with it. A program that ignores all that
    // needs the rights of this user, or root's, with which it could write to the memory of this
    // process as well; and no value read from the mapping is used without a check, so that such a
    // change spoils records, and nothing else.
    unsafe { MmapOptions::new().offset(offset).len(length).map_mut(file) }
}
