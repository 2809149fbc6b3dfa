//! Logs so large that a second thread reads them.

use std::fmt::Write as _;
use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe};

use tracing_fallback_file::Merge;

use crate::common::{self, arguments, scratch, Child, Numbers, Scratch};

const FILES: usize = 6;

/// A record, when it was written, and to which file.
type Written = (u64, usize, String);

/// Fills a log of 10 MB with records that are up to 90 ms late, returned in the order of their times:
/// lines of text, several lines, JSON, and now and then one that is larger than a batch.
fn fill(scratch: &Scratch) -> Vec<Written> {
    let mut numbers = Numbers::new(1);
    let mut written: Vec<Written> = Vec::new();
    let mut files = vec![String::new(); FILES];
    let mut now = 0;
    let mut length = 0;
    while length < 10_000_000 {
        now += numbers.below(3_000);
        let micros = now - numbers.below(now.min(90_000) + 1);
        let (second, rest) = (micros / 1_000_000, micros % 1_000_000);
        let time = format!(
            "2026-11-23T07:{:02}:{:02}.{rest:06}Z",
            second / 60,
            second % 60
        );
        let n = written.len();
        let record = match numbers.below(1_000) {
            0 => format!("{time}  INFO large {n} {}\n", "x".repeat(20_000)),
            1..=50 => format!("{time} ERROR several {n}\n  at one\n  at two\n"),
            51..=300 => format!("{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"n\":{n}}}\n"),
            _ => format!("{time}  INFO target: one line {n}\n"),
        };
        length += record.len();
        let file = numbers.below(FILES as u64) as usize;
        files[file].push_str(&record);
        written.push((micros, file, record));
    }
    for (n, text) in files.iter().enumerate() {
        let path = match n {
            0 => scratch.log.clone(),
            n => scratch.variant(n as u16),
        };
        fs::write(path, text).unwrap();
    }
    written.sort_by_key(|(micros, file, _)| (*micros, *file));
    written
}

#[test]
fn records_are_in_the_order_of_their_times() {
    let scratch = scratch();
    let expected = fill(&scratch);
    let mut records = Merge::open(&scratch.log).unwrap();
    for (_, _, text) in &expected {
        let record = records.next_ref().unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(record.bytes()), *text);
    }
    assert!(records.next_ref().is_none());
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "a child of another one"]
fn has_a_thread() {
    let Some(arguments) = arguments() else { return };
    let mut records = Merge::open(&arguments[0]).unwrap();
    for _ in 0..1_000 {
        records.next_ref().unwrap().unwrap();
    }
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut names = threads.map(|thread| fs::read_to_string(thread.path().join("comm")).unwrap());
    let is_alone = std::thread::available_parallelism().unwrap().get() == 1;
    assert!(names.any(|name| name == "log-read-ahead\n") != is_alone);
}

#[test]
#[cfg(target_os = "linux")]
fn a_large_log_has_a_second_thread() {
    let scratch = scratch();
    fill(&scratch);
    Child::run("merge::read_ahead::has_a_thread", &scratch.log);
}

/// More of them than are read each on its own: they share a temporary file, and its position.
#[cfg(feature = "gzip")]
#[test]
fn many_compressed_archives_beside_a_large_file_are_read_whole() {
    let scratch = scratch();
    let line = |millis: usize, what: &str, n: usize| {
        let (second, millis) = (millis / 1_000, millis % 1_000);
        format!("2026-11-23T07:55:{second:02}.{millis:03}Z  INFO {what} {n}\n")
    };
    let mut expected = Vec::new();
    for archive in 0..300 {
        let lines = (0..800).map(|n| line(archive * 50 + n * 20, &format!("{archive:03}"), n));
        let lines: Vec<String> = lines.collect();
        let path = scratch.path(&format!("app.2026-11-23T08-00-00.{archive:06}Z.log.gz"));
        fs::write(path, common::gzip(lines.concat())).unwrap();
        expected.extend(lines);
    }
    let large = (0..250_000).map(|n| line(n / 8, "primary", n));
    let large: Vec<String> = large.collect();
    fs::write(&scratch.log, large.concat()).unwrap();
    expected.extend(large);
    expected.sort();
    let records = Merge::open(&scratch.log).unwrap().map(Result::unwrap);
    let text = |record: tracing_fallback_file::Record| String::from_utf8(record.bytes().to_vec());
    let mut found: Vec<String> = records.map(|record| text(record).unwrap()).collect();
    found.sort();
    assert!(found == expected, "{} of {}", found.len(), expected.len());
}

#[test]
fn a_stream_that_is_dropped_has_no_file_open() {
    let scratch = scratch();
    fill(&scratch);
    let mut records = Merge::open(&scratch.log).unwrap();
    for _ in 0..100 {
        records.next_ref().unwrap().unwrap();
    }
    drop(records);
    #[cfg(target_os = "linux")]
    {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let mut open = open.filter_map(|file| fs::read_link(file.path()).ok());
        assert_eq!(open.find(|path| path.starts_with(scratch.dir.path())), None);
    }
    // Nor does Windows refuse this.
    fs::remove_file(&scratch.log).unwrap();
}

#[test]
fn a_function_of_the_caller_that_panics_panics_in_the_call() {
    let scratch = scratch();
    let mut text = String::new();
    while text.len() < 9_000_000 {
        let second = text.len() / 150_000;
        writeln!(text, "2026-11-23 07:55:{second:02}  INFO without a zone").unwrap();
    }
    text.push_str("2026-11-23 08:00:00  INFO the last one\n");
    fs::write(&scratch.log, text).unwrap();
    // The second thread reads what is read beside another file.
    let other = "2026-11-23 07:50:00  INFO first\n2026-11-23 07:59:00  INFO last\n";
    fs::write(scratch.variant(1), other).unwrap();
    let offset = |civil: i64| match civil % 86_400 < 8 * 3_600 {
        true => 0,
        false => panic!("what the function says"),
    };
    let records = Merge::builder().local_offset(offset).open(&scratch.log);
    let mut records = records.unwrap();
    let read = AssertUnwindSafe(|| records.by_ref().map(Result::unwrap).count());
    let panic = catch_unwind(read).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"what the function says"));
    // It still comes to its end.
    records.for_each(drop);
}
