//! What stands in the primary's place, disks that fill up, and descriptors that run out.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::process::Command;
use std::time::Duration;

use tracing_fallback_file::SwitchReason;

use super::*;
use crate::common::{arguments, as_nobody, family, family_lines, hold, say, Child, SmallDisk};

#[test]
fn a_looping_link_in_the_primary_s_place_is_inaccessible() {
    let scratch = scratch();
    symlink("app.log", &scratch.log).unwrap();
    let (appender, seen) = with_switches(FileAppender::builder(), &scratch.log);
    write(&appender, "one");
    assert_eq!(lines(&scratch.variant(1)), ["one"]);
    seen.assert_inaccessible();
}

#[test]
fn a_dangling_link_is_followed_if_it_can_be() {
    let scratch = scratch();
    symlink("target.log", &scratch.log).unwrap();
    let (appender, _) = with_switches(FileAppender::builder(), &scratch.log);
    write(&appender, "one");
    assert_eq!(lines(&scratch.path("target.log")), ["one"]);

    let scratch = common::scratch();
    symlink("no/such/target.log", &scratch.log).unwrap();
    let (appender, seen) = with_switches(FileAppender::builder(), &scratch.log);
    write(&appender, "one");
    assert_eq!(lines(&scratch.variant(1)), ["one"]);
    let expected = SwitchReason::Inaccessible(ErrorKind::NotFound);
    assert_eq!(seen.reasons(1), [expected]);
}

#[test]
fn an_unreadable_or_unwritable_primary_is_inaccessible() {
    for mode in [0o400, 0o200, 0o000] {
        let scratch = scratch();
        fs::write(&scratch.log, "before\n").unwrap();
        fs::set_permissions(&scratch.log, fs::Permissions::from_mode(mode)).unwrap();
        let log = scratch.log.to_str().unwrap();
        let mut command = as_nobody("faults::unix::logs_and_tells_reasons", &[log], &scratch);
        let said = Child::from_command(&mut command).end();
        assert_eq!(said, ["[Inaccessible(PermissionDenied)]"], "mode {mode:o}");
        assert_eq!(lines(&scratch.variant(1)), ["one", "two"]);
    }
}

#[test]
#[ignore = "a child of the others"]
fn logs_and_tells_reasons() {
    let Some(arguments) = arguments() else { return };
    let (appender, seen) = with_switches(FileAppender::builder(), &arguments[0]);
    write(&appender, "one");
    write(&appender, "two");
    say(&format!("{:?}", seen.reasons(1)));
}

#[test]
fn a_full_pipe_does_not_hold_a_call_up() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    fs::remove_file(&scratch.log).unwrap();
    assert!(Command::new("mkfifo")
        .arg(&scratch.log)
        .status()
        .unwrap()
        .success());
    // Somebody has it open and reads nothing; more than a pipe holds.
    let _reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&scratch.log)
        .unwrap();
    (0..3_000).for_each(|n| write(&appender, &format!("{n} {}", "x".repeat(100))));
    assert_eq!(appender.current_path(), scratch.variant(1));
}

#[test]
fn a_pipe_in_a_variant_s_place_is_passed_over() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    assert!(Command::new("mkfifo")
        .arg(scratch.variant(1))
        .status()
        .unwrap()
        .success());
    let _held = hold(&scratch.log);
    write(&appender, "one");
    assert_eq!(lines(&scratch.variant(2)), ["one"]);
}

#[test]
fn a_directory_that_somebody_keeps_removing_makes_no_switch() {
    let scratch = scratch();
    let directory = scratch.path("logs");
    let appender = FileAppender::new(directory.join("app.log")).unwrap();
    let busy = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while busy.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = fs::remove_dir_all(&directory);
            }
        });
        (0..2_000).for_each(|n| write(&appender, &n.to_string()));
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    appender.flush(Duration::from_secs(10)).unwrap();
    let stats = appender.stats();
    assert_eq!((stats.switches, stats.written), (0, 2_000));
}

#[test]
fn a_disk_that_fills_up_in_mid_record_keeps_no_byte_of_it() {
    let Some(disk) = SmallDisk::mount("a_disk_that_fills_up_in_mid_record", 64) else {
        return;
    };
    let scratch = &disk.0;
    let appender = FileAppender::new(&scratch.log).unwrap();
    let record = |n| format!("{n} {}", "x".repeat(6_000));
    let mut written = 0;
    while appender.stats().pending == 0 {
        write(&appender, &record(written));
        written += 1;
    }
    // 64 KiB end in the middle of the eleventh.
    assert_eq!(written, 11);
    let expected: Vec<_> = (0..10).map(record).collect();
    assert_eq!(lines(&scratch.log), expected);
    write(&appender, &record(11));
    assert_eq!(
        family(&scratch.log).unwrap(),
        [&*scratch.log],
        "no other file"
    );
    assert_eq!(fs::read_dir(scratch.dir.path()).unwrap().count(), 1);
    assert_eq!(appender.stats().pending, 2);
    assert_eq!(appender.stats().switches, 0);

    // Room again.
    fs::OpenOptions::new()
        .write(true)
        .open(&scratch.log)
        .unwrap()
        .set_len(0)
        .unwrap();
    appender.flush(Duration::from_secs(10)).unwrap();
    assert_eq!(lines(&scratch.log), [record(10), record(11)]);
}

#[test]
fn a_full_disk_is_left_without_an_empty_file() {
    let Some(disk) = SmallDisk::mount("a_full_disk_is_left_without_an_empty_file", 64) else {
        return;
    };
    let scratch = &disk.0;
    let appender = FileAppender::new(&scratch.log).unwrap();
    let filler = scratch.path("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write(&[0; 4096]).is_ok_and(|n| n > 0) {}
    write(&appender, "one");
    assert_eq!(appender.stats().pending, 1);
    assert!(!scratch.log.exists());

    // Nor does a locked primary on a full disk leave empty variants.
    let held = hold(&scratch.log);
    let other = FileAppender::new(&scratch.log).unwrap();
    write(&other, "two");
    assert_eq!(other.stats().pending, 1);
    assert_eq!(family(&scratch.log).unwrap(), [&*scratch.log]);
    drop(held);
    file.set_len(0).unwrap();
    appender.flush(Duration::from_secs(10)).unwrap();
    other.flush(Duration::from_secs(10)).unwrap();
    let mut found = family_lines(&scratch.log);
    found.sort_unstable();
    assert_eq!(found, ["one", "two"]);
}

#[test]
fn no_descriptors_left_keeps_records_until_there_are() {
    let scratch = scratch();
    Child::run("faults::unix::runs_out_of_descriptors", &scratch.log);
    assert_eq!(lines(&scratch.log), ["one", "two", "three"]);
    assert_eq!(family(&scratch.log).unwrap().len(), 1);
}

#[test]
#[ignore = "a child of the others"]
fn runs_out_of_descriptors() {
    use rustix::process::{getrlimit, setrlimit, Resource};
    let Some(arguments) = arguments() else { return };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    write(&appender, "one");
    let limit = getrlimit(Resource::Nofile);
    let none = rustix::process::Rlimit {
        current: Some(3),
        ..limit
    };
    setrlimit(Resource::Nofile, none).unwrap();
    write(&appender, "two");
    assert_eq!(appender.stats().pending, 1);
    setrlimit(Resource::Nofile, limit).unwrap();
    write(&appender, "three");
}
