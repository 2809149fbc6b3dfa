//! Names and numbers: `app.log` ↔ 0, `app.001.log` ↔ 1, … `app.999.log` ↔ 999.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::process_lock;

/// The highest number that a variant can have: three digits exactly.
pub(crate) const MAX_VARIANTS: u16 = 999;

/// The path of file `number` of the family of `primary`; 0 is the primary itself.
pub(crate) fn member(primary: &Path, number: u16) -> PathBuf {
    if number == 0 {
        return primary.to_owned();
    }
    with_infix(primary, &format!("{number:03}"))
}

/// The name of the `n`th archive, from 1, that file `number` of the family of `primary` becomes at
/// `stamp`.
pub(crate) fn archive(primary: &Path, number: u16, stamp: &str, n: u32) -> PathBuf {
    let number = match number {
        0 => String::new(),
        number => format!("{number:03}."),
    };
    match n {
        0 | 1 => with_infix(primary, &format!("{number}{stamp}")),
        n => with_infix(primary, &format!("{number}{stamp}.{n}")),
    }
}

/// The name of an archive once it is compressed.
pub(crate) fn compressed(archive: &Path) -> PathBuf {
    with_suffix(archive, COMPRESSED)
}

/// The name of what is to become the compressed archive.
pub(crate) fn unfinished(archive: &Path) -> PathBuf {
    with_suffix(archive, UNFINISHED)
}

const COMPRESSED: &str = ".gz";
const UNFINISHED: &str = ".gz.tmp";

/// The archive that `path` is to become the compressed one of, if it is named so.
fn unfinished_of(primary: &Path, path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.as_encoded_bytes();
    archive_key(primary, name.strip_suffix(UNFINISHED.as_bytes())?)?;
    Some(path.with_extension("").with_extension(""))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What archives of a family are sorted by: time, then the file that it was, then number; and of
/// two of one content the one that is not compressed comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArchiveKey {
    stamp: Vec<u8>,
    file: u16,
    n: u32,
    compressed: bool,
}

impl ArchiveKey {
    fn of(primary: &Path, name: &OsStr) -> Option<Self> {
        let name = name.as_encoded_bytes();
        let plain = archive_key(primary, name).map(|key| (key, false));
        let ((stamp, file, n), compressed) = plain.or_else(|| {
            let plain = name.strip_suffix(COMPRESSED.as_bytes())?;
            Some((archive_key(primary, plain)?, true))
        })?;
        Some(ArchiveKey {
            stamp: stamp.to_vec(),
            file,
            n,
            compressed,
        })
    }
}

fn archive_key<'a>(primary: &Path, name: &'a [u8]) -> Option<(&'a [u8], u16, u32)> {
    let infix = infix(primary, name)?;
    let variant = || {
        let digits = infix.get(..3)?.try_into().ok()?;
        Some((variant_of(digits)?, infix[3..].strip_prefix(b".")?))
    };
    let (file, infix) = variant().unwrap_or((0, infix));
    let (stamp, rest) = (infix.get(..STAMP.len())?, &infix[STAMP.len()..]);
    let is_stamp = stamp.iter().zip(STAMP).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    });
    let n = match rest.strip_prefix(b".") {
        None => rest.is_empty().then_some(1),
        Some([b'0', ..] | b"1" | b"") => None,
        Some(digits) => digits.iter().try_fold(0, |n: u32, digit| {
            let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
            n.checked_mul(10)?.checked_add(digit.into())
        }),
    };
    is_stamp.then_some((stamp, file, n?))
}

/// The form of an archive's time; any digit for 0.
const STAMP: &[u8] = b"0000-00-00T00-00-00Z";

fn with_infix(file: &Path, infix: &str) -> PathBuf {
    let mut name = OsString::from(file.file_stem().unwrap_or_default());
    name.push(".");
    name.push(infix);
    if let Some(extension) = file.extension() {
        name.push(".");
        name.push(extension);
    }
    file.with_file_name(name)
}

/// What stands between stem and extension of `file` in `name`, if they are the same.
fn infix<'a>(file: &Path, name: &'a [u8]) -> Option<&'a [u8]> {
    let rest = name
        .strip_prefix(file.file_stem()?.as_encoded_bytes())?
        .strip_prefix(b".")?;
    match file.extension() {
        Some(extension) => rest
            .strip_suffix(extension.as_encoded_bytes())?
            .strip_suffix(b"."),
        None => Some(rest),
    }
}

/// The number of the variant of `primary` called `name`, if it is one.
pub(crate) fn variant_number(primary: &Path, name: &OsStr) -> Option<u16> {
    variant_of(infix(primary, name.as_encoded_bytes())?.try_into().ok()?)
}

fn variant_of(digits: [u8; 3]) -> Option<u16> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |n, digit| n * 10 + u16::from(digit - b'0'));
    (number > 0).then_some(number)
}

/// The files of a log that exist now and are written to: the primary, then its variants by number.
///
/// As [`Family::of`], without the archives.
///
/// # Errors
///
/// As [`Family::of`].
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let dir = tempfile::tempdir()?;
/// for name in ["app.002.log", "app.log", "app.2.log"] {
///     std::fs::write(dir.path().join(name), "")?;
/// }
/// let files = tracing_fallback_file::family(dir.path().join("app.log"))?;
/// assert_eq!(files, [dir.path().join("app.log"), dir.path().join("app.002.log")]);
/// # Ok(())
/// # }
/// ```
pub fn family(path: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
    let Family {
        primary, variants, ..
    } = Family::of(path)?;
    Ok(primary.into_iter().chain(variants).collect())
}

/// The files of a log that exist now.
///
/// A file belongs to the family of `app.log` when it is a regular file (or a symbolic link to one)
/// called
///
/// - `app.log`: the primary;
/// - `app.NNN.log` with exactly three digits, 001 to 999: a variant;
/// - the same with a time before the extension, `app.2026-11-23T07-55-01Z.log`,
///   `app.2026-11-23T07-55-01Z.2.log` or `app.001.2026-11-23T07-55-01Z.log`: an archive, which
///   [`Builder::max_file_size`](crate::Builder::max_file_size) and
///   [`rotate_every`](crate::Builder::rotate_every) make;
/// - the same with `.gz` at its end: an archive that the feature `gzip` has compressed.
///
/// Anything else in the directory is a stranger: `app.1.log`, `app.0001.log`, `app.abc.log`,
/// `app.001.log.bak`, `app.2026-11-23.log`, a directory called `app.001.log`.
///
/// The paths are spelled as the one given: relative if it is relative. The archives of a file that
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
    pub fn of(path: impl AsRef<Path>) -> io::Result<Family> {
        let Members {
            primary,
            variants,
            archives,
            ..
        } = Members::of(path.as_ref())?;
        let archives = archives.into_iter().map(|archive| archive.path);
        Ok(Family {
            primary,
            variants: variants.into_iter().map(|(_, path)| path).collect(),
            archives: archives.collect(),
        })
    }
}

/// The files of a log, with what their names tell.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) primary: Option<PathBuf>,
    /// By number.
    pub(crate) variants: Vec<(u16, PathBuf)>,
    /// Oldest first.
    pub(crate) archives: Vec<Archive>,
    /// The archives of which there is a compressed one that was never finished, or is not yet.
    pub(crate) unfinished: Vec<PathBuf>,
}

/// A rotated file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Archive {
    key: ArchiveKey,
    pub(crate) path: PathBuf,
}

/// What a file of a log is by its name, in the order in which records of one time are read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Archive(ArchiveKey),
    /// The primary, which is number 0, and its variants.
    Current(u16),
}

impl Rank {
    pub(crate) fn is_compressed(&self) -> bool {
        matches!(
            self,
            Rank::Archive(ArchiveKey {
                compressed: true,
                ..
            })
        )
    }
}

impl Archive {
    pub(crate) fn rank(&self) -> Rank {
        Rank::Archive(self.key.clone())
    }

    /// Where it is now, if anywhere.
    fn found(mut self) -> Option<Self> {
        if !self.path.is_file() && !self.key.compressed {
            // Compressed since the directory was read.
            self.path = compressed(&self.path);
            self.key.compressed = true;
        }
        Some(self).filter(|archive| archive.path.is_file())
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.key.compressed
    }
}

impl Members {
    /// Those that are written to.
    pub(crate) fn current(&self) -> impl Iterator<Item = (u16, &Path)> {
        let primary = self.primary.iter().map(|path| (0, &**path));
        let variants = self
            .variants
            .iter()
            .map(|(number, path)| (*number, &**path));
        primary.chain(variants)
    }

    /// With the archives of a link, which lie beside the file that it leads to.
    pub(crate) fn with_target(primary: &Path) -> io::Result<Members> {
        let mut members = Members::of(primary)?;
        if primary.is_symlink() {
            // In the instant of a rotation there is nothing that it leads to.
            let target = Members::of(&process_lock::canonical(primary))?;
            members.unfinished.extend(target.unfinished);
            members.archives.extend(target.archives);
            members.archives.sort();
        }
        Ok(members)
    }

    pub(crate) fn of(primary: &Path) -> io::Result<Members> {
        if primary.file_name().is_none() {
            let cause = "the path has no file name";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, cause));
        }
        let directory = match primary.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut members = Members {
            primary: Some(primary.to_owned()).filter(|path| path.is_file()),
            ..Members::default()
        };
        members.read(primary, directory)?;
        if !members.archives.is_empty() {
            // One that was compressed meanwhile may have been on neither page of the directory.
            members.read(primary, directory)?;
        }
        members.variants.sort_unstable();
        members.variants.dedup();
        members.unfinished.sort_unstable();
        members.unfinished.dedup();
        members.variants.retain(|(_, path)| path.is_file());
        let archives = members.archives.into_iter();
        members.archives = archives.filter_map(Archive::found).collect();
        members.archives.sort_unstable();
        members.archives.dedup_by(|second, first| {
            let ArchiveKey { stamp, file, n, .. } = &second.key;
            (stamp, file, n) == (&first.key.stamp, &first.key.file, &first.key.n)
        });
        Ok(members)
    }

    /// Takes in what the directory holds.
    fn read(&mut self, primary: &Path, directory: &Path) -> io::Result<()> {
        let entries = match std::fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let path = primary.with_file_name(&name);
            if let Some(number) = variant_number(primary, &name) {
                self.variants.push((number, path));
            } else if let Some(key) = ArchiveKey::of(primary, &name) {
                self.archives.push(Archive { key, path });
            } else if let Some(archive) = unfinished_of(primary, &path) {
                self.unfinished.push(archive);
            }
        }
        Ok(())
    }
}

/// Whether `path`, spelled like `primary`, is or may become a file of its family.
pub(crate) fn is_member(primary: &Path, path: &Path) -> bool {
    path.parent() == primary.parent()
        && path.file_name().is_some_and(|name| {
            path == primary
                || variant_number(primary, name).is_some()
                || ArchiveKey::of(primary, name).is_some()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_before_the_last_extension() {
        for (primary, first, last) in [
            ("app.log", "app.001.log", "app.999.log"),
            ("app", "app.001", "app.999"),
            (".app", ".app.001", ".app.999"),
            (".app.log", ".app.001.log", ".app.999.log"),
            ("app.tar.log", "app.tar.001.log", "app.tar.999.log"),
            ("app.", "app.001.", "app.999."),
            ("app.001.log", "app.001.001.log", "app.001.999.log"),
            ("dir.d/app", "dir.d/app.001", "dir.d/app.999"),
            ("/a b/ä ö.log", "/a b/ä ö.001.log", "/a b/ä ö.999.log"),
        ] {
            let primary = Path::new(primary);
            assert_eq!(member(primary, 0), primary);
            assert_eq!(member(primary, 1), Path::new(first));
            assert_eq!(member(primary, 999), Path::new(last));
        }
    }

    #[test]
    fn a_variant_is_known_by_its_name_and_no_stranger_is() {
        for (primary, name, number) in [
            ("app.log", "app.001.log", Some(1)),
            ("app.log", "app.042.log", Some(42)),
            ("app.log", "app.999.log", Some(999)),
            ("app.log", "app.log", None),
            ("app.log", "app.000.log", None),
            ("app.log", "app.1.log", None),
            ("app.log", "app.0001.log", None),
            ("app.log", "app.abc.log", None),
            ("app.log", "app.+12.log", None),
            ("app.log", "app.٣٣٣.log", None),
            ("app.log", "app.001.log.bak", None),
            ("app.log", "app.001log", None),
            ("app.log", "app.001.", None),
            ("app.log", "app.001", None),
            ("app.log", "app.00", None),
            ("app.log", "xapp.001.log", None),
            ("app.log", "app.001.001.log", None),
            ("app.001.log", "app.002.log", None),
            ("app.001.log", "app.001.002.log", Some(2)),
            ("app", "app.001", Some(1)),
            ("app", "app.001.log", None),
            (".app", ".app.007", Some(7)),
            ("app.", "app.007.", Some(7)),
        ] {
            let found = variant_number(Path::new(primary), OsStr::new(name));
            assert_eq!(found, number, "{primary} {name}");
        }
    }

    #[test]
    fn an_archive_is_known_by_its_name_and_no_stranger_is() {
        for (primary, name, key) in [
            ("app.log", "app.2026-11-23T07-55-01Z.log", Some((0, 1))),
            ("app.log", "app.2026-11-23T07-55-01Z.2.log", Some((0, 2))),
            ("app.log", "app.2026-11-23T07-55-01Z.10.log", Some((0, 10))),
            ("app.log", "app.001.2026-11-23T07-55-01Z.log", Some((1, 1))),
            (
                "app.log",
                "app.999.2026-11-23T07-55-01Z.3.log",
                Some((999, 3)),
            ),
            (
                "app.001.log",
                "app.001.2026-11-23T07-55-01Z.log",
                Some((0, 1)),
            ),
            ("app", "app.2026-11-23T07-55-01Z", Some((0, 1))),
            ("app", "app.2026-11-23T07-55-01Z.2", Some((0, 2))),
            ("app", "app.2026-11-23T07-55-01Z.100", Some((0, 100))),
            ("app", "app.100.2026-11-23T07-55-01Z", Some((100, 1))),
            (".app", ".app.007.2026-11-23T07-55-01Z.2", Some((7, 2))),
            ("app.log", "app.2026-11-23T07-55-01Z.0.log", None),
            ("app.log", "app.2026-11-23T07-55-01Z.1.log", None),
            ("app.log", "app.2026-11-23T07-55-01Z.02.log", None),
            ("app.log", "app.2026-11-23T07-55-01Z.x.log", None),
            ("app.log", "app.2026-11-23T07-55-01Z..log", None),
            ("app.log", "app.2026-11-23T07-55-01Z2.log", None),
            ("app.log", "app.2026-11-23T07-55-01Z.99999999999.log", None),
            ("app.log", "app.2026-11-23T07:55:01Z.log", None),
            ("app.log", "app.000.2026-11-23T07-55-01Z.log", None),
            ("app.log", "app.2026-11-23.log", None),
            ("app.log", "app.2026.log", None),
            ("app.log", "app.x.log", None),
            ("app.log", "app-2.log", None),
            ("app.log", "app.log.bak", None),
            ("app.log", "applog", None),
            ("app.log", "app.2026-11-23T07-55-01Z", None),
            ("app.log", "app.2026-11-23T07-55-01Z.log.gz", None),
        ] {
            let found = archive_key(Path::new(primary), name.as_bytes());
            let found = found.map(|(_, file, n)| (file, n));
            assert_eq!(found, key, "{primary} {name}");
            if let Some((file, n)) = key {
                let made = archive(Path::new(primary), file, "2026-11-23T07-55-01Z", n);
                assert_eq!(made, Path::new(name));
            }
        }
    }

    #[test]
    fn a_compressed_archive_is_known_by_its_name() {
        for (primary, name, compressed) in [
            ("app.log", "app.2026-11-23T07-55-01Z.log.gz", Some(true)),
            (
                "app.log",
                "app.001.2026-11-23T07-55-01Z.2.log.gz",
                Some(true),
            ),
            ("app.log", "app.2026-11-23T07-55-01Z.log", Some(false)),
            ("app", "app.2026-11-23T07-55-01Z.gz", Some(true)),
            ("app.gz", "app.2026-11-23T07-55-01Z.gz", Some(false)),
            ("app.gz", "app.2026-11-23T07-55-01Z.gz.gz", Some(true)),
            ("app.log", "app.2026-11-23T07-55-01Z.log.gz.tmp", None),
            ("app.log", "app.2026-11-23T07-55-01Z.log.gz.gz", None),
            ("app.log", "app.2026-11-23T07-55-01Z.gz", None),
            ("app.log", "app.001.log.gz", None),
            ("app.log", "app.log.gz", None),
        ] {
            let key = ArchiveKey::of(Path::new(primary), OsStr::new(name));
            assert_eq!(
                key.map(|key| key.compressed),
                compressed,
                "{primary} {name}"
            );
        }
        let archive = Path::new("/x/app.2026-11-23T07-55-01Z.log");
        let made = unfinished(archive);
        assert_eq!(
            made.to_str(),
            Some("/x/app.2026-11-23T07-55-01Z.log.gz.tmp")
        );
        let primary = Path::new("/x/app.log");
        assert_eq!(unfinished_of(primary, &made).as_deref(), Some(archive));
        for stranger in ["app.log.gz.tmp", "app.001.log.gz.tmp", "b.gz.tmp"] {
            let path = primary.with_file_name(stranger);
            assert_eq!(unfinished_of(primary, &path), None, "{stranger}");
        }
    }

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
    fn names_need_not_be_utf_8() {
        use std::os::unix::ffi::OsStrExt;
        let primary = Path::new(OsStr::from_bytes(b"a\xff\xfe.l\x80g"));
        let variant = member(primary, 12);
        assert_eq!(variant.as_os_str().as_bytes(), b"a\xff\xfe.012.l\x80g");
        assert_eq!(variant_number(primary, variant.as_os_str()), Some(12));
    }
}
