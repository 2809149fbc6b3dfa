//! What a file holds after a write that was cut off, and what is forced onto the disk.

#![cfg(target_os = "linux")]

mod common;
use common::{arguments, as_nobody, hold, lines, say, scratch, trace, write, Child};
use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;
use tracing_fallback_file::{FileAppender, SyncPolicy};

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
    let Some(child) = trace::start("syncs_new_names", &[logs], &trace, &options) else {
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
    let mut command = as_nobody("syncs_blindly", &[log.to_str().unwrap()], &scratch);
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
