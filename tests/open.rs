//! Which file a record is written to, and how that file is opened or made.

#![cfg(unix)]

mod common;
use common::{arguments, as_nobody, lines, say, scratch, write, Child, SmallDisk};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tracing_fallback_file::unix::BuilderExt;
use tracing_fallback_file::{family, FileAppender};

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
    let Some(child) = common::trace::start("writes_and_switches", &[log], &trace, &options) else {
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
    let mut command = as_nobody("logs_under_a_umask", &[log], &scratch);
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
