//! The files of a log that exist.

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::names::{self, ArchiveKey, Name};
use crate::sys::{self, canonical, File};

/// The files of a log that exist now.
///
/// A file belongs to the family of `app.log` when it is a regular file (or a symbolic link to one)
/// called
///
/// - `app.log`: the primary;
/// - `app.NNN.log` with exactly three digits, 001 to 999: a variant;
/// - the same with a time before the extension, `app.2026-11-23T07-55-01.123456Z.log` or
///   `app.001.2026-11-23T07-55-01.123456Z.log`, and in an older form `app.2026-11-23T07-55-01Z.log`
///   or `app.2026-11-23T07-55-01Z.2.log`: an archive, which
///   [`Builder::max_file_size`](crate::Builder::max_file_size) and
///   [`rotate_every`](crate::Builder::rotate_every) make;
/// - the same with `.gz` at its end: an archive that the feature `gzip` has compressed.
///
/// Any other file in the directory is unrelated: `app.1.log`, `app.0001.log`, `app.abc.log`,
/// `app.001.log.bak`, `app.2026-11-23.log`, a directory called `app.001.log`.
///
/// A file belongs to one log at most. In the older form the second archive of a log without an
/// extension is called `app.2026-11-23T07-55-01Z-2`, as `….2` would be the first one of a log `app.2`.
/// The compressed archive `app.2026-11-23T07-55-01.123456Z.gz` of `app` could be an archive of a log `app.gz`: it belongs to `app`
/// if its content is compressed, to `app.gz` if not, and to neither if it can't be read. The file
/// that a symbolic link at `app.log` leads to is no archive, whatever its name.
///
/// The paths have the spelling of `path`: relative if that is relative. The archives of a file that
/// a symbolic link leads to lie beside that file, under its name; ask for the family of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// The primary, if it exists.
    pub primary: Option<PathBuf>,
    /// Its variants, by number.
    pub variants: Vec<PathBuf>,
    /// Rotated files, oldest first.
    pub archives: Vec<PathBuf>,
}

impl Family {
    /// The family of the log at `path`.
    ///
    /// An archive that is there both compressed and not, because its compression has just ended or
    /// was ended by a crash, is listed once, as the one that is not.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `path` has no file name, and whatever
    /// reading the directory answers, except that a directory that does not exist has no files:
    /// that is an empty family.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::Family;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let dir = tempfile::tempdir()?;
    /// for name in ["app.002.log", "app.log", "app.2.log"] {
    ///     std::fs::write(dir.path().join(name), "")?;
    /// }
    /// let files = Family::of(dir.path().join("app.log"))?;
    /// assert_eq!(files.primary, Some(dir.path().join("app.log")));
    /// assert_eq!(files.variants, [dir.path().join("app.002.log")]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn of(path: impl AsRef<Path>) -> io::Result<Family> {
        let Listing {
            primary,
            variants,
            archives,
            ..
        } = Listing::of(path.as_ref())?;
        let archives = archives.into_iter().map(|archive| archive.path);
        Ok(Family {
            primary,
            variants: variants.into_iter().map(|(_, path)| path).collect(),
            archives: archives.collect(),
        })
    }
}

/// How often the directory is listed while variants are rotated.
const MAX_ROUNDS: u32 = 10;

/// The files of a log, with what their names say.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) primary: Option<PathBuf>,
    /// By number.
    pub(crate) variants: Vec<(u16, PathBuf)>,
    /// Oldest first.
    pub(crate) archives: Vec<Archive>,
    /// The archives of which there is a compressed one that is not complete.
    pub(crate) partial: Vec<PathBuf>,
}

/// A rotated file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Archive {
    key: ArchiveKey,
    pub(crate) path: PathBuf,
}

#[cfg(feature = "read")]
/// What the name of a file says about it, in the order in which records of one time are read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Archive(ArchiveKey),
    /// The primary, which is number 0, and its variants.
    Current(u16),
}

#[cfg(feature = "read")]
impl FileKind {
    pub(crate) fn is_compressed(&self) -> bool {
        matches!(self, FileKind::Archive(key) if key.compressed)
    }

    /// The time in the name of an archive, to the second.
    pub(crate) fn stamp(&self) -> Option<&[u8]> {
        match self {
            FileKind::Archive(key) => Some(&key.seconds),
            FileKind::Current(_) => None,
        }
    }
}

impl Archive {
    #[cfg(feature = "read")]
    pub(crate) fn kind(&self) -> FileKind {
        FileKind::Archive(self.key.clone())
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.key.compressed
    }

    /// Its path as long as it is not compressed.
    #[cfg(feature = "read")]
    pub(crate) fn plain(&self) -> PathBuf {
        match self.key.compressed {
            true => self.path.with_extension(""),
            false => self.path.clone(),
        }
    }

    /// The archive where it is now; `None` if it is gone or another log's.
    fn found(mut self, primary: &Path) -> Option<Self> {
        if !sys::is_file(&self.path) && !self.key.compressed {
            // Compressed since the directory was read.
            self.path = names::compressed(&self.path);
            self.key.compressed = true;
        }
        let is_ours = sys::is_file(&self.path)
            && (!self.key.is_ambiguous(primary)
                || is_gzip(&self.path).ok() == Some(self.key.compressed));
        is_ours.then_some(self)
    }
}

/// Returns true if the file begins as a compressed one does. No line of text begins so.
pub(crate) fn is_gzip(path: &Path) -> io::Result<bool> {
    let mut magic = [0; 2];
    File::open(path)?.read_exact(&mut magic)?;
    Ok(magic == [0x1f, 0x8b])
}

impl Listing {
    /// The files that records are written to: the primary and its variants.
    pub(crate) fn current(&self) -> impl Iterator<Item = (u16, &Path)> {
        let primary = self.primary.iter().map(|path| (0, &**path));
        let variants = self
            .variants
            .iter()
            .map(|(number, path)| (*number, &**path));
        primary.chain(variants)
    }

    /// The family of `primary`; if that is a link, also the archives of the file that it leads to,
    /// which lie beside that file under its name.
    pub(crate) fn with_target(primary: &Path) -> io::Result<Listing> {
        let mut listing = Listing::of(primary)?;
        let Some(mut target) = target_of(primary) else {
            return Ok(listing);
        };
        if real_path(primary).parent() == target.parent() {
            // Of one file there is to be one path.
            target = primary.with_file_name(target.file_name().unwrap_or_default());
        }
        let beside = Listing::of(&target)?;
        let known: HashSet<PathBuf> = listing.paths().map(Path::to_owned).collect();
        let archives = beside.archives.into_iter();
        listing
            .archives
            .extend(archives.filter(|archive| !known.contains(&archive.path)));
        listing.archives.sort_unstable();
        listing.partial.extend(beside.partial);
        listing.partial.sort_unstable();
        listing.partial.dedup();
        Ok(listing)
    }

    /// The paths of all files but the partial ones.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let archives = self.archives.iter().map(|archive| &*archive.path);
        self.current().map(|(_, path)| path).chain(archives)
    }

    pub(crate) fn of(primary: &Path) -> io::Result<Listing> {
        if primary.file_name().is_none() {
            let cause = "the path has no file name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, cause));
        }
        let mut listing = Listing {
            primary: Some(primary.to_owned()).filter(|path| sys::is_file(path)),
            ..Listing::default()
        };
        for _ in 0..MAX_ROUNDS {
            // `readdir` is not atomic: an archive that is being compressed can be missing under both
            // names, also the only one, so list twice.
            listing.read(primary)?;
            listing.read(primary)?;
            // A variant that is gone may be an archive by now, which was not listed yet.
            if !listing.remove_missing() {
                break;
            }
        }
        listing.partial.sort_unstable();
        listing.partial.dedup();
        let archives = listing.archives.into_iter();
        listing.archives = archives
            .filter_map(|archive| archive.found(primary))
            .collect();
        listing.remove_target(primary);
        listing.archives.sort_unstable();
        listing
            .archives
            .dedup_by(|second, first| second.key.is_copy_of(&first.key));
        Ok(listing)
    }

    /// Removes variants that are no files. Returns true if one of them is gone.
    fn remove_missing(&mut self) -> bool {
        let is_gone = |path: &Path| {
            let found = sys::symlink_metadata(path);
            found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let mut any_gone = false;
        self.variants.sort_unstable();
        self.variants.dedup();
        self.variants.retain(|(_, path)| {
            let is_file = sys::is_file(path);
            any_gone |= !is_file && is_gone(path);
            is_file
        });
        any_gone
    }

    /// A link may lead to a file that is named like an archive. It is written to, so it is none.
    fn remove_target(&mut self, primary: &Path) {
        if let Some(target) = target_of(primary) {
            self.archives.retain(|archive| {
                archive.path.file_name() != target.file_name() || real_path(&archive.path) != target
            });
        }
    }

    /// Adds what the directory holds.
    fn read(&mut self, primary: &Path) -> io::Result<()> {
        let directory = match primary.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let entries = match sys::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let path = primary.with_file_name(&name);
            match Name::of(primary, &name) {
                Some(Name::Variant(number)) => self.variants.push((number, path)),
                Some(Name::Archive(key)) => self.archives.push(Archive { key, path }),
                Some(Name::Partial) => self.partial.push(names::archive_of_partial(&path)),
                None => {}
            }
        }
        Ok(())
    }
}

/// The path of the file that `primary` leads to, if that is a link.
fn target_of(primary: &Path) -> Option<PathBuf> {
    // During a rotation there is no such file, so the system can't resolve the link.
    sys::is_symlink(primary).then(|| canonical(&real_path(primary)))
}

/// The path with its directory resolved, but not the file itself.
fn real_path(path: &Path) -> PathBuf {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = sys::canonicalize(directory).unwrap_or(directory.to_owned());
    directory.join(path.file_name().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_is_there_twice_is_listed_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in [
            "app.2026-11-23T07-55-01Z.log",
            "app.2026-11-23T07-55-01Z.log.gz",
            "app.2026-11-23T07-55-01Z.2.log.gz",
        ] {
            std::fs::write(path(name), "").unwrap();
        }
        let expected = [
            path("app.2026-11-23T07-55-01Z.log"),
            path("app.2026-11-23T07-55-01Z.2.log.gz"),
        ];
        assert_eq!(Family::of(path("app.log")).unwrap().archives, expected);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_that_a_link_leads_to_is_no_archive_however_the_path_is_spelled() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        let written_to = "app.2026-11-23T07-55-01Z.log";
        std::fs::write(real.join(written_to), "").unwrap();
        for archive in [
            "app.2026-11-23T07-55-01Z.log.gz",
            "app.2026-11-23T07-55-02Z.log",
        ] {
            std::fs::write(real.join(archive), "").unwrap();
        }
        std::os::unix::fs::symlink(written_to, real.join("app.log")).unwrap();
        std::os::unix::fs::symlink(&real, real.join("here")).unwrap();
        let here = std::env::current_dir().unwrap();
        let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
        let relative = up.join(real.strip_prefix("/").unwrap());
        for directory in [
            real.clone(),
            real.join("here"),
            real.join("./here/."),
            relative,
        ] {
            let log = directory.join("app.log");
            let expected = [
                directory.join("app.2026-11-23T07-55-01Z.log.gz"),
                directory.join("app.2026-11-23T07-55-02Z.log"),
            ];
            assert_eq!(Family::of(&log).unwrap().archives, expected);
            // During a rotation the link leads to no file.
            std::fs::remove_file(real.join(written_to)).unwrap();
            assert_eq!(Family::of(&log).unwrap().archives, expected);
            std::fs::write(real.join(written_to), "").unwrap();
        }
    }
}
