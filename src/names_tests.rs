//! Tables of names, unrelated and hostile ones among them.

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

/// The path that the `n`th archive of a second had in the older form.
fn numbered_archive(primary: &Path, number: u16, seconds: &str, n: u32) -> PathBuf {
    let number = match number {
        0 => String::new(),
        number => format!("{number:03}."),
    };
    let n = match n {
        0 | 1 => String::new(),
        n => format!("{}{n}", char::from(separator(primary))),
    };
    with_infix(primary, &format!("{number}{seconds}Z{n}"))
}

#[test]
fn an_archive_is_known_by_its_microsecond() {
    const STAMP: &str = "2026-11-23T07-55-01.000456Z";
    for (primary, name, file) in [
        ("app.log", "app.2026-11-23T07-55-01.000456Z.log", Some(0)),
        (
            "app.log",
            "app.001.2026-11-23T07-55-01.000456Z.log",
            Some(1),
        ),
        ("app", "app.2026-11-23T07-55-01.000456Z", Some(0)),
        (".app", ".app.007.2026-11-23T07-55-01.000456Z", Some(7)),
        ("app.2", "app.2026-11-23T07-55-01.000456Z.2", Some(0)),
        ("app", "app.2026-11-23T07-55-01.000456Z.2", None),
        ("app", "app.2026-11-23T07-55-01.000456Z-2", None),
        ("app.log", "app.2026-11-23T07-55-01.000456Z.2.log", None),
        ("app.log", "app.2026-11-23T07-55-01.00456Z.log", None),
        ("app.log", "app.2026-11-23T07-55-01.0000456Z.log", None),
        ("app.log", "app.2026-11-23T07-55-01.+00456Z.log", None),
        ("app.log", "app.2026-11-23T07-55-01,000456Z.log", None),
        ("app.log", "app.2026-11-23T07-55-01.000456.log", None),
        ("app.log", "app.2026-11-23T07-55-01.Z.log", None),
        ("app.log", "app.2026-11-23T07-60-01.000456Z.log", None),
    ] {
        let found = parse_archive(Path::new(primary), name.as_bytes());
        let key = found.map(|found| (found.file, found.micros, found.n));
        assert_eq!(key, file.map(|file| (file, 456, 1)), "{primary} {name}");
        if let Some(file) = file {
            assert_eq!(archive(Path::new(primary), file, STAMP), Path::new(name));
        }
    }
}

#[test]
fn archives_are_sorted_by_their_time() {
    let sorted = [
        "app.2026-11-23T07-55-00.999999Z.log",
        "app.2026-11-23T07-55-01Z.log",
        "app.2026-11-23T07-55-01Z.10.log",
        "app.2026-11-23T07-55-01.000001Z.log",
        "app.001.2026-11-23T07-55-01.000001Z.log",
        "app.2026-11-23T07-55-01.100000Z.log",
    ];
    let keys = sorted.map(|name| parse_archive(Path::new("app.log"), name.as_bytes()).unwrap());
    assert!(keys.is_sorted(), "{keys:?}");
}

#[test]
fn an_archive_of_the_older_form_is_known_by_its_name_and_no_stranger_is() {
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
        ("app", "app.2026-11-23T07-55-01Z-2", Some((0, 2))),
        ("app", "app.2026-11-23T07-55-01Z-100", Some((0, 100))),
        ("app.2", "app.2026-11-23T07-55-01Z.2", Some((0, 1))),
        ("app.2", "app.2026-11-23T07-55-01Z.2.2", Some((0, 2))),
        ("app", "app.100.2026-11-23T07-55-01Z", Some((100, 1))),
        (".app", ".app.007.2026-11-23T07-55-01Z-2", Some((7, 2))),
        ("app.log", "app.2026-11-23T07-55-01Z.0.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z.1.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z.02.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z.x.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z..log", None),
        ("app.log", "app.2026-11-23T07-55-01Z2.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z.99999999999.log", None),
        (
            "app.log",
            "app.2026-11-23T07-55-01Z.4294967295.log",
            Some((0, u32::MAX)),
        ),
        ("app.log", "app.2026-11-23T07-55-01Z.4294967296.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z.+2.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z.٢.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z-2.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z.2.3.log", None),
        ("app", "app.2026-11-23T07-55-01Z.2", None),
        ("app", "app.2026-11-23T07-55-01Z-1", None),
        ("app", "app.2026-11-23T07-55-01Z-", None),
        ("app.log", "app.2026-00-23T07-55-01Z.log", None),
        ("app.log", "app.2026-13-23T07-55-01Z.log", None),
        ("app.log", "app.2026-11-00T07-55-01Z.log", None),
        ("app.log", "app.2026-11-32T07-55-01Z.log", None),
        ("app.log", "app.2026-11-23T24-55-01Z.log", None),
        ("app.log", "app.2026-11-23T07-60-01Z.log", None),
        ("app.log", "app.2026-11-23T07-55-61Z.log", None),
        ("app.log", "app.2026-12-31T23-59-60Z.log", Some((0, 1))),
        ("app.log", "app.2026-11-23t07-55-01z.log", None),
        ("app.log", "app.2026-11-23T07-55-01.log", None),
        ("app.log", "app.2026-11-23T07-55-01Z .log", None),
        ("app.log", "app.0000.2026-11-23T07-55-01Z.log", None),
        ("app.log", "app.01.2026-11-23T07-55-01Z.log", None),
        ("app.log", "app.001.002.2026-11-23T07-55-01Z.log", None),
        ("app.log", "app.001.", None),
        ("app.log", "", None),
        ("app.log", "app..log", None),
        ("app.log", "APP.2026-11-23T07-55-01Z.log", None),
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
        let found = parse_archive(Path::new(primary), name.as_bytes());
        assert_eq!(
            found.as_ref().map(|found| (found.file, found.n)),
            key,
            "{primary} {name}"
        );
        if let Some(found) = found {
            let seconds = std::str::from_utf8(&found.seconds).unwrap();
            let made = numbered_archive(Path::new(primary), found.file, seconds, found.n);
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
}

#[test]
fn a_partial_file_is_known_by_its_name() {
    for (primary, name, archive) in [
        (
            "app.log",
            "app.2026-11-23T07-55-01Z.log.gz.tmp",
            Some("app.2026-11-23T07-55-01Z.log"),
        ),
        (
            "app",
            "app.2026-11-23T07-55-01Z-2.gz.tmp",
            Some("app.2026-11-23T07-55-01Z-2"),
        ),
        (
            "app.gz",
            "app.2026-11-23T07-55-01Z.gz.gz.tmp",
            Some("app.2026-11-23T07-55-01Z.gz"),
        ),
        ("app", "app.2026-11-23T07-55-01Z.gz.gz.tmp", None),
        ("app.gz", "app.2026-11-23T07-55-01Z.gz.tmp", None),
        ("app.log", "app.2026-11-23T07-55-01Z.log.gz.gz.tmp", None),
        ("app.log", "app.2026-11-23T07-55-01Z.log.tmp", None),
        ("app.log", "app.log.gz.tmp", None),
        ("app.log", "app.001.log.gz.tmp", None),
        ("app.log", "b.gz.tmp", None),
        ("app.log", ".gz.tmp", None),
    ] {
        let found = Name::of(Path::new(primary), OsStr::new(name));
        assert_eq!(
            found == Some(Name::Partial),
            archive.is_some(),
            "{primary} {name}"
        );
        if let Some(archive) = archive {
            assert_eq!(partial(Path::new(archive)), Path::new(name));
            assert_eq!(archive_of_partial(Path::new(name)), Path::new(archive));
        }
    }
}

#[test]
fn the_file_that_an_archive_was_is_known_by_its_name() {
    for (primary, archive, file) in [
        (
            "/a/app.log",
            "/b/app.2026-11-23T07-55-01Z.log",
            "/b/app.log",
        ),
        (
            "app.log",
            "app.007.2026-11-23T07-55-01Z.3.log.gz",
            "app.007.log",
        ),
        ("app", "app.007.2026-11-23T07-55-01Z-3", "app.007"),
    ] {
        let found = rotated_from(Path::new(primary), Path::new(archive));
        assert_eq!(found.as_deref(), Some(Path::new(file)));
    }
    let unrelated = Path::new("app.2026-11-23T07-55-01Z.txt");
    assert_eq!(rotated_from(Path::new("app.log"), unrelated), None);
}

/// Whatever two logs lie in one directory, no name is an archive of both but where it is ambiguous.
#[test]
fn no_archive_is_claimed_by_two_logs() {
    let logs = [
        "app", "app.2", "app.10", "app.gz", "app.log", "app.001", "app.tmp",
    ];
    for one in logs {
        for (file, n, is_compressed) in [
            (0, 0, false),
            (0, 0, true),
            (7, 0, false),
            (0, 1, false),
            (0, 2, false),
            (7, 10, false),
            (0, 1, true),
            (7, 2, true),
        ] {
            let plain = match n {
                0 => archive(Path::new(one), file, "2026-11-23T07-55-01.123456Z"),
                n => numbered_archive(Path::new(one), file, "2026-11-23T07-55-01", n),
            };
            let name = match is_compressed {
                true => compressed(&plain),
                false => plain,
            };
            for other in logs.iter().filter(|other| **other != one) {
                let key = |log: &str| ArchiveKey::of(Path::new(log), name.as_os_str());
                let Some(theirs) = key(other) else { continue };
                let ours = key(one).unwrap();
                assert!(ours.is_ambiguous(Path::new(one)), "{one} {other} {name:?}");
                assert!(
                    theirs.is_ambiguous(Path::new(other)),
                    "{one} {other} {name:?}"
                );
                assert_ne!(ours.compressed, theirs.compressed);
            }
        }
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
