//! A log read back as one stream.

use crate::common;

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use common::scratch;
use tracing_fallback_file::{Merge, Record};

mod read_ahead;
mod while_written;

fn records(log: &Path) -> Vec<Record> {
    Merge::open(log).unwrap().map(Result::unwrap).collect()
}

fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| String::from_utf8_lossy(record.bytes()).into_owned();
    records.iter().map(text).collect()
}

/// `second text`, as a record of that second.
fn at(lines: &[(u32, &str)]) -> String {
    let line =
        |(second, text): &(u32, &str)| format!("2026-11-23T07:55:{second:02}Z  INFO {text}\n");
    lines.iter().map(line).collect()
}

fn said(records: &[Record]) -> Vec<String> {
    let last = |text: String| text.trim_end().rsplit(' ').next().unwrap().to_owned();
    texts(records).into_iter().map(last).collect()
}

#[test]
fn all_files_are_one_stream_by_time() {
    let scratch = scratch();
    let files = [
        ("app.log", at(&[(30, "g"), (32, "i")])),
        ("app.001.log", at(&[(15, "d"), (31, "h")])),
        ("app.007.log", at(&[(25, "f"), (40, "j")])),
        ("app.2026-11-23T07-55-09Z.log", at(&[(1, "a"), (9, "c")])),
        (
            "app.001.2026-11-23T07-55-20Z.log",
            at(&[(2, "b"), (20, "e")]),
        ),
    ];
    for (name, text) in &files {
        fs::write(scratch.path(name), text).unwrap();
    }
    fs::write(scratch.path("app.bak.log"), at(&[(3, "stranger")])).unwrap();
    let records = records(&scratch.log);
    assert_eq!(said(&records).concat(), "abcdefghij");
    assert_eq!(
        records[0].path(),
        scratch.path("app.2026-11-23T07-55-09Z.log")
    );
    assert_eq!(records[9].path(), scratch.variant(7));
    let time = UNIX_EPOCH + Duration::from_secs(1_795_420_501);
    assert_eq!(records[0].timestamp(), Some(time));
}

#[cfg(feature = "gzip")]
#[test]
fn compressed_archives_are_read_too() {
    let scratch = scratch();
    let gzip = |name: &str, text: String| {
        fs::write(scratch.path(name), common::gzip(text)).unwrap();
    };
    gzip("app.2026-11-23T07-55-09Z.log.gz", at(&[(1, "a"), (9, "c")]));
    gzip("app.2026-11-23T07-55-10Z.log.gz", at(&[(10, "d")]));
    fs::write(&scratch.log, at(&[(2, "b"), (11, "e")])).unwrap();
    assert_eq!(said(&records(&scratch.log)).concat(), "abcde");
}

#[cfg(feature = "gzip")]
#[test]
fn an_archive_that_goes_before_its_turn_is_missed() {
    let scratch = scratch();
    let archive = scratch.path("app.2026-11-23T07-55-09Z.log.gz");
    fs::write(&archive, common::gzip(at(&[(9, "gone")]))).unwrap();
    fs::write(&scratch.log, at(&[(1, "a"), (11, "b")])).unwrap();
    let merge = Merge::open(&scratch.log).unwrap();
    fs::remove_file(&archive).unwrap();
    let (found, errors): (Vec<_>, Vec<_>) = merge.partition(Result::is_ok);
    assert_eq!((found.len(), errors.len()), (2, 1));
}

#[cfg(not(feature = "gzip"))]
#[test]
fn compressed_archives_are_an_error_and_the_rest_is_read() {
    let scratch = scratch();
    fs::write(scratch.path("app.2026-11-23T07-55-09Z.log.gz"), "x").unwrap();
    fs::write(&scratch.log, at(&[(2, "b")])).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = Merge::open(&scratch.log).unwrap().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (1, 1));
    let error = bad[0].as_ref().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("gzip"), "{error}");
}

#[test]
fn of_equal_times_the_order_is_that_of_the_files() {
    let scratch = scratch();
    for (name, text) in [
        ("app.log", "primary"),
        ("app.001.log", "one"),
        ("app.002.log", "two"),
        ("app.2026-11-23T07-55-20Z.log", "newer"),
        ("app.2026-11-23T07-55-09Z.log", "older"),
    ] {
        let text = format!("{text}{text}");
        fs::write(scratch.path(name), at(&[(5, &text), (5, &text)])).unwrap();
    }
    let expected = ["older", "newer", "primary", "one", "two"];
    let expected: Vec<_> = expected
        .iter()
        .flat_map(|text| vec![text.repeat(2); 2])
        .collect();
    for _ in 0..3 {
        assert_eq!(said(&records(&scratch.log)), expected);
    }
}

#[test]
fn lines_without_a_time_belong_to_the_record_before_them() {
    let scratch = scratch();
    let pretty = "  2026-11-23T07:55:02.5Z  INFO app: hello\n    at src/main.rs:3\n    in span\n\n";
    let panic = "thread 'main' panicked at src/main.rs:1:1:\nboom\n";
    fs::write(
        &scratch.log,
        format!("lead\n{}{panic}{}", at(&[(1, "a")]), at(&[(3, "c")])),
    )
    .unwrap();
    fs::write(scratch.variant(1), pretty).unwrap();
    let records = records(&scratch.log);
    let first = "2026-11-23T07:55:01Z  INFO a\n".to_owned();
    let expected = [
        "lead\n".to_owned(),
        first,
        panic.to_owned(),
        pretty.to_owned(),
        at(&[(3, "c")]),
    ];
    assert_eq!(texts(&records), expected);
    assert_eq!(records[0].timestamp(), None);
    assert_eq!(records[2].timestamp(), None);
    assert_eq!(records[2].level(), Some(tracing::Level::ERROR));
    assert!(records[3].timestamp() > records[1].timestamp());
}

#[test]
fn a_record_that_never_ends_is_given_out_in_pieces() {
    let scratch = scratch();
    let line = format!("{}\n", "x".repeat(999));
    let text = at(&[(1, "a")]) + &line.repeat(3_000) + &at(&[(3, "c")]);
    fs::write(&scratch.log, &text).unwrap();
    fs::write(scratch.variant(1), at(&[(2, "b")])).unwrap();
    let records = records(&scratch.log);
    let longest = records.iter().map(|record| record.bytes().len()).max();
    assert!(longest.unwrap() < 1_100_000, "{longest:?}");
    let last = &records[records.len() - 2..];
    assert_eq!(
        said(last),
        ["b", "c"],
        "the pieces have the time of the record"
    );
    let pieces = &records[..records.len() - 2];
    assert!(pieces
        .iter()
        .all(|piece| piece.timestamp() == records[0].timestamp()));
    assert_eq!(texts(pieces).concat() + &texts(last)[1], text);
}

#[test]
fn odd_bytes_come_out_as_they_are() {
    let scratch = scratch();
    fs::write(&scratch.log, at(&[(1, "a")]) + "2026-11-23T07:55:05Z half").unwrap();
    fs::write(
        scratch.variant(1),
        b"2026-11-23T07:55:02Z \xff\xfe\0\n\0\0\0",
    )
    .unwrap();
    fs::write(scratch.variant(2), "").unwrap();
    fs::write(scratch.variant(3), "no time at all").unwrap();
    let records = records(&scratch.log);
    let bytes: Vec<_> = records.iter().map(Record::bytes).collect();
    let expected: [&[u8]; 4] = [
        b"no time at all",
        b"2026-11-23T07:55:01Z  INFO a\n",
        b"2026-11-23T07:55:02Z \xff\xfe\0\n\0\0\0",
        b"2026-11-23T07:55:05Z half",
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn without_any_file_there_is_an_error() {
    let scratch = scratch();
    for log in [scratch.log.clone(), scratch.path("none/app.log")] {
        let error = Merge::open(&log).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}
