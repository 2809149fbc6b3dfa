//! Which file a record is written to, and how that file is opened or made.

#![cfg(unix)]

use crate::common;

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;
use std::process::Command;

use common::{
    arguments, as_nobody, family, hear, lines, say, scratch, with_switches, write, Child, Scratch,
    SmallDisk,
};
use tracing_fallback_file::unix::BuilderExt;
use tracing_fallback_file::{FileAppender, SwitchReason};

/// Takes all the room that there is.
fn fill(path: &Path) -> fs::File {
    let mut file = fs::File::create(path).unwrap();
    while file.write(&[0; 1024]).is_ok_and(|n| n > 0) {}
    file
}

#[test]
fn a_log_that_is_renamed_away_on_a_full_disk_leaves_no_empty_file() {
    let test = "a_log_that_is_renamed_away_on_a_full_disk_leaves_no_empty_file";
    let Some(disk) = SmallDisk::mount(test, 64) else {
        return;
    };
    let scratch = &disk.0;
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    // From now on the file is taken for known.
    write(&appender, "two");
    let filler = fill(&scratch.path("filler"));
    fs::rename(&scratch.log, scratch.path("moved.log")).unwrap();
    write(&appender, "three");
    assert_eq!(appender.stats().pending, 1);
    assert!(!scratch.log.exists());
    filler.set_len(0).unwrap();
    write(&appender, "four");
    assert_eq!(lines(&scratch.log), ["three", "four"]);
    assert_eq!(lines(&scratch.path("moved.log")), ["one", "two"]);
}

/// `fs.protected_regular=2` refuses `O_CREAT` for a file that exists, in a directory that others may
/// write to.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_exists_is_opened_without_being_made() {
    let scratch = scratch();
    fs::write(&scratch.log, "").unwrap();
    fs::write(scratch.variant(1), "").unwrap();
    let trace = scratch.path("trace");
    let options = ["-e", "trace=openat,write"];
    let log = scratch.log.to_str().unwrap();
    let Some(child) = common::trace::start("open::writes_and_switches", &[log], &trace, &options)
    else {
        return;
    };
    child.end();
    let calls = common::trace::between_words(&trace);
    let made: Vec<_> = calls
        .iter()
        .filter(|call| call.contains("O_CREAT"))
        .collect();
    assert_eq!(made, [""; 0]);
    assert_eq!(lines(&scratch.log), ["one", "two"]);
    assert_eq!(lines(&scratch.variant(1)), ["three"]);
}

#[test]
#[ignore = "a child of another one"]
fn writes_and_switches() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let appender = FileAppender::new(log).unwrap();
    let lock = fs::File::open(log).unwrap();
    say("begin");
    write(&appender, "one");
    write(&appender, "two");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    write(&appender, "three");
    say("end");
}

#[test]
fn a_new_file_can_be_opened_again_whatever_the_umask_takes() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let mut command = as_nobody("open::logs_under_a_umask", &[log], &scratch);
    assert_eq!(Child::from_command(&mut command).end(), ["0 switches"]);
    assert_eq!(family(&scratch.log).unwrap(), [&*scratch.log]);
    assert_eq!(lines(&scratch.log), ["one", "two", "three"]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scratch.log), 0o600);
}

#[test]
#[ignore = "a child of another one"]
fn logs_under_a_umask() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let appender = FileAppender::new(log).unwrap();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o777));
    for record in ["one", "two", "three"] {
        write(&appender, record);
    }
    say(&format!("{} switches", appender.stats().switches));
}

/// Between the instant in which a process makes a file and the one in which it gives itself the rights
/// to it, another process can't open it.
#[test]
fn processes_under_a_umask_share_one_file_and_its_archives() {
    // The one that makes a file may be stopped in that instant for longer than the others wait.
    common::within_attempts(5, || {
        let scratch = scratch();
        let log = scratch.log.to_str().unwrap();
        let mut writers: Vec<Child> = (0..WRITERS)
            .map(|id| {
                let arguments = [log, &id.to_string()];
                let name = "open::logs_and_rotates_under_a_umask";
                Child::from_command(&mut as_nobody(name, &arguments, &scratch))
            })
            .collect();
        writers.iter_mut().for_each(|writer| writer.expect("ready"));
        writers.iter_mut().for_each(|writer| writer.tell("go"));
        let said: Vec<_> = writers.into_iter().flat_map(Child::end).collect();
        let mut found: Vec<String> = common::all_files(&scratch.log)
            .iter()
            .flat_map(|file| lines(file))
            .collect();
        found.sort_unstable();
        let mut expected: Vec<String> = (0..WRITERS).flat_map(records_of).collect();
        expected.sort_unstable();
        assert!(found == expected, "{} records", found.len());
        match said.iter().all(|said| said == "0 switches") {
            true => Ok(()),
            false => Err(said.join(", ")),
        }
    });
}

const WRITERS: usize = 4;

fn records_of(writer: usize) -> impl Iterator<Item = String> {
    (0..2_000).map(move |n| format!("{writer} {n}"))
}

#[test]
#[ignore = "a child of another one"]
fn logs_and_rotates_under_a_umask() {
    let Some(arguments) = arguments() else { return };
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o777));
    let builder = FileAppender::builder().max_file_size(1_000);
    let appender = builder.build(&arguments[0]).unwrap();
    say("ready");
    hear().unwrap();
    for record in records_of(arguments[1].parse().unwrap()) {
        write(&appender, &record);
    }
    say(&format!("{} switches", appender.stats().switches));
}

#[test]
fn a_mode_without_the_owner_s_rights_is_refused() {
    let scratch = scratch();
    for mode in [0, 0o200, 0o400, 0o077, 0o477] {
        let built = FileAppender::builder().mode(mode).build(&scratch.log);
        let error = built.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{mode:o}");
        assert!(error.to_string().contains("mode"), "{error}");
    }
    for mode in [0o600, 0o640, 0o666, 0o700] {
        let built = FileAppender::builder().mode(mode).build(&scratch.log);
        built.unwrap();
    }
}

#[test]
fn a_full_disk_that_the_primary_links_to_is_left() {
    let test = "a_full_disk_that_the_primary_links_to_is_left";
    let Some(disk) = SmallDisk::mount(test, 64) else {
        return;
    };
    for exists in [true, false] {
        let scratch = scratch();
        let target = disk.0.path(&format!("target {exists}.log"));
        symlink(&target, &scratch.log).unwrap();
        if exists {
            fs::write(&target, "").unwrap();
        }
        let filler = fill(&disk.0.path("filler"));
        let (appender, seen) = with_switches(FileAppender::builder(), &scratch.log);
        write(&appender, "one");
        write(&appender, "two");
        assert_eq!(lines(&scratch.variant(1)), ["one", "two"]);
        let full = SwitchReason::Inaccessible(ErrorKind::StorageFull);
        assert_eq!(seen.reasons(1), [full]);
        assert_eq!(target.exists(), exists);
        filler.set_len(0).unwrap();
    }
}

#[test]
fn a_read_only_disk_that_the_primary_links_to_is_left() {
    let test = "a_read_only_disk_that_the_primary_links_to_is_left";
    let Some(disk) = SmallDisk::mount(test, 64) else {
        return;
    };
    fs::write(disk.0.path("here.log"), "").unwrap();
    let remounted = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(disk.0.dir.path())
        .status();
    assert!(remounted.unwrap().success());
    // Nor is a directory in which there is none, or no directory.
    for target in ["here.log", "new.log", "here.log/new.log"] {
        let scratch = scratch();
        symlink(disk.0.path(target), &scratch.log).unwrap();
        let (appender, seen) = with_switches(FileAppender::builder(), &scratch.log);
        write(&appender, "one");
        assert_eq!(lines(&scratch.variant(1)), ["one"], "{target}");
        seen.assert_inaccessible();
    }
}

#[test]
fn a_disk_that_is_full_for_the_whole_family_takes_no_variant() {
    let test = "a_disk_that_is_full_for_the_whole_family_takes_no_variant";
    let Some(disk) = SmallDisk::mount(test, 64) else {
        return;
    };
    let scratch = &disk.0;
    fs::create_dir(scratch.path("data")).unwrap();
    symlink("data/app.log", &scratch.log).unwrap();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    let filler = fill(&scratch.path("filler"));
    write(&appender, &"x".repeat(8_000));
    let stats = appender.stats();
    assert_eq!((stats.pending, stats.switches), (1, 0));
    assert!(!scratch.variant(1).exists());
    filler.set_len(0).unwrap();
    appender.flush(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(lines(&scratch.path("data/app.log")).len(), 2);
}

/// What can't seek has no end to append to.
#[test]
fn a_terminal_is_no_log_file() {
    let scratch = scratch();
    // Each open of it makes a terminal.
    symlink("/dev/ptmx", &scratch.log).unwrap();
    let error = FileAppender::new(&scratch.log).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert_eq!(error.path(), scratch.log);
    assert!(!scratch.variant(1).exists());

    fs::remove_file(&scratch.log).unwrap();
    symlink("/dev/null", &scratch.log).unwrap();
    write(&FileAppender::new(&scratch.log).unwrap(), "one");
}

/// A file system with blocks that only `nobody` and root may take.
#[cfg(target_os = "linux")]
struct ReservedDisk {
    mounted: Scratch,
    _image: Scratch,
}

#[cfg(target_os = "linux")]
impl ReservedDisk {
    fn mount(test: &str) -> Option<ReservedDisk> {
        let (image, mounted) = (scratch(), scratch());
        let file = image.path("image");
        fs::File::create(&file).unwrap().set_len(4 << 20).unwrap();
        let runs = |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
        let done = runs(
            Command::new("mkfs.ext4")
                .args(["-q", "-m", "40"])
                .arg(&file),
        ) && runs(
            Command::new("mount")
                .args(["-o", "loop,resuid=65534"])
                .args([&*file, mounted.dir.path()]),
        );
        if !done {
            eprintln!("SKIPPED {test}: mounting an image is not allowed here");
            return None;
        }
        Some(ReservedDisk {
            mounted,
            _image: image,
        })
    }
}

#[cfg(target_os = "linux")]
impl Drop for ReservedDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.mounted.dir.path())
            .status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_may_take_reserved_blocks_takes_them() {
    let test = "who_may_take_reserved_blocks_takes_them";
    let Some(disk) = ReservedDisk::mount(test) else {
        return;
    };
    let filler = disk.mounted.path("filler");
    fs::create_dir(disk.mounted.path("logs")).unwrap();
    fs::write(&filler, "").unwrap();
    // The binary is copied to another place.
    let scratch = scratch();
    for path in [&filler, &disk.mounted.path("logs")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(disk.mounted.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let log = disk.mounted.path("logs/app.log");
    let arguments = [log.to_str().unwrap(), filler.to_str().unwrap()];
    let mut command = as_nobody("open::logs_into_reserved_blocks", &arguments, &scratch);
    let mut child = Child::from_command(&mut command);
    // All that is free for everybody.
    let free = || rustix::fs::statvfs(disk.mounted.dir.path()).unwrap();
    let mut file = fs::File::create(&filler).unwrap();
    while free().f_bavail > 0 {
        file.write_all(&[0; 1024]).unwrap();
        file.sync_all().unwrap();
    }
    assert!(free().f_bfree > 100);
    child.tell("write");
    child.expect("0 pending");
    child.expect("1 pending");
    child.end();
    assert_eq!(lines(&log), ["written"]);
    let found = fs::read_dir(log.parent().unwrap()).unwrap();
    assert_eq!(found.count(), 1, "no empty file");
}

#[test]
#[ignore = "a child of another one"]
fn logs_into_reserved_blocks() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    hear();
    let appender = FileAppender::new(log).unwrap();
    write(&appender, "written");
    say(&format!("{} pending", appender.stats().pending));
    // And the rest.
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&arguments[1])
        .unwrap();
    while file.write(&[0; 1024]).is_ok_and(|n| n > 0) {}
    let other = FileAppender::new(log.with_file_name("other.log")).unwrap();
    write(&other, "waits");
    say(&format!("{} pending", other.stats().pending));
}
