//! The header of a new file.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_fallback_file::FileAppender;

use crate::common::{
    self, all_files, archives, arguments, hold, lines, rotating, say, scratch, wait_until, write,
    Child,
};

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
        let mut children = [(); 2].map(|()| Child::start("header::makes_files", &[log]));
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
