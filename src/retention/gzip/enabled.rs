//! Compresses an archive.
//!
//! The process that does has the archive's lock, and writes to a name that is no log's. When the
//! file is complete it gets the name of a compressed archive in one step, and only then the archive
//! is removed: killed at any point, this leaves one of them whole. The next process starts again.

use std::io::{self, ErrorKind, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::Compression as Level;

use super::limited_file::LimitedFile;
use super::{compressed_copy, Compression};
use crate::names;
use crate::sys::{self, File, OpenOptions};

/// Fills `bytes` with what is in a compressed archive from `offset` on, as far as it reaches; how many
/// there are.
pub(crate) fn read_compressed(
    archive: &Path,
    offset: u64,
    mut bytes: &mut [u8],
) -> io::Result<usize> {
    let mut decoder = MultiGzDecoder::new(File::open(archive)?);
    if io::copy(&mut decoder.by_ref().take(offset), &mut io::sink())? < offset {
        return Ok(0);
    }
    let length = bytes.len();
    while !bytes.is_empty() {
        match decoder.read(bytes)? {
            0 => break,
            n => bytes = &mut bytes[n..],
        }
    }
    Ok(length - bytes.len())
}

/// That archives are to be compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gzip;

impl Gzip {
    pub(crate) fn requested(compression: Compression) -> Option<Gzip> {
        (compression == Compression::Gzip).then_some(Gzip)
    }

    /// Puts a compressed file in the place of an archive, which is open and locked. Returns false
    /// if the archive is better left as it is.
    pub(in crate::retention) fn compress(self, archive: &Path, file: &File) -> io::Result<bool> {
        // A link was made on purpose.
        if sys::symlink_metadata(archive)?.is_symlink() {
            return Ok(false);
        }
        let partial = names::partial(archive);
        let done = replace(archive, file, &partial);
        if !matches!(done, Ok(true)) {
            let _ = sys::remove_file(&partial);
        }
        done
    }
}

fn replace(archive: &Path, mut file: &File, partial: &Path) -> io::Result<bool> {
    let found = file.metadata()?;
    match sys::remove_file(partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let made = sys::owner_only(OpenOptions::new().write(true).create_new(true)).open(partial)?;
    if !sys::copy_access(&made, file)? {
        return Ok(false);
    }
    let made = LimitedFile::new(made);
    let mut encoder = GzEncoder::new(made, Level::default());
    let copied = io::copy(&mut file, &mut encoder)?;
    let made = encoder.finish()?.into_file();
    made.set_modified(found.modified()?)?;
    made.sync_all()?;
    drop(made);
    if file.metadata()?.len() != copied {
        return Err(io::Error::other("it has grown meanwhile"));
    }
    if !sys::is_at(archive, file).unwrap_or(false) {
        // It has been removed or renamed.
        return Ok(false);
    }
    match compressed_copy(archive) {
        // A killed process left it.
        Some(copy) => sys::rename(partial, copy)?,
        None => sys::rename_to_new(partial, &names::compressed(archive))?,
    }
    // The new name is to be on the disk before the old one goes.
    archive.parent().map_or(Ok(()), sys::sync_directory)?;
    sys::remove_file(archive)?;
    Ok(true)
}
