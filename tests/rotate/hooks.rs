//! `on_rotate`: a call for each rotation and each compression.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{mpsc, Arc, Mutex};
use std::time::Duration;

use crate::common;
use crate::common::{
    all_files, archives, arguments, lines, rotating, say, scratch, wait_until, write, Child,
};
use crate::rotation::least_rotations;
use tracing_fallback_file::{FileAppender, Rotated};

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
            // On a slow machine seven others may have the lock for longer than the wait.
            wait_until(|| match appender.rotate() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => false,
                rotated => rotated.map(|_| true).unwrap(),
            });
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
    assert!(names.len() >= least_rotations(&scratch.log, 20_000));
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
