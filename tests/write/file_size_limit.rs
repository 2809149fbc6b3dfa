//! A limit on the size of files (`RLIMIT_FSIZE`), at which the system would end the process.

#![cfg(target_os = "linux")]

use crate::common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use common::{
    arguments, child_command, family, family_lines, hold, lines, scratch, trace, wrapped, write,
    Child,
};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::fmt::MakeWriter;

/// SIGXFSZ ends a process that writes beyond its limit, unless the process ignores it.
#[test]
fn a_limit_on_the_size_of_files_ends_no_process() {
    for script in [
        "ulimit -f 20; exec \"$@\"",
        "trap '' XFSZ; ulimit -f 20; exec \"$@\"",
    ] {
        let scratch = scratch();
        let child = child_command(
            "file_size_limit::fills_files",
            &[scratch.log.to_str().unwrap()],
        );
        // The shell's blocks have 512 bytes or 1 KiB.
        let mut command = wrapped(&["sh", "-c", script, "sh"], &child);
        // Notices go to stderr here, which has reached the limit as well.
        let stderr = scratch.path("stderr");
        fs::write(&stderr, "x".repeat(30_000)).unwrap();
        command.stderr(fs::File::options().append(true).open(&stderr).unwrap());
        Child::from_command(&mut command).end();
        let expected: Vec<_> = (0..20)
            .map(|n| format!("{n} {}", "x".repeat(3_000)))
            .collect();
        assert_eq!(family_lines(&scratch.log), expected);
        assert!(family(&scratch.log).unwrap().len() > 2);
    }
}

#[test]
#[ignore = "a child of another one"]
fn fills_files() {
    let Some(arguments) = arguments() else { return };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    for n in 0..20 {
        let record = format!("{n} {}\n", "x".repeat(3_000));
        appender.make_writer().write_all(record.as_bytes()).unwrap();
    }
    assert_eq!(appender.stats().pending, 0);
}

#[test]
fn a_limit_that_the_process_lowers_itself_does_not_end_it() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    Child::start("file_size_limit::lowers_its_limit", &[log]).end();
    let lengths = |log: &Path| -> Vec<u64> {
        let files = family(log).unwrap();
        files
            .iter()
            .map(|file| file.metadata().unwrap().len())
            .collect()
    };
    assert_eq!(lengths(&scratch.log), [2_000, 1_000, 100]);
    assert_eq!(lengths(&scratch.path("flushed.log")), [1_000, 100]);
}

/// The piece stays, and the limit is where its newline would go.
#[test]
fn a_lowered_limit_does_not_end_a_process_that_has_no_locks() {
    let scratch = scratch();
    let trace = scratch.path("trace");
    let log = scratch.log.to_str().unwrap();
    let options = ["-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"];
    let name = "file_size_limit::lowers_its_limit";
    let Some(child) = trace::start(name, &[log], &trace, &options) else {
        return;
    };
    child.end();
    let primary = fs::read(&scratch.log).unwrap();
    assert_eq!(primary.len(), 2_500);
    assert_eq!(lines(&scratch.variant(1)), ["x".repeat(999)]);
}

#[test]
#[ignore = "a child of the others"]
fn lowers_its_limit() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let before = getrlimit(Resource::Fsize);
    let limit = |bytes| {
        let limit = Rlimit {
            current: Some(bytes),
            ..before
        };
        setrlimit(Resource::Fsize, limit).unwrap();
    };
    let record = "x".repeat(999);
    let appender = FileAppender::new(log).unwrap();
    write(&appender, &record);
    // In the middle of the third record.
    limit(2_500);
    (0..2).for_each(|_| write(&appender, &record));
    assert_eq!(appender.stats().switches, 1);
    // Less than the file has.
    limit(500);
    write(&appender, &"y".repeat(99));
    assert_eq!(appender.stats().switches, 2);

    setrlimit(Resource::Fsize, before).unwrap();
    let appender = FileAppender::new(log.with_file_name("flushed.log")).unwrap();
    write(&appender, &record);
    limit(500);
    appender.flush(Duration::ZERO).unwrap();
    write(&appender, &"y".repeat(99));
    assert_eq!(appender.stats().switches, 1);
}

#[test]
fn a_record_larger_than_any_file_may_be_is_noted_and_holds_up_no_other() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let stderr = scratch.path("stderr");
    let mut child = child_command("file_size_limit::writes_more_than_its_limit", &[log]);
    child.stderr(fs::File::create(&stderr).unwrap());
    Child::from_command(&mut child).end();
    let of_queue = scratch.path("queue.log");
    for log in [&scratch.log, &of_queue] {
        let found = lines(log);
        let (first, gap, last) = (&found[0], &found[1], &found[2..]);
        assert_eq!(first, "first");
        assert!(
            gap.ends_with("a file may not get that large missing=1"),
            "{gap}"
        );
        assert_eq!(last, ["second", "third"]);
    }
    let reports = fs::read_to_string(&stderr).unwrap();
    assert_eq!(reports.matches(" dropped=1 ").count(), 2, "{reports}");
    let batches = scratch.path("batches.log");
    let found: Vec<_> = family_lines(&batches).iter().map(String::len).collect();
    assert_eq!(found, [4_000; 3]);
    let together = family_lines(&scratch.path("together.log"));
    let records = together.iter().filter(|line| line.len() == 1_000);
    assert_eq!(records.count(), 9);
    assert_eq!(fs::read_dir(scratch.dir.path()).unwrap().count(), 10);
}

#[test]
#[ignore = "a child of another one"]
fn writes_more_than_its_limit() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let before = getrlimit(Resource::Fsize);
    let limit = |bytes| Rlimit {
        current: Some(bytes),
        ..before
    };
    setrlimit(Resource::Fsize, limit(10_000)).unwrap();
    let appender = FileAppender::new(log).unwrap();
    let long = "x".repeat(20_000);
    write(&appender, "first");
    write(&appender, &long);
    assert_eq!(family(log).unwrap().len(), 1, "no empty files");
    write(&appender, "second");
    write(&appender, "third");
    appender.flush(Duration::from_secs(10)).unwrap();
    let stats = appender.stats();
    assert_eq!((stats.written, stats.dropped, stats.pending), (3, 1, 0));
    drop(appender);

    // In a file no larger than a file may be, and on the heap.
    let of_queue = FileAppender::new(log.with_file_name("queue.log")).unwrap();
    let (writer, guard) = of_queue.non_blocking();
    for record in ["first", &long, "second", "third"] {
        writeln!(writer.make_writer(), "{record}").unwrap();
    }
    guard.shutdown(Duration::from_secs(10)).unwrap();
    let stats = of_queue.stats();
    assert_eq!((stats.written, stats.dropped, stats.pending), (3, 1, 0));
    drop(of_queue);

    // What waits is larger with the header of a new file, but no record of it.
    let together = log.with_file_name("together.log");
    let appender = FileAppender::builder()
        .max_variants(4)
        .header(|| "h".repeat(6_000))
        .build(&together)
        .unwrap();
    let variants = (1..=4).map(|n| log.with_file_name(format!("together.00{n}.log")));
    let held: Vec<_> = variants
        .chain([together.clone()])
        .map(|file| hold(&file))
        .collect();
    (0..9).for_each(|_| write(&appender, &"z".repeat(1_000)));
    assert_eq!(appender.stats().pending, 9);
    drop(held);
    appender.flush(Duration::from_secs(10)).unwrap();
    assert_eq!(appender.stats().dropped, 0);

    // What waits is written in batches, but none larger than a file may be.
    let log = log.with_file_name("batches.log");
    let appender = FileAppender::builder().max_variants(1).build(&log).unwrap();
    let held = [&log, &log.with_file_name("batches.001.log")].map(|file| hold(file));
    (0..3).for_each(|_| write(&appender, &"z".repeat(4_000)));
    assert_eq!(appender.stats().pending, 3);
    drop(held);
    appender.flush(Duration::from_secs(10)).unwrap();
}
