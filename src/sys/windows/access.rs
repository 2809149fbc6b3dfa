//! Who may read a file. Here a file has what its directory gives it, and both are in one.

use std::fs::{File, OpenOptions};
use std::io;

pub(crate) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

pub(crate) fn copy_access(_: &File, _: &File) -> io::Result<bool> {
    Ok(true)
}
