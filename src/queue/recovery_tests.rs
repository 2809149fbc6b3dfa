#[path = "read_orphans_tests.rs"]
mod orphans;
#[path = "recovery_spoiled_tests.rs"]
mod spoiled;

use std::fs;
use std::io::Write;
use std::thread;

use super::super::file::QueueFile;
use super::super::format::MIN_SEGMENT;
use super::super::lines::SEGMENT_HEADER;
use super::super::segment::{Memory, Segment};
use super::*;
use crate::sys::Mapping;
use crate::FileAppender;

const LINES: [&str; 3] = ["first\n", "second\n", "third\n"];
const ALL: &str = "first\nsecond\nthird\n";

/// A queue in a file, as its owner has it.
struct Owned {
    file: QueueFile,
    journal: Journal<Mapping>,
    segments: [Segment; 2],
}

impl Owned {
    fn new(log: &Path) -> Owned {
        let new = QueueFile::create(log, log.parent().unwrap(), None, MIN_SEGMENT).unwrap();
        let mut segments = new.segments.map(|map| Segment::new(Memory::Mapped(map)));
        segments[0].open(1);
        for line in LINES {
            assert!(segments[0].append(line.as_bytes(), true));
        }
        Owned {
            file: new.file,
            journal: Journal::new(new.header, 0),
            segments,
        }
    }

    /// Notes that the first bytes of the lines are about to be written to the end of `log`.
    fn note(&mut self, log: &Path, bytes: usize, newline: bool) {
        let file = sys::open(log).unwrap();
        let write = PendingWrite {
            file: &file,
            number: 0,
            offset: file.metadata().unwrap().len(),
            newline,
        };
        let span = Span {
            sequence: 1,
            start: SEGMENT_HEADER as u64,
            end: (SEGMENT_HEADER + bytes) as u64,
        };
        self.journal.note(span, &write).unwrap();
    }

    /// As the end of a process does.
    fn kill(self) -> PathBuf {
        let path = self.file.path().to_owned();
        drop(self);
        // A process that another test is just starting may have a copy of the handle.
        while let Ok(file) = fs::File::options().read(true).write(true).open(&path) {
            if fd_lock::RwLock::new(file).try_write().is_ok() {
                break;
            }
            thread::yield_now();
        }
        path
    }
}

struct Scratch {
    dir: tempfile::TempDir,
    log: PathBuf,
}

fn scratch() -> Scratch {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    Scratch { dir, log }
}

/// A log with `before` in it, and a process that has noted the write of all lines, of which `there`
/// has followed.
fn in_a_write(before: &str, there: &str) -> (Scratch, Owned) {
    let scratch = scratch();
    fs::write(&scratch.log, before).unwrap();
    let mut owned = Owned::new(&scratch.log);
    let newline = !before.ends_with('\n') && !before.is_empty();
    owned.note(&scratch.log, ALL.len(), newline);
    let mut log = fs::OpenOptions::new().append(true).open(&scratch.log);
    log.as_mut().unwrap().write_all(there.as_bytes()).unwrap();
    (scratch, owned)
}

fn killed_in_a_write(before: &str, there: &str) -> Scratch {
    let (scratch, owned) = in_a_write(before, there);
    owned.kill();
    scratch
}

impl Scratch {
    /// Builds an appender, which recovers the queues, and returns what is in the log then.
    fn recovered(&self) -> String {
        FileAppender::new(&self.log).unwrap();
        fs::read_to_string(&self.log).unwrap()
    }

    fn queues(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension() == Some("queue".as_ref()))
            .collect()
    }
}

#[test]
fn a_write_that_was_noted_is_completed_by_what_the_log_says() {
    for (before, there, after) in [
        ("old\n", "", "old\nfirst\nsecond\nthird\n"),
        ("", "", ALL),
        ("old\n", ALL, "old\nfirst\nsecond\nthird\n"),
        ("old\n", "f", "old\nfirst\nsecond\nthird\n"),
        ("old\n", "first\nsec", "old\nfirst\nsecond\nthird\n"),
        (
            "old\n",
            "first\nsecond\nthird",
            "old\nfirst\nsecond\nthird\n",
        ),
        ("old\n", "other\n", "old\nother\nfirst\nsecond\nthird\n"),
        (
            "old\n",
            "first\nother\n",
            "old\nfirst\nother\nsecond\nthird\n",
        ),
        (
            "old\n",
            "first\nsec\nother\n",
            "old\nfirst\nsec\nother\nsecond\nthird\n",
        ),
        (
            "old\n",
            "first\nsecond\nthird\nother\n",
            "old\nfirst\nsecond\nthird\nother\n",
        ),
        ("torn", "", "torn\nfirst\nsecond\nthird\n"),
        ("torn", "\n", "torn\nfirst\nsecond\nthird\n"),
        ("torn", "\nfirst\ns", "torn\nfirst\nsecond\nthird\n"),
        (
            "torn",
            "\nfirst\ns\nother\n",
            "torn\nfirst\ns\nother\nsecond\nthird\n",
        ),
        ("torn", "\nother\n", "torn\nother\nfirst\nsecond\nthird\n"),
        (
            "torn",
            "\nfirst\nsecond\nthird\n",
            "torn\nfirst\nsecond\nthird\n",
        ),
    ] {
        let scratch = killed_in_a_write(before, there);
        assert_eq!(scratch.recovered(), after, "{before:?} {there:?}");
        assert!(scratch.queues().is_empty());
    }
}

#[test]
fn what_was_noted_is_found_under_another_name() {
    for (name, there, rest) in [
        ("app.2026-11-23T07-55-01.123456Z.log", "first\nsec", ALL),
        ("app.2026-11-23T07-55-01.123456Z.log", ALL, ""),
        ("app.log.1", "first\nsec", ALL),
        ("app.log.1", ALL, ""),
    ] {
        let scratch = killed_in_a_write("old\n", there);
        let renamed = scratch.dir.path().join(name);
        fs::rename(&scratch.log, &renamed).unwrap();
        fs::write(&scratch.log, "of a stranger\n").unwrap();
        let log = scratch.recovered();
        assert_eq!(log, format!("of a stranger\n{rest}"), "{name} {there:?}");
        let archived = ALL.strip_suffix(rest).unwrap_or_default();
        let archive = fs::read_to_string(renamed).unwrap();
        assert_eq!(archive, format!("old\n{archived}"));
    }
}

#[test]
fn the_last_lines_of_a_killed_process_stay_in_the_log_that_it_wrote() {
    let scratch = scratch();
    fs::write(&scratch.log, "old\n").unwrap();
    Owned::new(&scratch.log).kill();
    let builder = FileAppender::builder().rotate_on_start(true);
    let appender = builder.build(&scratch.log).unwrap();
    appender.writer().write_all(b"new\n").unwrap();
    assert_eq!(fs::read_to_string(&scratch.log).unwrap(), "new\n");
    let archives = crate::Family::of(&scratch.log).unwrap().archives;
    let archive = fs::read_to_string(&archives[0]).unwrap();
    assert_eq!(archive, format!("old\n{ALL}"));
}

#[cfg(feature = "gzip")]
#[test]
fn what_was_noted_is_found_in_a_compressed_archive() {
    for (there, rest) in [(ALL, ""), ("first\nother\n", "second\nthird\n"), ("", ALL)] {
        let scratch = killed_in_a_write("old\n", there);
        let archive = scratch
            .dir
            .path()
            .join("app.2026-11-23T07-55-01.123456Z.log.gz");
        let file = fs::File::create(archive).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, Default::default());
        encoder.write_all(&fs::read(&scratch.log).unwrap()).unwrap();
        encoder.finish().unwrap();
        // It is not removed, as some systems would give its number to the new file.
        fs::create_dir(scratch.dir.path().join("removed")).unwrap();
        fs::rename(&scratch.log, scratch.dir.path().join("removed/app.log")).unwrap();
        fs::write(&scratch.log, "new\n").unwrap();
        let found = scratch.recovered();
        assert_eq!(found, format!("new\n{rest}"), "{there:?}");
    }
}

#[test]
fn what_is_done_is_not_written_again_and_what_follows_is() {
    let scratch = scratch();
    fs::write(&scratch.log, "first\nsecond\n").unwrap();
    let mut owned = Owned::new(&scratch.log);
    owned.note(&scratch.log, 13, false);
    owned.journal.done().unwrap();
    owned.segments[1].open(2);
    assert!(owned.segments[1].append(b"fourth\n", true));
    owned.kill();
    let found = scratch.recovered();
    assert_eq!(found, "first\nsecond\nthird\nfourth\n");
}

/// A recoverer is killed between the two segments; it takes none out of use.
#[test]
fn a_segment_before_the_last_write_is_done() {
    let scratch = scratch();
    fs::write(&scratch.log, ALL).unwrap();
    let mut owned = Owned::new(&scratch.log);
    owned.segments[1].open(2);
    assert!(owned.segments[1].append(b"fourth\n", true));
    let start = Span::up_to(2, Cursor::START);
    owned.journal.settle(start).unwrap();
    owned.kill();
    let found = scratch.recovered();
    assert_eq!(found, format!("{ALL}fourth\n"));
}

#[test]
fn a_file_that_is_gone_has_nothing() {
    let scratch = killed_in_a_write("old\n", ALL);
    fs::remove_file(&scratch.log).unwrap();
    assert_eq!(scratch.recovered(), ALL);
}

/// The first recoverer gets as far as the lock lets it.
#[test]
fn a_recovery_that_has_to_wait_goes_on_where_it_was() {
    for there in ["", "first\nsec", "first\nother\n"] {
        let scratch = killed_in_a_write("old\n", there);
        let mut holder = fd_lock::RwLock::new(fs::File::open(&scratch.log).unwrap());
        let held = holder.write().unwrap();
        let builder = FileAppender::builder()
            .max_variants(0)
            .lock_wait(Duration::ZERO);
        let appender = builder.build(&scratch.log).unwrap();
        let recovery = Recovery::new(appender.sink());
        // Now and then the thread that `build` has started has it.
        for _ in 0..3 {
            while recovery.run_all(appender.sink()) != Outcome::Postponed {
                thread::yield_now();
            }
        }
        assert_eq!(scratch.queues().len(), 1);
        drop(held);
        while !scratch.queues().is_empty() {
            recovery.run_all(appender.sink());
            thread::yield_now();
        }
        let found = fs::read_to_string(&scratch.log).unwrap();
        let expected = match there {
            "first\nother\n" => "old\nfirst\nother\nsecond\nthird\n".to_owned(),
            _ => format!("old\n{ALL}"),
        };
        assert_eq!(found, expected, "{there:?}");
    }
}

#[test]
fn a_queue_in_use_is_left_alone() {
    let scratch = scratch();
    let owned = Owned::new(&scratch.log);
    FileAppender::new(&scratch.log).unwrap();
    assert!(!scratch.log.exists() && owned.file.path().exists());
    owned.kill();
    assert_eq!(scratch.recovered(), ALL);
}

#[test]
fn a_thousand_orphans_are_recovered_at_once() {
    let scratch = scratch();
    for _ in 0..1_000 {
        Owned::new(&scratch.log).kill();
    }
    assert_eq!(scratch.recovered(), ALL.repeat(1_000));
    assert!(scratch.queues().is_empty());
}
