//! Records of one process: whole, in order, by clones, threads and several appenders.

use crate::common;

use std::fs;
use std::io::Write;
use std::thread;
use std::time::Duration;

use common::{assert_each_once, child_command, family, hold, lines, scratch, write, Child};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::fmt::MakeWriter;

#[test]
fn the_first_record_makes_the_file() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    assert!(
        family(&scratch.log).unwrap().is_empty(),
        "building leaves nothing behind"
    );
    assert_eq!(fs::read_dir(scratch.dir.path()).unwrap().count(), 0);
    write(&appender, "one");
    write(&appender, "two");
    assert_eq!(lines(&scratch.log), ["one", "two"]);
    let stats = appender.stats();
    assert_eq!(
        (stats.written, stats.commits, stats.switches, stats.pending),
        (2, 2, 0, 0)
    );
}

#[test]
fn records_are_appended_to_what_is_there() {
    let scratch = scratch();
    fs::write(&scratch.log, "old\n").unwrap();
    write(&FileAppender::new(&scratch.log).unwrap(), "new");
    assert_eq!(lines(&scratch.log), ["old", "new"]);
}

#[test]
fn five_threads_with_a_clone_each_lose_nothing() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    thread::scope(|scope| {
        for writer in 0..5 {
            let appender = appender.clone();
            scope.spawn(move || {
                (0..10).for_each(|n| write(&appender, &format!("{writer} {n}")));
            });
        }
    });
    let expected = (0..5).flat_map(|writer| (0..10).map(move |n| format!("{writer} {n}")));
    assert_each_once(&scratch.log, expected);
    assert_eq!(lines(&scratch.log).len(), 50);
}

#[test]
fn three_appenders_on_one_path_share_it() {
    let scratch = scratch();
    thread::scope(|scope| {
        for writer in 0..3 {
            let appender = common::with_lock_wait(&scratch.log, Duration::ZERO);
            scope.spawn(move || {
                (0..500).for_each(|n| write(&appender, &format!("{writer} {n}")));
            });
        }
    });
    let expected = (0..3).flat_map(|writer| (0..500).map(move |n| format!("{writer} {n}")));
    assert_each_once(&scratch.log, expected);
    assert_eq!(
        lines(&scratch.log).len(),
        1500,
        "no switch, though none of them waits"
    );
}

#[cfg(unix)]
#[test]
fn threads_that_spell_the_path_differently_do_not_escalate_each_other() {
    let scratch = scratch();
    fs::create_dir(scratch.path("real")).unwrap();
    std::os::unix::fs::symlink("real", scratch.path("link")).unwrap();
    // As a relative path from wherever the tests run.
    let here = std::env::current_dir().unwrap();
    let up: std::path::PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = up.join(scratch.path("real/app.log").strip_prefix("/").unwrap());
    assert!(relative.is_relative());
    let appenders = [relative, scratch.path("link/app.log")]
        .map(|path| common::with_lock_wait(path, Duration::ZERO));
    thread::scope(|scope| {
        for writer in 0..4 {
            let appender = &appenders[writer % 2];
            scope.spawn(move || {
                (0..20_000).for_each(|n| write(appender, &format!("{writer} {n}")));
            });
        }
    });
    let log = scratch.path("real/app.log");
    assert_eq!(family(&log).unwrap(), [&*log]);
    let expected = (0..4).flat_map(|writer| (0..20_000).map(move |n| format!("{writer} {n}")));
    assert_each_once(&log, expected);
}

#[test]
fn a_record_is_what_stands_between_the_guard_and_its_newline() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    // `write!` with arguments makes a `write` call of each piece.
    let [one, two] = [1, 2].map(std::hint::black_box);
    writeln!(appender.make_writer(), "{one} and {two}").unwrap();
    assert_eq!(appender.stats().commits, 1);
    write!(appender.make_writer(), "no newline after {one}").unwrap();
    {
        let mut guard = appender.make_writer();
        writeln!(guard, "first {one}").unwrap();
        assert_eq!(appender.stats().commits, 3, "committed at its newline");
        write!(guard, "second").unwrap();
        guard.flush().unwrap();
        assert_eq!(appender.stats().commits, 3, "flush does not split a record");
        assert_eq!(guard.write(b"").unwrap(), 0);
        writeln!(guard).unwrap();
    }
    drop(appender.make_writer());
    assert_eq!(appender.make_writer().write(b"").unwrap(), 0);
    write(&appender, "pretty\n  with\n    more lines");
    assert_eq!(appender.stats().commits, 5);
    assert_eq!(appender.stats().written, 5);
    assert_eq!(
        fs::read_to_string(&scratch.log).unwrap(),
        "1 and 2\nno newline after 1\nfirst 1\nsecond\npretty\n  with\n    more lines\n"
    );
}

#[test]
fn a_large_record_is_one_commit() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let record = "x".repeat(10 * 1024 * 1024);
    assert_eq!(
        appender
            .make_writer()
            .write(format!("{record}\n").as_bytes())
            .unwrap(),
        record.len() + 1
    );
    assert_eq!(lines(&scratch.log), [record]);
    assert_eq!(appender.stats().commits, 1);
}

#[test]
fn a_later_chdir_changes_nothing() {
    let scratch = scratch();
    let mut command = child_command("appender::logs_before_and_after_a_chdir", &["sub/app.log"]);
    Child::from_command(command.current_dir(scratch.dir.path())).end();
    assert_eq!(lines(&scratch.path("sub/app.log")), ["one", "two"]);
}

#[test]
#[ignore = "a child of the others"]
fn logs_before_and_after_a_chdir() {
    let Some(arguments) = common::arguments() else {
        return;
    };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    assert!(appender.path().is_absolute());
    write(&appender, "one");
    std::env::set_current_dir(std::env::temp_dir()).unwrap();
    write(&appender, "two");
}

#[test]
fn clones_share_everything_and_debug_tells_it() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let clone = appender.clone();
    let _held = hold(&scratch.log);
    write(&appender, "one");
    assert_eq!(clone.current_path(), scratch.variant(1));
    assert_eq!(clone.stats(), appender.stats());
    let debug = format!(
        "{clone:?} {:?} {:?}",
        clone.make_writer(),
        clone.batch_writer()
    );
    assert!(
        debug.contains("app.001.log") && debug.contains("switches: 1"),
        "{debug}"
    );
}

#[test]
fn appenders_are_send_and_sync() {
    fn check<T: Clone + std::fmt::Debug + Send + Sync + 'static>() {}
    check::<FileAppender>();
    fn sends<T: Send + 'static>() {}
    sends::<tracing_fallback_file::BatchWriter>();
}
