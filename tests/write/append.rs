//! What a file holds after a write that was cut off, and what is forced onto the disk.

#![cfg(target_os = "linux")]

use crate::common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{
    arguments, as_nobody, child_command, family, family_lines, hear, hold, lines, say, scratch,
    trace, wrapped, write, Child, SmallDisk,
};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use tracing_fallback_file::{FileAppender, SyncPolicy};
use tracing_subscriber::fmt::MakeWriter;

/// SIGXFSZ ends a process that writes beyond its limit, unless the process ignores it.
#[test]
fn a_limit_on_the_size_of_files_ends_no_process() {
    for script in [
        "ulimit -f 20; exec \"$@\"",
        "trap '' XFSZ; ulimit -f 20; exec \"$@\"",
    ] {
        let scratch = scratch();
        let child = child_command("append::fills_files", &[scratch.log.to_str().unwrap()]);
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
    Child::start("append::lowers_its_limit", &[log]).end();
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
    let name = "append::lowers_its_limit";
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
    let mut child = child_command("append::writes_more_than_its_limit", &[log]);
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

/// Truncating would take what others have written meanwhile.
#[test]
fn without_a_lock_nothing_is_cut_off() {
    let test = "without_a_lock_nothing_is_cut_off";
    let Some(disk) = SmallDisk::mount(test, 64) else {
        return;
    };
    let scratch = scratch();
    let trace = scratch.path("trace");
    let log = disk.0.log.to_str().unwrap();
    let options = [
        "-e",
        "trace=ftruncate,flock",
        "-e",
        "inject=flock:error=ENOLCK",
    ];
    let Some(child) = trace::start("append::fills_the_disk", &[log], &trace, &options) else {
        return;
    };
    child.end();
    let calls = fs::read_to_string(&trace).unwrap();
    assert!(
        calls.contains("ENOLCK") && !calls.contains("ftruncate"),
        "{calls}"
    );
    assert_pieces_end(&disk.0.log);
}

/// Of a file that only grows (`chattr +a`) nothing can be cut off.
#[test]
fn what_can_t_be_cut_off_gets_a_line_of_its_own() {
    let test = "what_can_t_be_cut_off_gets_a_line_of_its_own";
    let Some(disk) = SmallDisk::mount(test, 64) else {
        return;
    };
    fs::write(&disk.0.log, "").unwrap();
    let attribute = |change| {
        let status = Command::new("chattr").arg(change).arg(&disk.0.log).status();
        status.is_ok_and(|status| status.success())
    };
    if !attribute("+a") {
        eprintln!("SKIPPED {test}: there is no such attribute here");
        return;
    }
    Child::run("append::fills_the_disk", &disk.0.log);
    assert!(attribute("-a"));
    assert_pieces_end(&disk.0.log);
}

/// Every record that `fills_the_disk` has written is there once, and a piece has its own line.
fn assert_pieces_end(log: &Path) {
    let found = lines(log);
    let (whole, pieces): (Vec<_>, Vec<_>) = found.iter().partition(|line| line.len() == 6_002);
    let expected: Vec<_> = (0..10).map(record).collect();
    assert_eq!(whole, expected.iter().collect::<Vec<_>>());
    assert_eq!(pieces.len(), 1);
    assert!(record(8).starts_with(pieces[0]), "{}", pieces[0]);
}

fn record(n: u32) -> String {
    format!("{n:0>2}{}", "x".repeat(6_000))
}

#[test]
#[ignore = "a child of the others"]
fn fills_the_disk() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let filler = log.with_file_name("filler");
    let appender = FileAppender::new(log).unwrap();
    // With this 64 KiB end in the middle of the ninth record.
    fs::write(&filler, [0; 16 * 1024]).unwrap();
    (0..9).for_each(|n| write(&appender, &record(n)));
    assert_eq!(appender.stats().pending, 1);
    fs::remove_file(&filler).unwrap();
    write(&appender, &record(9));
    appender.flush(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_lock_that_fails_once_does_not_end_the_check_for_torn_lines() {
    let scratch = scratch();
    let trace = scratch.path("trace");
    let log = scratch.log.to_str().unwrap();
    let options = [
        "-e",
        "trace=flock",
        "-e",
        "inject=flock:error=ENOLCK:when=1",
    ];
    let Some(mut child) = trace::start("append::writes_when_told", &[log], &trace, &options) else {
        return;
    };
    let append = |bytes: &[u8]| {
        let file = fs::OpenOptions::new().append(true).open(&scratch.log);
        file.unwrap().write_all(bytes).unwrap();
    };
    // Others take part, so that one of them may be killed in mid-write.
    for (record, of_others) in [("one", "whole\n"), ("two", "hal"), ("three", "")] {
        child.tell(record);
        child.expect("written");
        append(of_others.as_bytes());
    }
    child.end();
    assert_eq!(lines(&scratch.log), ["one", "whole", "two", "hal", "three"]);
}

/// Half a line may be one that is just being written, so nothing is known of it before the write.
#[test]
fn without_a_lock_a_record_on_the_line_of_a_piece_comes_again_on_its_own() {
    let scratch = scratch();
    let trace = scratch.path("trace");
    let log = scratch.log.to_str().unwrap();
    let options = ["-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"];
    let Some(mut child) = trace::start("append::writes_when_told", &[log], &trace, &options) else {
        return;
    };
    for (record, of_others) in [
        ("one", "hal"),
        ("two", ""),
        ("three", "whole\n"),
        ("four", ""),
    ] {
        child.tell(record);
        child.expect("written");
        let file = fs::OpenOptions::new().append(true).open(&scratch.log);
        file.unwrap().write_all(of_others.as_bytes()).unwrap();
    }
    child.end();
    let expected = ["one", "haltwo", "two", "three", "whole", "four"];
    assert_eq!(lines(&scratch.log), expected);
}

#[test]
#[ignore = "a child of another one"]
fn writes_when_told() {
    let Some(arguments) = arguments() else { return };
    // The first commit already looks at the end of this.
    fs::write(&arguments[0], "").unwrap();
    let appender = FileAppender::new(&arguments[0]).unwrap();
    while let Some(record) = hear() {
        write(&appender, &record);
        say("written");
    }
}

/// The directories that were synced, in order, by name.
fn synced_directories(trace: &Path) -> Vec<String> {
    let name = |call: &String| {
        let path = call.split('<').nth(1)?.split('>').next()?;
        Some(Path::new(path).file_name()?.to_str()?.to_owned())
    };
    trace::between_words(trace)
        .iter()
        .filter(|call| call.contains("fsync("))
        .filter_map(name)
        .collect()
}

#[test]
fn every_new_name_is_synced() {
    let scratch = scratch();
    for directory in ["logs", "data"] {
        fs::create_dir(scratch.path(directory)).unwrap();
    }
    symlink("../data/real.log", scratch.path("logs/link.log")).unwrap();
    let trace = scratch.path("trace");
    let logs = scratch.path("logs");
    let options = ["-e", "trace=openat,fsync,write"];
    let logs = logs.to_str().unwrap();
    let Some(child) = trace::start("append::syncs_new_names", &[logs], &trace, &options) else {
        return;
    };
    child.end();
    assert_eq!(synced_directories(&trace), ["logs", "logs", "logs", "data"]);
}

#[test]
#[ignore = "a child of another one"]
fn syncs_new_names() {
    let Some(arguments) = arguments() else { return };
    let logs = Path::new(&arguments[0]);
    let build = |name: &str| {
        let builder = FileAppender::builder().sync(SyncPolicy::EveryCommit);
        builder.build(logs.join(name)).unwrap()
    };
    let log = logs.join("app.log");
    let (appender, link) = (build("app.log"), build("link.log"));
    let sync = |what: &str| write(&appender, what);
    say("begin");
    sync("a new primary");
    sync("which is there now");
    fs::rename(&log, logs.join("moved.log")).unwrap();
    sync("another primary");
    let held = hold(&log);
    sync("a new variant");
    sync("which is there now");
    drop(held);
    write(&link, "what the link leads to");
    write(&link, "which is there now");
    say("end");
}

#[test]
fn a_directory_that_can_t_be_read_takes_no_record_back() {
    let scratch = scratch();
    fs::create_dir(scratch.path("logs")).unwrap();
    let log = scratch.path("logs/app.log");
    let mut command = as_nobody("append::syncs_blindly", &[log.to_str().unwrap()], &scratch);
    fs::set_permissions(scratch.path("logs"), fs::Permissions::from_mode(0o300)).unwrap();
    let said = Child::from_command(&mut command).end();
    fs::set_permissions(scratch.path("logs"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(said, ["2 written, 0 pending, 0 switches"]);
    assert_eq!(lines(&log), ["one", "two"]);
}

#[test]
#[ignore = "a child of another one"]
fn syncs_blindly() {
    let Some(arguments) = arguments() else { return };
    let builder = FileAppender::builder().sync(SyncPolicy::EveryCommit);
    let appender = builder.build(&arguments[0]).unwrap();
    write(&appender, "one");
    write(&appender, "two");
    let stats = appender.stats();
    let (written, pending, switches) = (stats.written, stats.pending, stats.switches);
    say(&format!(
        "{written} written, {pending} pending, {switches} switches"
    ));
}
