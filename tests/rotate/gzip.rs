//! Archives that are compressed, and what is left when that is cut short.

#![cfg(feature = "gzip")]

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use common::{
    arguments, contents, hold, left, lines, rotating, say, scratch, set_modified, wait_until,
    Child, Scratch,
};
use tracing_fallback_file::{Family, FileAppender};

#[cfg(unix)]
mod unix;

const HOUR: Duration = Duration::from_secs(3_600);

/// The names of archives, oldest first.
const ARCHIVES: [&str; 3] = [
    "app.2020-01-01T00-00-00Z.log",
    "app.001.2020-01-02T00-00-00Z.2.log",
    "app.2020-01-03T00-00-00Z.log",
];

fn compressed(archive: &Path) -> PathBuf {
    let name = archive.to_str().unwrap();
    PathBuf::from(format!("{name}.gz"))
}

fn unfinished(archive: &Path) -> PathBuf {
    let name = archive.to_str().unwrap();
    PathBuf::from(format!("{name}.gz.tmp"))
}

fn modified(file: &Path) -> SystemTime {
    file.metadata().unwrap().modified().unwrap()
}

/// The archives, old enough to be compressed in a moment.
fn archives(scratch: &Scratch) -> [PathBuf; 3] {
    let archives = ARCHIVES.map(|name| scratch.path(name));
    archives.iter().for_each(|archive| left(archive, HOUR));
    archives
}

fn compressing(log: &Path) -> FileAppender {
    common::compressing(rotating(1_000_000)).build(log).unwrap()
}

#[test]
fn all_archives_but_the_newest_are_compressed_and_keep_their_time() {
    let scratch = scratch();
    let [first, second, newest] = archives(&scratch);
    left(&scratch.variant(1), HOUR);
    let before = modified(&first);
    let _appender = compressing(&scratch.log);
    let expected = [compressed(&first), compressed(&second), newest.clone()];
    wait_until(|| Family::of(&scratch.log).unwrap().archives == expected);
    wait_until(|| !first.exists() && !second.exists());
    for file in expected {
        assert_eq!(lines(&file), ["old"], "{}", file.display());
    }
    assert_eq!(modified(&compressed(&first)), before);
    let count = fs::read_dir(scratch.dir.path()).unwrap().count();
    assert_eq!(count, 4, "nothing else");
}

#[test]
fn what_is_rotated_while_it_runs_is_compressed_when_nobody_can_write_to_it() {
    common::within_attempts(10, || {
        let scratch = scratch();
        let appender = common::compressing(rotating(100));
        let appender = appender.build(&scratch.log).unwrap();
        let began = Instant::now();
        for n in 0..10 {
            common::write(&appender, &format!("{n:0>99}"));
        }
        let plain = || {
            let mut archives = Family::of(&scratch.log).unwrap().archives;
            archives.retain(|archive| archive.extension() == Some("log".as_ref()));
            archives.len()
        };
        let found = plain();
        if began.elapsed() >= Duration::from_secs(2) {
            return Err("the two seconds are over".to_owned());
        }
        // Windows says whether another handle of an archive is open.
        if !cfg!(windows) {
            assert_eq!(found, 9, "nobody can be sure of them yet");
        }
        wait_until(|| plain() == 1);
        let all: Vec<String> = common::all_files(&scratch.log)
            .iter()
            .flat_map(|file| lines(file))
            .collect();
        let expected: Vec<_> = (0..10).map(|n| format!("{n:0>99}")).collect();
        assert_eq!(all, expected);
        Ok(())
    });
}

#[test]
fn by_default_nothing_is_compressed() {
    let scratch = scratch();
    for name in ARCHIVES {
        left(&scratch.path(name), HOUR);
    }
    let _appender = rotating(100).max_files(100).build(&scratch.log).unwrap();
    // Another log, whose thread is done when its archives are.
    fs::create_dir(scratch.path("other")).unwrap();
    for name in ARCHIVES {
        left(&scratch.path("other").join(name), HOUR);
    }
    let _other = compressing(&scratch.path("other/app.log"));
    wait_until(|| !scratch.path("other").join(ARCHIVES[1]).exists());
    for name in ARCHIVES {
        assert_eq!(lines(&scratch.path(name)), ["old"]);
    }
}

#[test]
fn without_rotation_what_others_or_a_request_make_an_archive_is_compressed_too() {
    let scratch = scratch();
    let [first, second, third] = archives(&scratch);
    let appender = common::compressing(FileAppender::builder());
    let appender = appender.build(&scratch.log).unwrap();
    wait_until(|| !first.exists() && !second.exists());
    assert!(third.exists(), "the newest");

    common::write(&appender, "rotated on request");
    let requested = appender.rotate().unwrap().unwrap();
    wait_until(|| !third.exists());
    assert!(requested.exists(), "the newest");

    common::write(&appender, "rotated by another program");
    let other = scratch.path("app.2100-01-01T00-00-00.000000Z.log");
    fs::rename(&scratch.log, &other).unwrap();
    common::write(&appender, "the appender finds the file gone");
    wait_until(|| !requested.exists());
    assert_eq!(lines(&compressed(&requested)), ["rotated on request"]);
    assert_eq!(lines(&other), ["rotated by another program"], "the newest");
}

#[test]
fn what_somebody_has_locked_is_left_to_him() {
    let scratch = scratch();
    let [locked, free, _] = archives(&scratch);
    let held = hold(&locked);
    let _appender = compressing(&scratch.log);
    wait_until(|| !free.exists());
    drop(held);
    assert_eq!(lines(&locked), ["old"]);
    assert!(!compressed(&locked).exists());
}

/// Lines that take their time to be compressed.
fn many_lines() -> Vec<u8> {
    let mut number = 1_u64;
    let mut lines = Vec::new();
    while lines.len() < 8 << 20 {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        lines.extend_from_slice(format!("{:x}\n", number >> 8).as_bytes());
    }
    lines
}

#[test]
#[ignore = "a child of another one"]
fn compresses() {
    let Some(arguments) = arguments() else { return };
    let _appender = compressing(Path::new(&arguments[0]));
    say("started");
    common::hear();
}

#[test]
fn killed_half_way_it_leaves_the_archive_whole_and_the_next_start_cleans_up() {
    let scratch = scratch();
    let [large, small, _] = archives(&scratch);
    let expected = many_lines();
    fs::write(&large, &expected).unwrap();
    let is_underway = |file: &Path| file.metadata().is_ok_and(|file| file.len() > 1 << 20);
    let mut cut_short = 0;
    for _ in 0..10 {
        // Else the wait would be for the one that the last child has left.
        let _ = fs::remove_file(unfinished(&large));
        let mut child = Child::start("gzip::compresses", &[scratch.log.to_str().unwrap()]);
        child.expect("started");
        wait_until(|| is_underway(&unfinished(&large)) || !large.exists());
        child.kill();
        if compressed(&large).exists() {
            // Too late, on a busy machine.
            fs::remove_file(compressed(&large)).unwrap();
            fs::write(&large, &expected).unwrap();
            continue;
        }
        assert!(unfinished(&large).exists());
        assert!(contents(&large) == expected);
        let archives = Family::of(&scratch.log).unwrap().archives;
        assert!(archives.contains(&large) && archives.len() == 3);
        cut_short += 1;
        if cut_short == 3 {
            break;
        }
    }
    assert!(cut_short > 0);
    // One whose archive has gone since, as retention might have removed it, and strangers.
    let orphan = unfinished(&scratch.path("app.2019-01-01T00-00-00Z.log"));
    let strangers = [
        "app.log.gz.tmp",
        "app.2019-01-01T00-00-00Z.log.tmp",
        "b.gz.tmp",
    ];
    let strangers = strangers.map(|name| scratch.path(name));
    for file in strangers.iter().chain([&orphan]) {
        left(file, HOUR);
    }
    let _appender = compressing(&scratch.log);
    wait_until(|| !large.exists() && !small.exists());
    assert!(contents(&compressed(&large)) == expected);
    assert!(!unfinished(&large).exists() && !orphan.exists());
    for stranger in strangers {
        assert_eq!(lines(&stranger), ["old"]);
    }
}

#[test]
fn killed_just_before_the_archive_goes_it_is_listed_once_and_compressed_again() {
    let scratch = scratch();
    let [archive, ..] = archives(&scratch);
    let copy = compressed(&archive);
    fs::write(&copy, common::gzip("of the one that was killed\n")).unwrap();
    set_modified(&copy, modified(&archive));
    assert_eq!(Family::of(&scratch.log).unwrap().archives.len(), 3);
    let _appender = compressing(&scratch.log);
    wait_until(|| !archive.exists());
    assert_eq!(lines(&compressed(&archive)), ["old"]);
}

#[test]
fn both_of_an_archive_that_is_there_twice_go() {
    let scratch = scratch();
    let [archive, ..] = archives(&scratch);
    let copy = compressed(&archive);
    fs::write(&copy, common::gzip("old\n")).unwrap();
    set_modified(&copy, modified(&archive));
    let builder = FileAppender::builder().max_files(2);
    let _appender = builder.build(&scratch.log).unwrap();
    wait_until(|| !archive.exists());
    assert!(!copy.exists());
}

/// A log called `app.gz` has archives with the names of compressed ones of a log `app`, and on a disk
/// with coarse times they may have the same time as well.
#[test]
fn another_file_of_that_name_stays_and_so_does_the_archive() {
    let scratch = scratch();
    let [archive, next, _] = archives(&scratch);
    fs::write(compressed(&archive), "precious").unwrap();
    set_modified(&compressed(&archive), modified(&archive));
    let _appender = compressing(&scratch.log);
    wait_until(|| !next.exists());
    assert_eq!(fs::read(compressed(&archive)).unwrap(), b"precious");
    assert_eq!(lines(&archive), ["old"]);
    assert!(!unfinished(&archive).exists());
}

#[test]
fn whoever_lists_them_meanwhile_misses_none() {
    let scratch = scratch();
    let archives: Vec<_> = (0..3_000)
        .map(|n| {
            scratch.path(&format!(
                "app.2020-01-01T{:02}-{:02}-{:02}Z.log",
                n / 3_600,
                n / 60 % 60,
                n % 60
            ))
        })
        .collect();
    archives
        .iter()
        .for_each(|archive| fs::write(archive, "x").unwrap());
    let log = scratch.log.clone();
    let lister = std::thread::spawn(move || {
        let mut listings = 0;
        loop {
            let found = Family::of(&log).unwrap().archives;
            assert_eq!(found.len(), 3_000, "after {listings}");
            listings += 1;
            if found
                .iter()
                .all(|file| file.extension() == Some("gz".as_ref()))
            {
                return listings;
            }
        }
    });
    for archive in &archives {
        fs::rename(archive, compressed(archive)).unwrap();
    }
    lister.join().unwrap();
}

#[test]
fn compressed_archives_count_and_go() {
    let scratch = scratch();
    for (n, name) in (1..).zip(ARCHIVES) {
        left(&scratch.path(name), HOUR / n);
    }
    let appender = compressing(&scratch.log);
    let is_compressed = |name| compressed(&scratch.path(name)).exists();
    wait_until(|| is_compressed(ARCHIVES[0]) && is_compressed(ARCHIVES[1]));
    drop(appender);
    // Without rotation and compression too.
    let _appender = FileAppender::builder()
        .max_files(2)
        .build(&scratch.log)
        .unwrap();
    wait_until(|| Family::of(&scratch.log).unwrap().archives.len() == 2);
    assert!(!is_compressed(ARCHIVES[0]) && is_compressed(ARCHIVES[1]));
}
