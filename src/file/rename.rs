//! The rename of a rotation: a file gets the name of an archive; and back, if the rotation is
//! undone.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::names;
use crate::sys;

/// How often a name for an archive is made, where there is a file of the name.
const MAX_ATTEMPTS: u32 = 100;

/// A file that has been rotated, and is what it was but for its name.
pub(crate) struct Renamed {
    file: PathBuf,
    pub(crate) archive: PathBuf,
}

impl Renamed {
    /// Gives it its name back, unless there is a new file of that name.
    pub(super) fn undo(&self) -> io::Result<()> {
        sys::rename_to_new(&self.archive, &self.file)
    }
}

/// Which file of a log it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FamilyFile<'a> {
    pub(crate) primary: &'a Path,
    pub(crate) number: u16,
}

impl FamilyFile<'_> {
    /// Makes it an archive by another name. The caller has its lock.
    ///
    /// Of a link it is the file that it leads to.
    pub(crate) fn rename(self, path: &Path) -> io::Result<Renamed> {
        let real = sys::canonicalize(path)?;
        let is_link = sys::symlink_metadata(path)?.is_symlink();
        let (primary, number) = match (is_link, self.primary.file_name()) {
            (false, Some(name)) => (real.with_file_name(name), self.number),
            _ => (real.clone(), 0),
        };
        // Names of archives are apart by a microsecond; a clock that was set back may come to one
        // again.
        let mut attempts = MAX_ATTEMPTS;
        loop {
            let archive = names::archive(&primary, number, &stamp());
            attempts -= 1;
            match sys::rename_to_new(&real, &archive) {
                Ok(()) => {
                    // In the spelling of the log's path; Windows has another one for real paths.
                    let archive = match (is_link, archive.file_name()) {
                        (false, Some(name)) => path.with_file_name(name),
                        _ => archive,
                    };
                    return Ok(Renamed {
                        file: real,
                        archive,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists && attempts > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The time, as `2026-11-23T07-55-01.123456Z`: colons are not for file names.
fn stamp() -> String {
    sys::timestamp().replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_of_one_second_have_names_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        for (name, number) in [("app.log", 0), ("app.log", 7), ("plain", 0), ("plain", 7)] {
            let primary = dir.path().join(name);
            let path = names::member(&primary, number);
            let mut made = Vec::new();
            for n in 0..20 {
                std::fs::write(&path, n.to_string()).unwrap();
                let file = FamilyFile {
                    primary: &primary,
                    number,
                };
                made.push(file.rename(&path).unwrap().archive);
            }
            for (n, archive) in made.iter().enumerate() {
                assert_eq!(std::fs::read_to_string(archive).unwrap(), n.to_string());
            }
            let archives = crate::Family::of(&primary).unwrap().archives;
            // They are spelled in another way on Windows.
            let is_made = |archive: &&PathBuf| {
                let mut names = made.iter().map(|made| made.file_name());
                names.any(|name| name == archive.file_name())
            };
            let found: Vec<_> = archives.iter().filter(is_made).collect();
            let names = |path: &PathBuf| path.file_name().unwrap().to_owned();
            let expected: Vec<_> = made.iter().map(names).collect();
            let found: Vec<_> = found.into_iter().map(names).collect();
            assert_eq!(found, expected, "oldest first");
        }
    }
}
