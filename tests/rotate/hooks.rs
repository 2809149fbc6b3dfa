//! What a program has done at a rotation: on request, at its start, with a header, with a call.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{mpsc, Arc, Mutex};
use std::time::Duration;

use crate::common;
use crate::common::{
    all_files, arguments, hold, lines, rotating, say, scratch, wait_until, write, Child,
};
use tracing_fallback_file::{Family, FileAppender, Rotated};

fn archives(log: &Path) -> Vec<PathBuf> {
    Family::of(log).unwrap().archives
}

#[test]
fn a_rotation_on_request_renames_what_has_something_in_it() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    assert_eq!(appender.rotate().unwrap(), None, "there is no file");
    fs::write(&scratch.log, "").unwrap();
    assert_eq!(appender.rotate().unwrap(), None, "it is empty");
    write(&appender, "one");
    let archive = appender.rotate().unwrap().unwrap();
    assert_eq!(
        archives(&scratch.log).as_slice(),
        std::slice::from_ref(&archive)
    );
    assert_eq!(lines(&archive), ["one"]);
    assert!(!scratch.log.exists());
    write(&appender, "two");
    assert_eq!(lines(&scratch.log), ["two"]);
    assert_eq!(appender.stats().rotations, 1);
}

#[test]
fn a_rotation_on_request_waits_for_the_lock_as_a_record_does() {
    let scratch = scratch();
    let appender = common::with_lock_wait(&scratch.log, Duration::from_millis(1));
    write(&appender, "one");
    let held = hold(&scratch.log);
    let error = appender.rotate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!(lines(&scratch.log), ["one"]);
    drop(held);
    assert!(appender.rotate().unwrap().is_some());
}

#[test]
fn a_record_does_not_wait_again_for_a_lock_that_a_rotation_on_request_has_waited_for() {
    common::within_attempts(10, || {
        let scratch = scratch();
        let appender = FileAppender::builder()
            .lock_wait(Duration::from_millis(500))
            .build(&scratch.log)
            .unwrap();
        let _held = hold(&scratch.log);
        std::thread::scope(|scope| {
            scope.spawn(|| appender.rotate().unwrap_err());
            // Enough for it to be at its wait, on a machine that is free.
            std::thread::sleep(Duration::from_millis(50));
            write(&appender, "one");
        });
        let stats = appender.stats();
        assert_eq!((stats.written, stats.switches), (1, 1));
        // Those of the rotation do not count.
        match stats.lock_retries {
            0 => Ok(()),
            retries => Err(format!("{retries} tries")),
        }
    });
}

#[test]
fn a_rotation_on_request_is_one_of_the_variant_that_is_written_to() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    let held = hold(&scratch.log);
    write(&appender, "two");
    let archive = appender.rotate().unwrap().unwrap();
    assert_eq!(lines(&archive), ["two"]);
    drop(held);
    assert_eq!(lines(&scratch.log), ["one"]);
    write(&appender, "three");
    assert_eq!(lines(&scratch.variant(1)), ["three"]);
}

#[test]
fn a_start_has_a_log_of_its_own() {
    let scratch = scratch();
    for start in 0..3 {
        let builder = FileAppender::builder().rotate_on_start(true);
        let appender = builder.build(&scratch.log).unwrap();
        for n in 0..3 {
            write(&appender, &format!("start {start} record {n}"));
        }
    }
    let files = all_files(&scratch.log);
    assert_eq!(files.len(), 3);
    for (start, file) in files.iter().enumerate() {
        let expected: Vec<_> = (0..3)
            .map(|n| format!("start {start} record {n}"))
            .collect();
        assert_eq!(lines(file), expected);
    }
}

#[test]
fn a_start_beside_a_foreign_lock_rotates_no_variant_that_it_finds() {
    let scratch = scratch();
    fs::write(scratch.variant(1), "found\n").unwrap();
    let held = hold(&scratch.log);
    let builder = FileAppender::builder().rotate_on_start(true);
    let appender = builder.build(&scratch.log).unwrap();
    write(&appender, "one");
    write(&appender, "two");
    drop(held);
    assert_eq!(lines(&scratch.variant(1)), ["found", "one", "two"]);
    assert!(archives(&scratch.log).is_empty());
}

#[test]
fn every_new_file_begins_with_the_header() {
    let scratch = scratch();
    let made = Arc::new(Mutex::new(0));
    let count = Arc::clone(&made);
    let appender = rotating(100)
        .header(move || {
            let mut made = count.lock().unwrap();
            *made += 1;
            format!("# file {made}")
        })
        .build(&scratch.log)
        .unwrap();
    for n in 0..10 {
        write(&appender, &format!("{n:0>29}"));
    }
    let held = hold(&scratch.log);
    write(&appender, "in a variant");
    drop(held);
    let files = all_files(&scratch.log);
    assert_eq!(files.len(), 5);
    let mut headers: Vec<_> = files.iter().map(|file| lines(file).remove(0)).collect();
    headers.sort();
    assert_eq!(headers, [1, 2, 3, 4, 5].map(|n| format!("# file {n}")));
    assert_eq!(*made.lock().unwrap(), 5);
    assert_eq!(appender.stats().written, 11);
}

#[test]
fn an_empty_file_gets_its_header_and_one_with_records_none() {
    let scratch = scratch();
    let build = || {
        let builder = FileAppender::builder().header(|| "# header\n".into());
        builder.build(&scratch.log).unwrap()
    };
    // A process was killed when it had made the file.
    fs::write(&scratch.log, "").unwrap();
    write(&build(), "one");
    write(&build(), "two");
    assert_eq!(lines(&scratch.log), ["# header", "one", "two"]);
    // What a killed process left of its first write.
    fs::write(&scratch.log, "# hea").unwrap();
    write(&build(), "three");
    assert_eq!(lines(&scratch.log), ["# hea", "three"]);
}

#[test]
fn a_file_emptied_while_the_program_runs_gets_its_header() {
    let scratch = scratch();
    let builder = FileAppender::builder().header(|| "# header".into());
    let appender = builder.build(&scratch.log).unwrap();
    for _ in 0..2 {
        for record in ["one", "two"] {
            write(&appender, record);
        }
        assert_eq!(lines(&scratch.log), ["# header", "one", "two"]);
        fs::write(&scratch.log, "").unwrap();
    }
}

#[test]
fn a_header_that_logs_or_panics_stops_nobody() {
    let scratch = scratch();
    let own: Arc<Mutex<Option<FileAppender>>> = Arc::default();
    let inner = Arc::clone(&own);
    let appender = FileAppender::builder()
        .header(move || {
            if let Some(appender) = &*inner.lock().unwrap() {
                write(appender, "from the header");
            }
            "# header".into()
        })
        .build(&scratch.log)
        .unwrap();
    *own.lock().unwrap() = Some(appender.clone());
    write(&appender, "one");
    appender.flush(Duration::from_secs(10)).unwrap();
    let found = lines(&scratch.log);
    assert_eq!(found[0], "# header");
    assert_eq!(found.len(), 3, "{found:?}");
    *own.lock().unwrap() = None;

    let log = scratch.path("panics.log");
    let builder = FileAppender::builder().header(|| panic!("this panic is part of a test"));
    let appender = builder.build(&log).unwrap();
    write(&appender, "one");
    write(&appender, "two");
    assert_eq!(lines(&log), ["one", "two"]);
}

#[test]
fn a_return_to_a_primary_that_needs_a_header_writes_its_record_once() {
    let scratch = scratch();
    let appender = FileAppender::builder()
        .lock_wait(Duration::ZERO)
        .return_to_primary(Duration::ZERO)
        .header(|| "header".to_owned())
        .build(&scratch.log)
        .unwrap();
    write(&appender, "one");
    let held = hold(&scratch.log);
    write(&appender, "two");
    assert_eq!(lines(&scratch.variant(1)), ["header", "two"]);
    fs::rename(&scratch.log, scratch.path("moved")).unwrap();
    write(&appender, "three");
    drop(held);
    assert_eq!(lines(&scratch.log), ["header", "three"]);
    assert_eq!(lines(&scratch.variant(1)), ["header", "two"]);
    assert_eq!(appender.stats().written, 3);
}

#[test]
fn a_header_costs_a_call_that_meets_a_foreign_lock_no_second_wait() {
    const WAIT: Duration = Duration::from_millis(200);
    let scratch = scratch();
    let held = hold(&scratch.log);
    common::within_attempts(5, || {
        let _ = fs::remove_file(scratch.variant(1));
        let builder = FileAppender::builder()
            .lock_wait(WAIT)
            .header(|| "# header".into());
        let appender = builder.build(&scratch.log).unwrap();
        let timed = common::timely(WAIT + WAIT / 2, || write(&appender, "one"));
        assert_eq!(lines(&scratch.variant(1)), ["# header", "one"]);
        timed
    });
    drop(held);
}

fn recorder() -> (
    impl Fn(&Rotated) + Send + Sync + 'static,
    mpsc::Receiver<Rotated>,
) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let record = move |rotated: &Rotated| sender.lock().unwrap().send(rotated.clone()).unwrap();
    (record, receiver)
}

#[test]
fn each_rotation_is_one_call_and_flush_waits_for_it() {
    let scratch = scratch();
    let (record, calls) = recorder();
    let appender = rotating(100).on_rotate(record).build(&scratch.log).unwrap();
    for n in 0..10 {
        write(&appender, &format!("{n:0>29}"));
    }
    appender.rotate().unwrap().unwrap();
    appender.flush(Duration::from_secs(10)).unwrap();
    let calls: Vec<_> = calls.try_iter().collect();
    let found: Vec<_> = calls.iter().map(|call| call.archive.clone()).collect();
    assert_eq!(found, archives(&scratch.log));
    for call in calls {
        assert_eq!((&call.original, call.compressed), (&scratch.log, false));
    }
}

#[test]
fn no_record_waits_for_a_call_and_the_call_may_log() {
    let scratch = scratch();
    let own: Arc<Mutex<Option<FileAppender>>> = Arc::default();
    let inner = Arc::clone(&own);
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    let appender = FileAppender::builder()
        .on_rotate(move |rotated| {
            goes.lock().unwrap().recv().unwrap();
            if let Some(appender) = &*inner.lock().unwrap() {
                write(appender, &format!("rotated {}", rotated.archive.display()));
                appender.flush(Duration::from_secs(10)).unwrap();
            }
        })
        .build(&scratch.log)
        .unwrap();
    *own.lock().unwrap() = Some(appender.clone());
    write(&appender, "one");
    let archive = appender.rotate().unwrap().unwrap();
    // The call has not returned.
    write(&appender, "two");
    let error = appender.flush(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    go.send(()).unwrap();
    appender.flush(Duration::from_secs(10)).unwrap();
    let rotated = format!("rotated {}", archive.display());
    assert_eq!(lines(&scratch.log), ["two", &rotated]);
    *own.lock().unwrap() = None;
}

#[cfg(feature = "gzip")]
#[test]
fn a_compressed_archive_is_another_call() {
    let scratch = scratch();
    let (record, calls) = recorder();
    let appender = common::compressing(FileAppender::builder())
        .rotate_on_start(true)
        .on_rotate(record)
        .build(&scratch.log)
        .unwrap();
    write(&appender, "one");
    let first = appender.rotate().unwrap().unwrap();
    write(&appender, "two");
    let second = appender.rotate().unwrap().unwrap();
    let call = || calls.recv_timeout(Duration::from_secs(100)).unwrap();
    assert_eq!((call().archive, call().archive), (first.clone(), second));
    let compressed = call();
    assert_eq!(compressed.original, scratch.log);
    assert!(compressed.compressed);
    assert_eq!(lines(&compressed.archive), ["one"]);
    assert_eq!(compressed.archive.with_extension(""), first);
}

/// Wine is slow.
const RECORDS: u32 = if cfg!(windows) { 300 } else { 3_000 };

#[test]
#[ignore = "a child of another one"]
fn writer() {
    let Some(arguments) = arguments() else { return };
    let id = &arguments[1];
    let (record, calls) = recorder();
    let header = format!("# header of {id}");
    let appender = rotating(20_000)
        .rotate_on_start(true)
        .header(move || header.clone())
        .on_rotate(record)
        .build(&arguments[0])
        .unwrap();
    say("ready");
    common::hear();
    for n in 0..RECORDS {
        write(&appender, &format!("{id} {n:0>50}"));
        if n % 500 == 250 {
            appender.rotate().unwrap();
        }
    }
    appender.flush(Duration::from_secs(50)).unwrap();
    for call in calls.try_iter() {
        assert!(!call.compressed);
        say(call.archive.file_name().unwrap().to_str().unwrap());
    }
}

#[test]
fn of_eight_processes_each_archive_has_one_call_and_each_file_one_header() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let mut children: Vec<Child> = (0..8)
        .map(|id| Child::start("hooks::writer", &[log, &id.to_string()]))
        .collect();
    children.iter_mut().for_each(|child| child.expect("ready"));
    children.iter_mut().for_each(|child| child.tell("go"));
    let mut calls: Vec<_> = children.into_iter().flat_map(Child::end).collect();
    calls.sort();
    let mut names: Vec<_> = archives(&scratch.log)
        .iter()
        .map(|archive| archive.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(
        names.len() as u32 > 8 * RECORDS * 53 / 20_000,
        "{}",
        names.len()
    );
    assert_eq!(calls, names);
    let mut records = BTreeMap::new();
    for file in all_files(&scratch.log) {
        let lines = lines(&file);
        assert!(
            lines[0].starts_with("# header of "),
            "{}: {}",
            file.display(),
            lines[0]
        );
        assert!(
            lines.len() > 1,
            "{} has nothing but a header",
            file.display()
        );
        for line in &lines[1..] {
            assert!(!line.starts_with('#'), "{}: {line}", file.display());
            *records.entry(line.clone()).or_insert(0) += 1;
        }
    }
    assert_eq!(records.len() as u32, 8 * RECORDS);
    assert!(records.values().all(|times| *times == 1));
}

/// Writes one record to each of many new files, with the header.
#[test]
#[ignore = "a child of another one"]
fn makes_files() {
    let Some(arguments) = arguments() else { return };
    let appender = FileAppender::builder()
        .header(|| "# header".into())
        .build(&arguments[0])
        .unwrap();
    say("ready");
    loop {
        write(&appender, "record");
        appender.rotate().unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_killed_process_leaves_a_header_and_its_record_or_an_empty_file() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    for round in 0..20 {
        let mut children = [(); 2].map(|()| Child::start("hooks::makes_files", &[log]));
        children.iter_mut().for_each(|child| child.expect("ready"));
        let before = archives(&scratch.log).len();
        wait_until(|| archives(&scratch.log).len() > before + round);
        for child in children {
            child.kill();
        }
        for file in all_files(&scratch.log) {
            let text = fs::read_to_string(&file).unwrap();
            let records = text.strip_prefix("# header\n").unwrap_or_else(|| {
                assert!(text.is_empty(), "{text:?}");
                ""
            });
            assert!(records.lines().all(|line| line == "record"), "{text:?}");
            if file != scratch.log {
                fs::remove_file(file).unwrap();
            }
        }
    }
}

/// A program writes on while the command rotates its log.
#[cfg(feature = "cli")]
#[test]
fn the_command_rotates_what_is_written_to() {
    let scratch = scratch();
    let rotate = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fallback-log"));
        let output = command.arg("--rotate").arg(&scratch.log).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, _, stderr) = rotate();
    assert_eq!(code, Some(2));
    assert!(stderr.contains("there is no such log"), "{stderr}");
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    fs::write(scratch.variant(1), "two\n").unwrap();
    let (code, stdout, stderr) = rotate();
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let mut printed: Vec<_> = stdout.lines().map(|line| lines(Path::new(line))).collect();
    printed.sort();
    assert_eq!(printed, [["one"], ["two"]]);
    assert_eq!(archives(&scratch.log).len(), 2);
    write(&appender, "three");
    assert_eq!(lines(&scratch.log), ["three"]);
    fs::write(&scratch.log, "").unwrap();
    assert_eq!(rotate().0, Some(1), "there is nothing in it");
    fs::write(&scratch.log, "four\n").unwrap();
    let held = hold(&scratch.log);
    let (code, stdout, stderr) = rotate();
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("locked"), "{stderr}");
    drop(held);
}
