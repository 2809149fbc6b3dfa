//! The files of a log that are read.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log_file::LogFile;
use super::original::Original;
use super::pool::Pool;
use super::queues::Queues;
use crate::family::{self, Archive, FileKind, Listing};
use crate::{names, sys};

/// How often a log is listed while archives go.
const MAX_LISTINGS: u32 = 5;

/// Finds the files of logs and their orphaned queues, each once, in the order in which records of
/// the same time are returned; and the errors of those that can't be read.
pub(crate) fn find(
    primaries: impl IntoIterator<Item = impl AsRef<Path>>,
    queue_dir: Option<&Path>,
) -> io::Result<(Vec<LogFile>, Vec<io::Error>)> {
    let pool = Pool::default();
    let mut files: Vec<LogFile> = Vec::new();
    let mut queues = Queues::default();
    let mut seen = HashSet::new();
    for primary in primaries {
        let mut found = Vec::new();
        for primary in families(primary.as_ref()) {
            // The queues are locked before the files are listed, so that no record moves from one
            // to the other in between.
            let mut queued = queues.lock(&primary, queue_dir);
            found.append(&mut of_family(&primary, &pool)?);
            found.append(&mut queued);
        }
        if found.is_empty() {
            return Err(not_found());
        }
        for file in found {
            let identity = file.identity();
            let is_known = |known: &LogFile| identity.is_some() && known.identity() == identity;
            let path = sys::canonicalize(file.path());
            if path.map_or(true, |path| seen.insert(path)) && !files.iter().any(is_known) {
                files.push(file);
            }
        }
    }
    Ok((files, queues.failures))
}

/// One file alone.
pub(crate) fn single(path: &Path) -> io::Result<LogFile> {
    if !sys::is_file(path) {
        return Err(not_found());
    }
    Ok(current(&Pool::default(), &Arc::from(path), path, 0))
}

fn not_found() -> io::Error {
    io::Error::new(ErrorKind::NotFound, "there is no such log")
}

/// The log at the path and, if that is a link to the current file of a log, that log.
fn families(primary: &Path) -> Vec<PathBuf> {
    let mut families = vec![primary.to_owned()];
    if sys::is_symlink(primary) {
        if let Ok(file) = sys::canonicalize(primary) {
            families.push(primary_of(&file).unwrap_or(file));
        }
    }
    families
}

/// The primary that a file is a variant of, by its name.
fn primary_of(variant: &Path) -> Option<PathBuf> {
    let stem = variant.with_extension("");
    let candidates = [stem.with_extension(variant.extension()?), stem];
    let mut candidates = candidates.into_iter();
    candidates.find(|primary| primary != variant && names::is_member(primary, variant))
}

/// A file that is written to, or one that the caller has named.
fn current(pool: &Pool, primary: &Arc<Path>, path: &Path, number: u16) -> LogFile {
    let (pool, primary) = (pool.clone(), Arc::clone(primary));
    let file = LogFile::new(pool, primary, path.to_owned(), FileKind::Current(number));
    match is_compressed(path) {
        true => file.compressed(),
        false => file,
    }
}

/// Returns true if a compressed archive was given as the log.
fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
        && family::is_gzip(path).unwrap_or(false)
}

/// The files of one log.
fn of_family(primary: &Path, pool: &Pool) -> io::Result<Vec<LogFile>> {
    let primary: Arc<Path> = Arc::from(primary);
    let mut before = Listing::with_target(&primary)?;
    let mut left = MAX_LISTINGS;
    loop {
        let open = open_current(&before, &primary, pool);
        let after = Listing::with_target(&primary)?;
        left -= 1;
        if left == 0 || !has_lost_archives(&before, &after) {
            return Ok(with_archives(open, &before, after, &primary, pool));
        }
        before = after;
    }
}

/// Opens the files that are written to.
fn open_current(listing: &Listing, primary: &Arc<Path>, pool: &Pool) -> Vec<LogFile> {
    let mut seen = HashSet::new();
    let mut open = Vec::new();
    for (number, path) in listing.current() {
        let mut file = current(pool, primary, path, number);
        // If this fails, it fails again when the file is read.
        let _ = file.open();
        // A hard link is no other file.
        if file.identity().is_none_or(|identity| seen.insert(identity)) {
            open.push(file);
        }
    }
    open
}

/// Returns true if an archive has gone between two listings. After a rotation that failed it gets its
/// former name back, and the first listing did not have that.
fn has_lost_archives(before: &Listing, after: &Listing) -> bool {
    let there: HashSet<_> = after.archives.iter().map(Archive::plain).collect();
    let mut archives = before.archives.iter();
    archives.any(|archive| !there.contains(&archive.plain()))
}

/// Adds the archives to the open files, which come last. A file that was rotated after `before` is
/// open; one that was rotated before that is in `after`.
fn with_archives(
    mut open: Vec<LogFile>,
    before: &Listing,
    after: Listing,
    primary: &Arc<Path>,
    pool: &Pool,
) -> Vec<LogFile> {
    let mut files = Vec::new();
    for archive in after.archives {
        let path = archive.path.clone();
        let mut file = LogFile::new(pool.clone(), Arc::clone(primary), path, archive.kind());
        if !before.archives.contains(&archive) && file.open().is_ok() {
            let rotated = former(&open, &mut file, &archive);
            rotated.map(|n| open.remove(n));
        }
        files.push(file);
    }
    files.append(&mut open);
    files
}

/// Which of the open files has become the archive.
fn former(open: &[LogFile], file: &mut LogFile, archive: &Archive) -> Option<usize> {
    if file.identity().is_some() {
        return open
            .iter()
            .position(|open| open.identity() == file.identity());
    }
    let compressed = names::compressed(&archive.plain());
    let original = Original::of(&compressed, &mut *file);
    file.rewind();
    let original = original.ok()?;
    open.iter().position(|open| open.is_original(&original))
}

#[cfg(all(test, feature = "gzip"))]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use std::fs::{self, File};
    use std::io::{Read, Write};

    /// A reader that is stopped between its two listings for longer than the time of grace.
    #[test]
    fn a_file_that_was_rotated_and_compressed_between_two_listings_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let primary: Arc<Path> = Arc::from(path("app.log"));
        fs::write(&primary, "one\n").unwrap();
        fs::write(path("app.001.log"), "two\n").unwrap();
        let pool = Pool::default();
        let before = Listing::of(&primary).unwrap();
        let open = open_current(&before, &primary, &pool);

        let archive = path("app.2026-11-23T07-55-01Z.log");
        fs::rename(&primary, &archive).unwrap();
        let compressed = File::create(names::compressed(&archive)).unwrap();
        let mut gzip = GzEncoder::new(compressed, flate2::Compression::fast());
        gzip.write_all(b"one\n").unwrap();
        let modified = archive.metadata().unwrap().modified().unwrap();
        gzip.finish().unwrap().set_modified(modified).unwrap();
        fs::remove_file(&archive).unwrap();
        fs::write(&primary, "three\n").unwrap();

        let after = Listing::of(&primary).unwrap();
        let files = with_archives(open, &before, after, &primary, &pool);
        let mut text = String::new();
        for mut file in files {
            file.read_to_string(&mut text).unwrap();
        }
        assert_eq!(text, "one\ntwo\n");
    }
}
