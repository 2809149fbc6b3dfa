//! Logs so large that a second thread reads them.

use std::fmt::Write as _;
use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe};

use tracing_fallback_file::Merge;

use crate::common::{scratch, Numbers, Scratch};

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

/// Returns true if there is a thread that reads ahead, or can be none.
#[cfg(target_os = "linux")]
fn has_thread() -> bool {
    let is_alone = std::thread::available_parallelism().unwrap().get() == 1;
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut names = threads.map(|thread| fs::read_to_string(thread.path().join("comm")));
    is_alone || names.any(|name| name.is_ok_and(|name| name == "log-read-ahead\n"))
}

/// The system does not say.
#[cfg(not(target_os = "linux"))]
fn has_thread() -> bool {
    true
}

#[test]
fn records_are_in_the_order_of_their_times() {
    let scratch = scratch();
    let expected = fill(&scratch);
    let mut records = Merge::open(&scratch.log).unwrap();
    for (n, (_, _, text)) in expected.iter().enumerate() {
        let record = records.next_ref().unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(record.bytes()), *text, "{n}");
        assert!(n != 1_000 || has_thread());
    }
    assert!(records.next_ref().is_none());
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
    let offset = |civil: i64| match civil % 86_400 < 8 * 3_600 {
        true => 0,
        false => panic!("what the function says"),
    };
    let records = Merge::builder().local_offset(offset).open(&scratch.log);
    let read = AssertUnwindSafe(|| records.unwrap().map(Result::unwrap).count());
    let panic = catch_unwind(read).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"what the function says"));
}
