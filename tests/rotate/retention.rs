//! What is removed of a log, and what never is.

use crate::common;

use std::fs;
use std::time::{Duration, Instant};

use common::{
    all_files, arguments, hold, left, lines, rotating, say, scratch, wait_until, write, Child,
};
use tracing_fallback_file::{Family, FileAppender};

#[cfg(unix)]
mod links;

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn the_oldest_archives_go_and_no_stranger_does() {
    let scratch = scratch();
    let strangers = [
        "app.log.bak",
        "app-2.log",
        "app.2026.log",
        "applog",
        "app.x.log",
        "app.x.2020-01-01T00-00-00Z.log",
        "app.2020-01-01.log",
        "app.2020-01-01T00-00-00Z.log.bak",
        "bapp.2020-01-01T00-00-00Z.log",
        "app.0001.log",
    ];
    for stranger in strangers {
        left(&scratch.path(stranger), HOUR);
    }
    fs::create_dir(scratch.path("app.2020-01-01T00-00-00Z.log")).unwrap();
    let appender = rotating(100).max_files(3).build(&scratch.log);
    let appender = appender.unwrap();
    for n in 0..30 {
        write(&appender, &format!("{n:0>49}"));
    }
    assert_eq!(appender.stats().rotations, 14);
    wait_until(|| all_files(&scratch.log).len() <= 3);
    let kept: Vec<String> = Family::of(&scratch.log)
        .unwrap()
        .archives
        .iter()
        .flat_map(|file| lines(file))
        .collect();
    let newest: Vec<String> = (24..28).map(|n| format!("{n:0>49}")).collect();
    assert_eq!(kept, newest);
    for stranger in strangers {
        assert_eq!(lines(&scratch.path(stranger)), ["old"], "{stranger}");
    }
    assert!(scratch.path("app.2020-01-01T00-00-00Z.log").is_dir());
}

// On Windows an archive goes at once if no other handle of it is open.
#[cfg(unix)]
#[test]
fn an_archive_goes_when_it_was_found_unchanged_for_two_seconds() {
    const GRACE: Duration = Duration::from_secs(2);
    let scratch = scratch();
    let archive = scratch.path("app.2020-01-01T00-00-00Z.log");
    left(&archive, HOUR);
    // However old it is by the clocks of the system and the disk: they may differ.
    std::thread::sleep(GRACE * 5 / 4);
    left(&scratch.log, HOUR);
    let began = Instant::now();
    let builder = FileAppender::builder().max_files(1);
    let _appender = builder.build(&scratch.log).unwrap();
    wait_until(|| !archive.exists());
    assert!(began.elapsed() >= GRACE, "{:?}", began.elapsed());
}

/// A log without an extension has archives whose names could be those of another log.
#[test]
fn of_two_logs_in_one_directory_each_keeps_its_archives() {
    let scratch = scratch();
    let theirs = [
        "app.2020-01-01T00-00-00Z.gz",
        "app.2020-01-01T00-00-00Z.2.gz",
    ];
    for (other, theirs) in [
        ("app.gz", &theirs[..]),
        ("app.2", &["app.2020-01-01T00-00-00Z.2"]),
    ] {
        for name in theirs {
            left(&scratch.path(name), 2 * HOUR);
        }
        left(&scratch.path(other), HOUR);
    }
    let compressed = scratch.path("app.2020-01-02T00-00-00Z.gz");
    fs::write(&compressed, common::gzip("old\n")).unwrap();
    let ours = scratch.path("app.2020-01-03T00-00-00Z");
    left(&ours, HOUR);
    left(&scratch.path("app"), HOUR);
    let archives = |log: &str| Family::of(scratch.path(log)).unwrap().archives;
    assert_eq!(archives("app"), [&*compressed, &*ours]);
    assert_eq!(archives("app.gz"), theirs.map(|name| scratch.path(name)));
    assert_eq!(
        archives("app.2"),
        [scratch.path("app.2020-01-01T00-00-00Z.2")]
    );
    let builder = FileAppender::builder().max_files(1);
    let _appender = builder.build(scratch.path("app")).unwrap();
    wait_until(|| !ours.exists() && !compressed.exists());
    for name in theirs
        .iter()
        .chain(&["app.2020-01-01T00-00-00Z.2", "app.2", "app.gz"])
    {
        assert!(scratch.path(name).exists(), "{name}");
    }
}

#[test]
fn one_file_is_the_one_written_to() {
    let scratch = scratch();
    let appender = rotating(100).max_files(1).build(&scratch.log);
    let appender = appender.unwrap();
    for n in 0..10 {
        write(&appender, &format!("{n:0>49}"));
    }
    wait_until(|| all_files(&scratch.log) == [scratch.log.clone()]);
    assert_eq!(lines(&scratch.log).len(), 2);
}

#[test]
fn what_is_too_old_goes_at_the_start_but_never_what_is_locked_or_written_to() {
    let scratch = scratch();
    let locked = scratch.path("app.2020-01-01T00-00-00Z.log");
    let archive = scratch.path("app.2020-01-01T00-00-00Z.2.log");
    let young = scratch.path("app.2020-01-01T00-00-00Z.3.log");
    for file in [
        &scratch.log,
        &locked,
        &archive,
        &scratch.variant(1),
        &scratch.variant(2),
    ] {
        left(file, 3 * HOUR);
    }
    left(&young, HOUR);
    let held = [hold(&locked), hold(&scratch.log)];
    let appender = FileAppender::builder()
        .max_age(2 * HOUR)
        .build(&scratch.log);
    let appender = appender.unwrap();
    // The primary is locked, so this goes to the first variant.
    write(&appender, "new");
    wait_until(|| !archive.exists() && !scratch.variant(2).exists());
    // A retired variant is an archive for a while.
    wait_until(|| Family::of(&scratch.log).unwrap().archives == [locked.clone(), young.clone()]);
    drop(held);
    assert_eq!(lines(&scratch.log), ["old"]);
    assert_eq!(lines(&locked), ["old"]);
    assert_eq!(lines(&scratch.variant(1)), ["old", "new"]);
}

#[test]
fn the_size_of_all_files_is_bounded() {
    let scratch = scratch();
    let appender = rotating(1_000)
        .max_total_size(3_500)
        .build(&scratch.log)
        .unwrap();
    for n in 0..100 {
        write(&appender, &format!("{n:0>99}"));
    }
    let size = || -> u64 {
        let files = all_files(&scratch.log);
        files
            .iter()
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum()
    };
    wait_until(|| size() <= 3_500);
    assert!(size() > 2_500, "no more than needed");
}

#[test]
#[ignore = "a child of the others"]
fn rotates_and_removes() {
    let Some(arguments) = arguments() else { return };
    let appender = rotating(1_000).max_files(4).build(&arguments[0]);
    let appender = appender.unwrap();
    say("ready");
    common::hear();
    for n in 0..2_000 {
        write(&appender, &format!("{n:0>99}"));
    }
    say("done");
    common::hear();
}

#[test]
fn two_processes_that_remove_at_once_get_in_nobody_s_way() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let mut children = [0, 1].map(|_| Child::start("retention::rotates_and_removes", &[log]));
    children.iter_mut().for_each(|child| child.expect("ready"));
    children.iter_mut().for_each(|child| child.tell("go"));
    children.iter_mut().for_each(|child| child.expect("done"));
    wait_until(|| all_files(&scratch.log).len() <= 4);
    for file in all_files(&scratch.log) {
        for line in lines(&file) {
            assert_eq!(line.len(), 99);
        }
    }
    for child in children {
        child.end();
    }
}

#[test]
#[ignore = "a child of another one"]
fn removes_in_vain() {
    let Some(arguments) = arguments() else { return };
    let builder = FileAppender::builder().max_files(1);
    let _appender = builder.build(&arguments[0]).unwrap();
    say("ready");
    common::hear();
}

#[cfg(unix)]
#[test]
fn what_can_t_be_removed_is_said_once() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = scratch();
    fs::create_dir(scratch.path("d")).unwrap();
    let log = scratch.path("d/app.log");
    left(&log, HOUR);
    let archive = |n| scratch.path(&format!("d/app.2020-01-0{n}T00-00-00Z.log"));
    for n in 1..=3 {
        left(&archive(n), HOUR);
    }
    let mut command = common::as_nobody(
        "retention::removes_in_vain",
        &[log.to_str().unwrap()],
        &scratch,
    );
    let mode = |mode| fs::set_permissions(scratch.path("d"), fs::Permissions::from_mode(mode));
    mode(0o555).unwrap();
    let stderr = scratch.path("stderr");
    command.stderr(fs::File::create(&stderr).unwrap());
    let mut child = Child::from_command(&mut command);
    child.expect("ready");
    let times = || {
        lines(&stderr)
            .join("\n")
            .matches("Old log not removed")
            .count()
    };
    wait_until(|| times() > 0);
    child.end();
    mode(0o755).unwrap();
    assert_eq!(times(), 1);
    assert!((1..=3).all(|n| archive(n).exists()));
}

#[test]
fn options_that_can_t_work_together_are_refused() {
    let scratch = scratch();
    let builder = rotating(1_000).max_total_size(999);
    let error = builder.build(&scratch.log).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(
        text.contains("max_total_size is less than max_file_size"),
        "{text}"
    );
}

#[test]
fn a_limit_of_zero_is_refused_by_name() {
    let scratch = scratch();
    let options = [
        ("max_file_size", rotating(0)),
        ("max_files", FileAppender::builder().max_files(0)),
        ("max_total_size", FileAppender::builder().max_total_size(0)),
    ];
    for (name, builder) in options {
        let error = builder.build(&scratch.log).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains(&format!("use {name} for")), "{text}");
        assert!(text.contains("zero"), "{text}");
    }
}
