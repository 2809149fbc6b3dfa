//! Names and numbers: `app.log` ↔ 0, `app.001.log` ↔ 1, … `app.999.log` ↔ 999.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// The highest number that a variant can have: three digits exactly.
pub(crate) const MAX_VARIANTS: u16 = 999;

/// The path of file `number` of the family of `primary`; 0 is the primary itself.
pub(crate) fn member(primary: &Path, number: u16) -> PathBuf {
    if number == 0 {
        return primary.to_owned();
    }
    let mut name = OsString::from(primary.file_stem().unwrap_or_default());
    name.push(format!(".{number:03}"));
    if let Some(extension) = primary.extension() {
        name.push(".");
        name.push(extension);
    }
    primary.with_file_name(name)
}

/// The number of the variant of `primary` called `name`, if it is one.
fn variant_number(primary: &Path, name: &OsStr) -> Option<u16> {
    let rest = name
        .as_encoded_bytes()
        .strip_prefix(primary.file_stem()?.as_encoded_bytes())?
        .strip_prefix(b".")?;
    let (digits, rest) = (rest.get(..3)?, &rest[3..]);
    let extension_fits = match primary.extension() {
        Some(extension) => rest.strip_prefix(b".") == Some(extension.as_encoded_bytes()),
        None => rest.is_empty(),
    };
    if !extension_fits || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |n, digit| n * 10 + u16::from(digit - b'0'));
    (number > 0).then_some(number)
}

/// The files of a log that exist now: the primary, then its variants by number.
///
/// A file belongs to the family of `app.log` when it is a regular file (or a symbolic link to one)
/// called `app.log`, or `app.NNN.log` with exactly three digits, 001 to 999. Anything else in the
/// directory is a stranger: `app.1.log`, `app.0001.log`, `app.abc.log`, `app.001.log.bak`, a
/// directory called `app.001.log`.
///
/// The paths are spelled as `path` is: relative if it is relative.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if `path` has no file name, and whatever reading
/// the directory answers, except that a directory that does not exist has no files: that is an
/// empty list.
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
    let primary = path.as_ref();
    let Some(primary_name) = primary.file_name() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path has no file name",
        ));
    };
    let directory = match primary.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = if name == primary_name {
            Some(0)
        } else {
            variant_number(primary, &name)
        };
        if let Some(number) = number {
            if member(primary, number).is_file() {
                numbers.push(number);
            }
        }
    }
    numbers.sort_unstable();
    Ok(numbers
        .into_iter()
        .map(|number| member(primary, number))
        .collect())
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
