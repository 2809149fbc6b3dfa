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
    arguments, as_nobody, hear, hold, lines, say, scratch, trace, write, Child, SmallDisk,
};
use tracing_fallback_file::{FileAppender, SyncPolicy};

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
