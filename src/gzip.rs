//! Compresses an archive.
//!
//! Whoever does has the archive's lock, and writes to a name that is no log's. That gets the name
//! of a compressed archive at once, and only then does the archive go: killed at any point, this
//! leaves one of them whole. The next one to come starts again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::Compression;

use crate::family;
use crate::retention::compressed_copy;
use crate::sys;

/// Puts a compressed file in the place of an archive, which is open and locked. Tells whether it
/// has: some archives are better left.
pub(crate) fn compress(archive: &Path, file: &File) -> io::Result<bool> {
    // Who made a link had a reason.
    if archive.symlink_metadata()?.is_symlink() {
        return Ok(false);
    }
    let unfinished = family::partial(archive);
    let done = replace(archive, file, &unfinished);
    if !matches!(done, Ok(true)) {
        let _ = fs::remove_file(&unfinished);
    }
    done
}

fn replace(archive: &Path, mut file: &File, unfinished: &Path) -> io::Result<bool> {
    let found = file.metadata()?;
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let made = sys::for_me(OpenOptions::new().write(true).create_new(true)).open(unfinished)?;
    if !sys::give_access(&made, file)? {
        return Ok(false);
    }
    let mut encoder = GzEncoder::new(made, Compression::default());
    let copied = io::copy(&mut file, &mut encoder)?;
    let made = encoder.finish()?;
    made.set_modified(found.modified()?)?;
    made.sync_all()?;
    drop(made);
    if file.metadata()?.len() != copied {
        return Err(io::Error::other("somebody writes to it"));
    }
    if !sys::is_at(archive, file).unwrap_or(false) {
        // Somebody has removed it.
        return Ok(false);
    }
    match compressed_copy(archive) {
        // Left by one that was killed.
        Some(copy) => fs::rename(unfinished, copy)?,
        None => sys::rename_to_new(unfinished, &family::compressed(archive))?,
    }
    // The new name is to be on the disk before the old one goes.
    archive.parent().map_or(Ok(()), sys::sync_directory)?;
    fs::remove_file(archive)?;
    Ok(true)
}
