//! Finds out how much of a noted write is in the log, after its process is gone.

use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::format::Destination;
use crate::family;
use crate::file::with_lock;
use crate::names;
use crate::retention::read_compressed;
use crate::sys::{self, File, Identity};

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
    let Some((path, file)) = find(primary, to)? else {
        return Ok(stays(common_in_archives(primary, &expected, to)));
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

/// The same in the compressed archives: the file may have become one of them since. At most one has
/// these bytes at this offset.
fn common_in_archives(primary: &Path, expected: &[u8], to: Destination) -> usize {
    let Ok(family) = family::Family::of(primary) else {
        return 0;
    };
    let file = names::member(primary, to.number);
    let is_of_file = |archive: &PathBuf| {
        let from = names::rotated_from(primary, archive);
        from.is_some_and(|from| from.file_name() == file.file_name())
            && archive.extension() == Some("gz".as_ref())
    };
    let mut found = vec![0; expected.len()];
    let mut most = 0;
    for archive in family.archives.into_iter().filter(is_of_file) {
        // An archive that is damaged, or has gone since, counts as one without the lines.
        if let Ok(length) = read_compressed(&archive, to.offset, &mut found) {
            most = most.max(common_start(expected, &found[..length]));
        }
    }
    most
}

/// Opens the file of the log that has this identity, whatever its name is by now.
fn find(primary: &Path, to: Destination) -> io::Result<Option<(PathBuf, File)>> {
    let path = names::member(primary, to.number);
    if let Some(file) = open_if(&path, to.identity)? {
        return Ok(Some((path, file)));
    }
    // It may have been renamed: by a rotation, or by another program.
    let target = sys::canonical(&path);
    let Some(directory) = target.parent() else {
        return Ok(None);
    };
    let entries = match sys::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if let Some(file) = open_if(&path, to.identity)? {
            return Ok(Some((path, file)));
        }
    }
    Ok(None)
}

/// Opens the file at `path` if it has this identity.
fn open_if(path: &Path, identity: Identity) -> io::Result<Option<File>> {
    let is_it = |found: io::Result<Identity>| {
        found.is_ok_and(|found| sys::is_kept_identity(found, identity))
    };
    if !is_it(sys::identity_at(path)) {
        return Ok(None);
    }
    let file = sys::open(path)?;
    let is_it = is_it(sys::identity(&file));
    Ok(is_it.then_some(file))
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
