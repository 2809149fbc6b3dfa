//! Who may read a file. On Windows a file inherits that from its directory, and both files are in
//! one directory.

use std::fs::{File, OpenOptions};
use std::io;

pub(crate) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

pub(crate) fn copy_access(_: &File, _: &File) -> io::Result<bool> {
    Ok(true)
}
