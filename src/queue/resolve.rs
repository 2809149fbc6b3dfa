//! Finds out how much of a noted write is in the log, after its process is gone.

use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::format::Destination;
use crate::file::with_lock;
use crate::names;
use crate::retention::read_compressed;
use crate::sys::{self, File, Identity};

/// How often a directory is listed whose files are renamed meanwhile.
const MAX_ROUNDS: u32 = 10;

/// How much of some noted lines a log has.
#[derive(Debug)]
pub(super) enum Resolved {
    /// The number of bytes that are in the file and stay there.
    Written(usize),
    /// A piece has to be cut off, and another process has the file locked.
    Locked(io::Error),
}

/// What is done with a piece at a file's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Nothing of it is written then.
    CutOff,
    /// Its whole lines are written.
    #[cfg(feature = "read")]
    Leave,
}

/// Finds out how much of `lines` is in the log `primary`.
///
/// An error means that it can't be found out now.
pub(super) fn resolve(
    primary: &Path,
    lines: &[u8],
    to: Destination,
    piece: Piece,
) -> io::Result<Resolved> {
    let newline: &[u8] = if to.newline { b"\n" } else { b"" };
    let expected = [newline, lines].concat();
    // A last line that only lacks its newline is whole.
    let stays = |common: usize| {
        let lacks_newline = common > newline.len() && expected.get(common) == Some(&b'\n');
        let written = common + usize::from(lacks_newline);
        Resolved::Written(written - newline.len().min(written))
    };
    let (path, file) = match find(primary, to)? {
        Found::File(path, file) => (path, file),
        Found::Compressed(archives) => {
            let common = common_in_archives(&archives, &expected, to.offset)?;
            return Ok(stays(common));
        }
    };
    let common = common(&file, &expected, to.offset)?;
    let is_all = common == expected.len();
    let written = stays(common);
    if is_all || common == 0 || file.metadata()?.len() != to.offset + common as u64 {
        return Ok(written);
    }
    if piece != Piece::CutOff {
        return Ok(Resolved::Written(common - newline.len().min(common)));
    }
    let cut = with_lock(file, |mut file, lock_unsupported| {
        // It may have been rotated or compressed since it was found.
        if !sys::is_at(&path, file)? {
            return Err(io::Error::from(ErrorKind::NotFound).into());
        }
        let end = file.seek(SeekFrom::End(0))?;
        // Without a lock, another process could write behind the piece before it is cut off.
        if lock_unsupported.is_some() || end != to.offset + common as u64 {
            return Ok(false);
        }
        sys::take_back(file, &path, None, common as u64)?;
        Ok(true)
    });
    Ok(match cut {
        Ok(true) => Resolved::Written(0),
        Ok(false) => written,
        Err(error) => Resolved::Locked(error.into_cause()),
    })
}

/// Returns how many bytes of the file from `offset` on are as expected.
fn common(file: &File, expected: &[u8], offset: u64) -> io::Result<usize> {
    let mut found = vec![0; expected.len()];
    let length = sys::read_at(file, &mut found, offset)?;
    Ok(common_start(expected, &found[..length]))
}

fn common_start(expected: &[u8], found: &[u8]) -> usize {
    let pairs = expected.iter().zip(found);
    pairs
        .take_while(|(expected, found)| expected == found)
        .count()
}

/// The same in compressed archives. At most one has these bytes at this offset.
fn common_in_archives(archives: &[PathBuf], expected: &[u8], offset: u64) -> io::Result<usize> {
    let mut found = vec![0; expected.len()];
    let mut most = 0;
    for archive in archives {
        match read_compressed(archive, offset, &mut found) {
            Ok(length) => most = most.max(common_start(expected, &found[..length])),
            // It was removed since, or is damaged: lines of it that can't be read come again.
            Err(error) if is_gone_or_damaged(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(most)
}

fn is_gone_or_damaged(error: &io::Error) -> bool {
    use ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof, Unsupported};
    matches!(
        error.kind(),
        NotFound | InvalidData | InvalidInput | UnexpectedEof | Unsupported
    )
}

/// Where lines are that were written to a file of the log.
enum Found {
    File(PathBuf, File),
    /// The file is gone. It may be one of these compressed archives, or none.
    Compressed(Vec<PathBuf>),
}

/// Finds the file of the log that has this identity, whatever its name is by now.
fn find(primary: &Path, to: Destination) -> io::Result<Found> {
    let member = names::member(primary, to.number);
    let target = sys::canonical(&member);
    let directory = target.parent().unwrap_or(Path::new("/"));
    let mut before = None;
    for round in 0..MAX_ROUNDS {
        // What may be the file and can't be looked at: its lines must not come twice.
        let mut unknown = None;
        match open_if(&target, to.identity) {
            Ok(Some(file)) => return Ok(Found::File(target, file)),
            Ok(None) => {}
            Err(failed) => unknown = Some(failed.cause),
        }
        // It may have been renamed: by a rotation, or by another program.
        let mut family = Vec::new();
        for path in list(directory)? {
            let is_similar = is_similar(&target, &path);
            if round > 0 && !is_similar {
                continue;
            }
            match open_if(&path, to.identity) {
                Ok(Some(file)) => return Ok(Found::File(path, file)),
                Err(failed) if is_similar || failed.is_it => unknown = Some(failed.cause),
                _ => {}
            }
            if is_similar {
                family.push(path);
            }
        }
        if let Some(cause) = unknown {
            return Err(cause);
        }
        family.sort_unstable();
        // `readdir` is not atomic: a file that is renamed meanwhile can be missing under both names.
        if before.as_ref() == Some(&family) {
            // The archives of a link are named by what it leads to, the others by the primary.
            let log = if sys::is_symlink(&member) {
                &target
            } else {
                primary
            };
            family.retain(|archive| {
                let from = names::rotated_from(log, archive);
                from.as_ref() == Some(&target) && archive.extension() == Some("gz".as_ref())
            });
            return Ok(Found::Compressed(family));
        }
        before = Some(family);
    }
    Err(io::Error::other("its files are renamed all the time"))
}

/// The paths in a directory; none if it is gone.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match sys::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// Returns true if the name begins as those of the file's archives do.
fn is_similar(file: &Path, path: &Path) -> bool {
    let [stem, name] = [file.file_stem(), path.file_name()].map(Option::unwrap_or_default);
    name.as_encoded_bytes().starts_with(stem.as_encoded_bytes())
}

/// Why it could not be found out whether a file has an identity.
struct Failed {
    /// The file at the path has it, but could not be opened.
    is_it: bool,
    cause: io::Error,
}

/// Opens the file at `path` if it has this identity.
fn open_if(path: &Path, identity: Identity) -> Result<Option<File>, Failed> {
    let mut is_it = false;
    let mut found = || -> io::Result<Option<File>> {
        let metadata = sys::symlink_metadata(path)?;
        let found = match sys::identity_in(&metadata) {
            _ if !metadata.is_file() => return Ok(None),
            Some(found) => found,
            None => sys::identity_at(path)?,
        };
        is_it = sys::is_kept_identity(found, identity);
        if !is_it {
            return Ok(None);
        }
        let file = sys::open(path)?;
        let opened = sys::identity(&file)?;
        Ok(sys::is_kept_identity(opened, identity).then_some(file))
    };
    match found() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map_err(|cause| Failed { is_it, cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_lines_are_found_after_the_device_has_got_another_number() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.log");
        let lines = b"first\nsecond\n";
        std::fs::write(&log, lines).unwrap();
        let (device, index, created) = sys::identity_at(&log).unwrap();
        let to = Destination {
            number: 0,
            identity: (device + 1, index, created),
            offset: 0,
            newline: false,
        };
        let Resolved::Written(written) = resolve(&log, lines, to, Piece::CutOff).unwrap() else {
            panic!("no process has the log locked");
        };
        // Without a time of creation the file numbers of two devices can be the same.
        assert_eq!(written, if created.is_some() { lines.len() } else { 0 });
    }
}
