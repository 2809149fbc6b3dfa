//! Paths that few programs have.
#![cfg(unix)]

use crate::common;

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use common::{hold, lines, scratch, write};
use tracing_fallback_file::{Family, FileAppender, QueuePlace};
use tracing_subscriber::fmt::MakeWriter;

/// Writes ten records, and one more while the log is locked.
fn write_beside_a_lock(appender: &FileAppender, log: &Path) {
    for n in 0..10 {
        write(appender, &format!("record {n}"));
    }
    let held = hold(log);
    write(appender, "locked");
    drop(held);
}

/// No variant, no archive and no queue has a name that fits.
#[test]
fn a_name_as_long_as_the_system_allows_is_written_all_the_same() {
    const NAME_MAX: usize = 255;
    let scratch = scratch();
    for length in [NAME_MAX, NAME_MAX - 3, NAME_MAX - 4, NAME_MAX - 20] {
        let log = scratch.path(&format!("{}.log", "x".repeat(length - 4)));
        let appender = FileAppender::builder()
            .max_file_size(20)
            .rotate_on_start(true)
            .build(&log)
            .unwrap();
        write_beside_a_lock(&appender, &log);
        appender.flush(Duration::from_secs(10)).unwrap();
        let (writer, guard) = appender.non_blocking();
        writer.make_writer().write_all(b"queued\n").unwrap();
        guard.shutdown(Duration::from_secs(10)).unwrap();
        let stats = appender.stats();
        assert_eq!(
            (stats.written, stats.dropped, stats.pending),
            (12, 0, 0),
            "{length}"
        );
        let Family {
            primary,
            variants,
            archives,
            ..
        } = Family::of(&log).unwrap();
        let mut found: Vec<String> = archives
            .iter()
            .chain(&variants)
            .chain(&primary)
            .flat_map(|file| lines(file))
            .collect();
        found.sort_unstable();
        assert_eq!(found.len(), 12, "{length}: {found:?}");
        assert_eq!(stats.queue, QueuePlace::Heap, "{length}");
    }
}

#[test]
fn a_name_that_is_no_text_has_variants_archives_and_a_queue() {
    let scratch = scratch();
    let log = scratch
        .dir
        .path()
        .join(OsString::from_vec(b"\xff\n *.\xfe.log".to_vec()));
    let appender = FileAppender::builder()
        .max_file_size(20)
        .build(&log)
        .unwrap();
    write_beside_a_lock(&appender, &log);
    let (writer, guard) = appender.non_blocking();
    writer.make_writer().write_all(b"queued\n").unwrap();
    assert_eq!(appender.stats().queue, QueuePlace::File);
    guard.shutdown(Duration::from_secs(10)).unwrap();
    let family = Family::of(&log).unwrap();
    let files: Vec<_> = family
        .archives
        .iter()
        .chain(&family.variants)
        .chain(&family.primary)
        .collect();
    let found: Vec<String> = files.iter().flat_map(|file| lines(file)).collect();
    assert_eq!(found.len(), 12, "{found:?}");
    assert_eq!(
        fs::read_dir(scratch.dir.path()).unwrap().count(),
        files.len()
    );
}

/// Two appenders of one process on one file share its lock, so neither takes the other for a stranger.
#[test]
fn one_file_spelled_in_many_ways_is_one_log() {
    let scratch = scratch();
    let dir = scratch.dir.path();
    fs::create_dir(dir.join("logs")).unwrap();
    std::os::unix::fs::symlink("logs", dir.join("link")).unwrap();
    let spellings = [
        "logs/app.log",
        "logs/../logs/app.log",
        "./logs//app.log",
        "link/app.log",
        "link/../logs/./app.log",
    ];
    let appenders: Vec<_> = spellings
        .iter()
        .map(|spelling| {
            FileAppender::builder()
                .lock_wait(Duration::ZERO)
                .build(dir.join(spelling))
                .unwrap()
        })
        .collect();
    std::thread::scope(|scope| {
        for appender in &appenders {
            scope.spawn(move || (0..500).for_each(|n| write(appender, &n.to_string())));
        }
    });
    for appender in &appenders {
        assert_eq!(appender.stats().switches, 0);
    }
    assert_eq!(
        lines(&dir.join("logs/app.log")).len(),
        spellings.len() * 500
    );
}
