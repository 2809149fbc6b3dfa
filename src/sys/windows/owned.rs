//! A file of one process's own, which another one takes over only after its end.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Makes a file that does not exist, open for reading and writing. Other users' rights are
/// inherited from the directory.
pub(crate) fn create_owned(path: &Path, _mode: Option<u32>) -> io::Result<File> {
    options().create_new(true).open(path)
}

/// Opens such a file. A link is not followed.
pub(crate) fn open_owned(path: &Path) -> io::Result<File> {
    options().open(path)
}

fn options() -> OpenOptions {
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    options
}

/// Fails unless an open file is a regular one with one name. std does not expose its owner; the
/// directory of the log decides who may write to it.
pub(crate) fn check_owner(file: &File, _: &Path) -> io::Result<()> {
    let links = winapi_util::file::information(file)?.number_of_links();
    match file.metadata()?.is_file() && links == 1 {
        true => Ok(()),
        false => Err(ErrorKind::PermissionDenied.into()),
    }
}

/// Gives a file that length; the system finds a place for all of it, as it is not made sparse.
pub(crate) fn allocate(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)
}

/// Returns true if all of a file has its place on the disk, as far as std says.
pub(crate) fn is_allocated(_: &Metadata) -> bool {
    true
}

/// Fills `bytes` from `offset` on, as far as the file reaches; how many there are.
pub(crate) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let length = bytes.len();
    while !bytes.is_empty() {
        match file.seek_read(bytes, offset)? {
            0 => break,
            n => {
                bytes = &mut bytes[n..];
                offset += n as u64;
            }
        }
    }
    Ok(length - bytes.len())
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset)? {
            0 => return Err(ErrorKind::WriteZero.into()),
            n => {
                bytes = &bytes[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}
