//! The names of variants and archives: `app.log` ↔ 0, `app.001.log` ↔ 1, … `app.999.log` ↔ 999, and
//! `app.2026-11-23T07-55-01.123456Z.log`. No function here uses the file system.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The highest number that a variant can have: three digits exactly.
pub(crate) const MAX_VARIANTS: u16 = 999;

const COMPRESSED: &str = ".gz";
const PARTIAL: &str = ".gz.tmp";

/// The form of an archive's time in UTC, up to the second; any digit for 0.
const SECONDS: &[u8; 19] = b"0000-00-00T00-00-00";

/// The path of file `number` of the family of `primary`; 0 is the primary itself.
pub(crate) fn member(primary: &Path, number: u16) -> PathBuf {
    if number == 0 {
        return primary.to_owned();
    }
    with_infix(primary, &format!("{number:03}"))
}

/// The path of the archive that file `number` of the family of `primary` becomes at `stamp`, such as
/// `2026-11-23T07-55-01.123456Z`.
pub(crate) fn archive(primary: &Path, number: u16, stamp: &str) -> PathBuf {
    match number {
        0 => with_infix(primary, stamp),
        number => with_infix(primary, &format!("{number:03}.{stamp}")),
    }
}

/// What stands before the number of an archive in an older form of its name: its time had no
/// microseconds, and the second one of a second was called `app.2026-11-23T07-55-01Z.2.log`.
///
/// A log without an extension has none that a number would precede: `app.2026-11-23T07-55-01Z.2`
/// is the first archive of a log called `app.2`, so the second one of `app` was `…Z-2`.
fn separator(primary: &Path) -> u8 {
    match primary.extension() {
        Some(_) => b'.',
        None => b'-',
    }
}

/// The path of an archive once it is compressed.
pub(crate) fn compressed(archive: &Path) -> PathBuf {
    with_suffix(archive, COMPRESSED)
}

/// The path under which the compressed archive is written until it is complete.
pub(crate) fn partial(archive: &Path) -> PathBuf {
    with_suffix(archive, PARTIAL)
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

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

/// What the name of a file says about it, other than that it is the primary's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Variant(u16),
    Archive(ArchiveKey),
    /// A compressed archive that is not complete, or was never completed.
    Partial,
}

impl Name {
    /// Parses the name of a file in the directory of `primary`; `None` if the file is unrelated.
    pub(crate) fn of(primary: &Path, name: &OsStr) -> Option<Name> {
        if let Some(number) = variant_number(primary, name) {
            return Some(Name::Variant(number));
        }
        if let Some(key) = ArchiveKey::of(primary, name) {
            return Some(Name::Archive(key));
        }
        let archive = name.as_encoded_bytes().strip_suffix(PARTIAL.as_bytes())?;
        parse_archive(primary, archive).map(|_| Name::Partial)
    }
}

/// The path of the archive that the partial file at `path` is made of.
pub(crate) fn archive_of_partial(path: &Path) -> PathBuf {
    path.with_extension("").with_extension("")
}

/// What archives of a family are sorted by: time, then the file that it was, then number; and of
/// two with the same content the one that is not compressed comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArchiveKey {
    pub(crate) seconds: [u8; SECONDS.len()],
    micros: u32,
    file: u16,
    n: u32,
    pub(crate) compressed: bool,
}

impl ArchiveKey {
    pub(crate) fn of(primary: &Path, name: &OsStr) -> Option<Self> {
        let name = name.as_encoded_bytes();
        parse_archive(primary, name).or_else(|| {
            let plain = name.strip_suffix(COMPRESSED.as_bytes())?;
            let key = parse_archive(primary, plain)?;
            Some(ArchiveKey {
                compressed: true,
                ..key
            })
        })
    }

    /// Returns true if both have the same content, one of them compressed.
    pub(crate) fn is_copy_of(&self, other: &ArchiveKey) -> bool {
        let key = |key: &ArchiveKey| (key.seconds, key.micros, key.file, key.n);
        key(self) == key(other)
    }

    /// Returns true if only the content says to which log the archive belongs: of the logs `app` and
    /// `app.2` it is compressed, of a log `app.gz` it is not.
    pub(crate) fn is_ambiguous(&self, primary: &Path) -> bool {
        let extension = primary.extension().map(OsStr::as_encoded_bytes);
        match (extension, self.compressed) {
            (Some(extension), false) => extension == b"gz",
            (Some(extension), true) => parse_number(extension).is_some(),
            (None, compressed) => compressed,
        }
    }
}

/// The path that `archive` had before it was rotated, if its name is that of an archive of
/// `primary`.
pub(crate) fn rotated_from(primary: &Path, archive: &Path) -> Option<PathBuf> {
    let key = ArchiveKey::of(primary, archive.file_name()?)?;
    let file = member(primary, key.file);
    Some(archive.with_file_name(file.file_name()?))
}

/// Parses the name of an archive that is not compressed.
fn parse_archive(primary: &Path, name: &[u8]) -> Option<ArchiveKey> {
    let infix = infix(primary, name)?;
    let (file, infix) = split_variant(infix).unwrap_or((0, infix));
    let (seconds, rest) = infix.split_first_chunk()?;
    let (micros, n) = match rest {
        [b'.', micros @ .., b'Z'] => (parse_micros(micros.try_into().ok()?)?, 1),
        [b'Z'] => (0, 1),
        [b'Z', first, digits @ ..] if *first == separator(primary) => (0, parse_number(digits)?),
        _ => return None,
    };
    is_time(seconds).then_some(ArchiveKey {
        seconds: *seconds,
        micros,
        file,
        n,
        compressed: false,
    })
}

/// The number of a variant and what follows it, from `001.2026-11-23T07-55-01Z`.
fn split_variant(infix: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = infix.split_first_chunk()?;
    Some((parse_variant(*digits)?, rest.strip_prefix(b".")?))
}

/// Returns true for a time as [`archive`] writes it, with each field in its range. A day that its
/// month does not have is accepted.
fn is_time(seconds: &[u8; SECONDS.len()]) -> bool {
    let has_form = seconds.iter().zip(SECONDS).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    });
    let field = |at: usize| (seconds[at] - b'0') * 10 + (seconds[at + 1] - b'0');
    has_form
        && (1..=12).contains(&field(5))
        && (1..=31).contains(&field(8))
        && field(11) < 24
        && field(14) < 60
        // A leap second.
        && field(17) <= 60
}

fn parse_micros(digits: [u8; 6]) -> Option<u32> {
    digits.iter().try_fold(0, |n, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        Some(n * 10 + u32::from(digit))
    })
}

/// The number of an archive, from 2, without leading zeros.
fn parse_number(digits: &[u8]) -> Option<u32> {
    if matches!(digits, [] | [b'0', ..] | b"1") {
        return None;
    }
    digits.iter().try_fold(0_u32, |n, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        n.checked_mul(10)?.checked_add(digit.into())
    })
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
    parse_variant(infix(primary, name.as_encoded_bytes())?.try_into().ok()?)
}

fn parse_variant(digits: [u8; 3]) -> Option<u16> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |n, digit| n * 10 + u16::from(digit - b'0'));
    (number > 0).then_some(number)
}

/// Returns true if `path`, spelled like `primary`, is or may become a file of its family.
pub(crate) fn is_member(primary: &Path, path: &Path) -> bool {
    path.parent() == primary.parent()
        && path
            .file_name()
            .is_some_and(|name| path == primary || Name::of(primary, name).is_some())
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
