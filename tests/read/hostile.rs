//! Files that a crash, an editor or a truncation leaves.

#![cfg(feature = "cli")]

use crate::common;
use crate::questions::run;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::Compression;

use common::scratch;

const ONE: &str = "2026-11-23T07:55:01Z  INFO app: one n=1\n";
const TWO: &str = "2026-11-23T07:55:02Z ERROR app: two n=2\n";
const TWO_JSON: &str = concat!(
    r#"{"timestamp":"2026-11-23T07:55:02Z","level":"ERROR","fields":{"message":"two","n":2},"target":"app"}"#,
    "\n"
);

/// What it prints, of which zeros are not looked at.
fn printed(arguments: &[&str], log: &Path) -> String {
    let output = run(arguments, log);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(told, "", "{arguments:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.replace('\0', "")
}

/// A hole is what a power failure leaves, or a truncation of a file whose writer has kept its place.
#[test]
fn a_record_behind_zeros_is_a_record() {
    for (zeros, two) in [
        (3, TWO),
        (3, TWO_JSON),
        (100_000, TWO),
        (100_000, TWO_JSON),
        // More than a buffer has.
        (20_000_000, TWO_JSON),
    ] {
        let scratch = scratch();
        let mut file = File::create(&scratch.log).unwrap();
        file.write_all(ONE.as_bytes()).unwrap();
        file.seek(SeekFrom::Current(zeros)).unwrap();
        file.write_all([two, ONE].concat().as_bytes()).unwrap();
        let since = "2026-11-23T07:55:02Z";
        for (arguments, expected) in [
            (&["--level", "error"][..], two),
            (&["--level", "error", "-n", "1"], two),
            (&["--level", "error", "-r"], two),
            (&["--since", since, "--field", "n=2"], two),
            (&["--field", "n=2"], two),
            (&["--field", "n=2", "--output", "text"], TWO),
        ] {
            let found = printed(arguments, &scratch.log);
            assert_eq!(found, expected, "{zeros} {arguments:?}");
        }
    }
}

#[test]
fn a_byte_order_mark_hides_no_record() {
    for two in [TWO, TWO_JSON] {
        let scratch = scratch();
        fs::write(&scratch.log, ["\u{feff}", two].concat()).unwrap();
        for arguments in [
            &["--level", "error"][..],
            &["--field", "n=2"],
            &["--since", "2026-11-23T07:55:02Z"],
            &["-n", "1"],
        ] {
            let found = printed(arguments, &scratch.log);
            assert_eq!(found.trim_start_matches('\u{feff}'), two, "{arguments:?}");
        }
        assert_eq!(printed(&["--output", "text"], &scratch.log), TWO);
    }
}

/// What is missing may be what was asked for.
#[test]
fn a_compressed_file_that_is_cut_off_is_reported_whatever_is_asked_for() {
    let scratch = scratch();
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    for n in 0..20_000 {
        writeln!(file, "2026-11-23T07:55:01.{n:06}Z  INFO app: n={n}").unwrap();
    }
    let content = file.finish().unwrap();
    let archive = scratch.path("app.2026-11-23T07-56-00Z.log.gz");
    fs::write(archive, &content[..content.len() / 2]).unwrap();
    fs::write(&scratch.log, "2026-11-23T07:57:01Z ERROR app: after\n").unwrap();
    for arguments in [
        &[][..],
        &["-n", "3"],
        &["-r"],
        &["--level", "info", "-n", "2"],
    ] {
        let output = run(arguments, &scratch.log);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{arguments:?}: {told}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("after"), "{arguments:?}");
    }
    // The last one is not in the archive.
    let last = run(&["-n", "1"], &scratch.log);
    assert_eq!(last.stdout, b"2026-11-23T07:57:01Z ERROR app: after\n");
}
