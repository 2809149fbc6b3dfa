//! What `build` accepts, and what it says when it doesn't.

use crate::common;

use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind};

use common::{family, hold, lines, scratch, write};
use tracing_fallback_file::{FileAppender, InitError};

fn refused(path: impl AsRef<std::path::Path>) -> InitError {
    FileAppender::new(path).expect_err("built")
}

#[test]
fn missing_directories_are_made() {
    let scratch = scratch();
    let log = scratch.path("a/b/c/app.log");
    let appender = FileAppender::new(&log).unwrap();
    write(&appender, "one");
    assert_eq!(lines(&log), ["one"]);
}

#[test]
fn a_path_without_a_file_name_is_refused() {
    let scratch = scratch();
    let directory = scratch.dir.path().to_str().unwrap();
    for path in ["", ".", "..", "/", "a/..", "logs/"]
        .map(str::to_owned)
        .into_iter()
        .chain([
            format!("{directory}/"),
            format!("{directory}/app.log/"),
            format!("{directory}/app.log/."),
            format!("{directory}/.."),
        ])
    {
        let error = refused(&path);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path:?}: {error}");
        assert_eq!(error.path().as_os_str(), path.as_str());
    }
    assert_eq!(
        fs::read_dir(directory).unwrap().count(),
        0,
        "nothing was made on the way"
    );
}

#[test]
fn dots_on_the_way_are_fine() {
    let scratch = scratch();
    fs::create_dir(scratch.path("sub")).unwrap();
    let appender = FileAppender::new(scratch.path("sub/.././app.log")).unwrap();
    write(&appender, "one");
    assert_eq!(lines(&scratch.log), ["one"]);
}

#[test]
fn an_error_names_path_operation_and_cause() {
    let scratch = scratch();
    fs::write(scratch.path("file"), "").unwrap();
    let error = refused(scratch.path("file/app.log"));
    assert_eq!(error.path(), scratch.path("file"));
    assert_eq!(error.operation(), "make the directory");
    let text = error.to_string();
    let cause = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(cause.kind(), error.kind());
    assert!(text.starts_with("cannot make the directory \""), "{text}");
    assert!(text.ends_with(&cause.to_string()), "{text}");
    let kind = error.kind();
    let converted = io::Error::from(error);
    assert_eq!((converted.kind(), converted.to_string()), (kind, text));
}

#[test]
fn more_variants_than_three_digits_are_refused() {
    let scratch = scratch();
    let error = FileAppender::builder()
        .max_variants(1000)
        .build(&scratch.log)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("1000"), "{error}");
    FileAppender::builder()
        .max_variants(999)
        .build(&scratch.log)
        .unwrap();
    common::without_variants(&scratch.log);
}

#[test]
fn a_locked_primary_is_no_error() {
    let scratch = scratch();
    let _held = hold(&scratch.log);
    FileAppender::new(&scratch.log).unwrap();
}

#[test]
fn a_directory_in_the_primary_s_place_is_no_error_as_long_as_there_are_variants() {
    let scratch = scratch();
    fs::create_dir(&scratch.log).unwrap();
    FileAppender::new(&scratch.log).unwrap();
    let error = FileAppender::builder()
        .max_variants(0)
        .build(&scratch.log)
        .unwrap_err();
    assert_eq!((error.path(), error.operation()), (&*scratch.log, "open"));
    fs::create_dir(scratch.variant(1)).unwrap();
    FileAppender::builder()
        .max_variants(1)
        .build(&scratch.log)
        .unwrap_err();
    FileAppender::builder()
        .max_variants(2)
        .build(&scratch.log)
        .unwrap();
}

#[test]
fn a_nul_in_the_path_is_refused() {
    assert_eq!(refused("a\0b/app.log").kind(), ErrorKind::InvalidInput);
    let scratch = scratch();
    assert_eq!(
        refused(scratch.path("app\0.log")).kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn family_lists_the_log_s_files_and_no_stranger() {
    let scratch = scratch();
    for name in [
        "app.010.log",
        "app.log",
        "app.002.log",
        "app.999.log",
        "app.000.log",
        "app.0001.log",
        "app.1.log",
        "app.abc.log",
        "app.001.log.bak",
        "app.log.001",
        "app-001.log",
        "xapp.001.log",
        "app.x.log",
    ] {
        fs::write(scratch.path(name), "").unwrap();
    }
    fs::create_dir(scratch.variant(3)).unwrap();
    let expected = [
        scratch.log.clone(),
        scratch.variant(2),
        scratch.variant(10),
        scratch.variant(999),
    ];
    assert_eq!(family(&scratch.log).unwrap(), expected);
    assert!(family(scratch.path("other.log")).unwrap().is_empty());
    assert!(family(scratch.path("no/such/app.log")).unwrap().is_empty());
    assert_eq!(family("").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(family("..").unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::common::{as_nobody, Child};

    #[test]
    fn what_is_no_log_file_is_refused() {
        let scratch = scratch();
        assert!(std::process::Command::new("mkfifo")
            .arg(&scratch.log)
            .status()
            .unwrap()
            .success());
        let error = refused(&scratch.log);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().ends_with("it is a FIFO"), "{error}");
        let socket = scratch.path("socket.log");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(refused(socket).to_string().ends_with("it is a socket"));
    }

    #[test]
    fn a_block_device_is_refused() {
        let device = fs::read_dir("/dev")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                use std::os::unix::fs::FileTypeExt;
                fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
            });
        let Some(device) = device else {
            eprintln!("SKIPPED a_block_device_is_refused: there is none in /dev");
            return;
        };
        assert!(refused(device)
            .to_string()
            .ends_with("it is a block device"));
    }

    #[test]
    fn names_that_are_no_utf_8_work() {
        use std::os::unix::ffi::OsStrExt;
        let scratch = scratch();
        let log = scratch
            .dir
            .path()
            .join(std::ffi::OsStr::from_bytes(b"a\xffpp.log"));
        let appender = match FileAppender::new(&log) {
            Ok(appender) => appender,
            // macOS has no such names.
            Err(error) if cfg!(target_vendor = "apple") => return drop(error),
            Err(error) => panic!("{error}"),
        };
        let _held = {
            write(&appender, "one");
            hold(&log)
        };
        write(&appender, "two");
        let variant = scratch
            .dir
            .path()
            .join(std::ffi::OsStr::from_bytes(b"a\xffpp.001.log"));
        assert_eq!(lines(&variant), ["two"]);
        assert_eq!(family(&log).unwrap(), [log, variant]);
    }

    #[test]
    fn a_link_to_a_file_that_is_not_there_yet_is_fine_where_that_can_be_made() {
        let scratch = scratch();
        fs::create_dir(scratch.path("data")).unwrap();
        fs::create_dir(scratch.path("closed")).unwrap();
        std::os::unix::fs::symlink("../data/app.log", scratch.path("closed/app.log")).unwrap();
        // Below the closed directory there is one file that can be written.
        fs::write(scratch.path("closed/other.001.log"), "").unwrap();
        let closed = scratch.path("closed");
        let mut command = as_nobody(
            "init::unix::builds_beside_closed_doors",
            &[closed.to_str().unwrap()],
            &scratch,
        );
        Child::from_command(&mut command).end();
        assert_eq!(lines(&scratch.path("data/app.log")), ["one"]);
        assert_eq!(lines(&scratch.path("closed/other.001.log")), ["two"]);
    }

    #[test]
    #[ignore = "a child of the others"]
    fn builds_beside_closed_doors() {
        use std::os::unix::fs::PermissionsExt;
        let Some(arguments) = common::arguments() else {
            return;
        };
        let closed = std::path::Path::new(&arguments[0]);
        fs::set_permissions(closed, fs::Permissions::from_mode(0o555)).unwrap();
        write(&FileAppender::new(closed.join("app.log")).unwrap(), "one");
        write(&FileAppender::new(closed.join("other.log")).unwrap(), "two");
        fs::set_permissions(closed, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_directory_that_takes_no_file_is_refused() {
        let scratch = scratch();
        fs::create_dir(scratch.path("closed")).unwrap();
        let log = scratch.path("closed/app.log");
        let mut command = as_nobody(
            "init::unix::builds_in_a_closed_directory",
            &[log.to_str().unwrap()],
            &scratch,
        );
        Child::from_command(&mut command).end();
    }

    #[test]
    #[ignore = "a child of the others"]
    fn builds_in_a_closed_directory() {
        use std::os::unix::fs::PermissionsExt;
        let Some(arguments) = common::arguments() else {
            return;
        };
        let log = std::path::Path::new(&arguments[0]);
        let directory = log.parent().unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o555)).ok();
        let error = refused(log);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert_eq!(
            (error.path(), error.operation()),
            (directory, "make a file in")
        );
        assert_eq!(
            refused(directory.join("sub/app.log")).operation(),
            "make the directory"
        );
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).ok();
    }
}

#[cfg(unix)]
#[test]
fn files_are_made_with_the_mode_asked_for_and_keep_it() {
    use std::os::unix::fs::PermissionsExt;

    use tracing_fallback_file::unix::BuilderExt;

    let scratch = scratch();
    let appender = FileAppender::builder()
        .mode(0o600)
        .max_file_size(10)
        .build(&scratch.log)
        .unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    common::write(&appender, "record 1");
    assert_eq!(mode(&scratch.log), 0o600);
    common::write(&appender, "record 2");
    assert_eq!(mode(&scratch.log), 0o600, "after a rotation");
    let held = common::hold(&scratch.log);
    common::write(&appender, "record 3");
    drop(held);
    assert_eq!(mode(&scratch.variant(1)), 0o600);

    std::fs::set_permissions(&scratch.log, std::fs::Permissions::from_mode(0o640)).unwrap();
    FileAppender::builder()
        .mode(0o600)
        .build(&scratch.log)
        .unwrap();
    assert_eq!(mode(&scratch.log), 0o640, "never a chmod");
}
