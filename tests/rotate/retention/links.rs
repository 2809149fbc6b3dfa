//! Links and leases: what they lead to is removed only if it is an archive, and not in use.

use std::fs;

use tracing_fallback_file::{Family, FileAppender};

use super::HOUR;
use crate::common::{self, all_files, left, lines, scratch, wait_until, Child};

#[test]
fn through_a_link_to_the_directory_no_file_counts_twice() {
    let scratch = scratch();
    fs::create_dir(scratch.path("real")).unwrap();
    std::os::unix::fs::symlink("real", scratch.path("link")).unwrap();
    let log = scratch.path("link/app.log");
    left(&log, HOUR);
    let archive = |n: u64| scratch.path(&format!("real/app.2020-01-0{n}T00-00-00Z.log"));
    for n in 1..=4 {
        left(&archive(n as u64), HOUR * (9 - n));
    }
    // One too many.
    let _appender = FileAppender::builder().max_files(4).build(&log);
    wait_until(|| !archive(1).exists());
    // Were more too many, they would be gone when the next one has looked.
    let _other = FileAppender::builder().max_age(HOUR * 11 / 2).build(&log);
    wait_until(|| !archive(3).exists());
    assert!(archive(4).exists());
    assert_eq!(all_files(&log).len(), 2);
}

#[test]
fn the_file_that_a_link_leads_to_stays_whatever_its_name() {
    let scratch = scratch();
    let written_to = scratch.path("app.2020-01-01T00-00-00Z.log");
    let archive = scratch.path("app.2020-01-02T00-00-00Z.log");
    left(&written_to, 2 * HOUR);
    left(&archive, HOUR);
    std::os::unix::fs::symlink(&written_to, &scratch.log).unwrap();
    let builder = FileAppender::builder().max_files(1);
    let _appender = builder.build(&scratch.log).unwrap();
    wait_until(|| !archive.exists());
    assert_eq!(lines(&written_to), ["old"]);
    assert!(Family::of(&scratch.log).unwrap().archives.is_empty());
}

#[test]
fn a_hard_link_to_the_file_written_to_stays() {
    let scratch = scratch();
    let same = scratch.path("app.2020-01-01T00-00-00Z.log");
    let archive = scratch.path("app.2020-01-02T00-00-00Z.log");
    left(&scratch.log, 2 * HOUR);
    fs::hard_link(&scratch.log, &same).unwrap();
    left(&archive, HOUR);
    let builder = FileAppender::builder().max_files(1);
    let _appender = builder.build(&scratch.log).unwrap();
    wait_until(|| !archive.exists());
    assert_eq!(lines(&same), ["old"]);
}

#[test]
fn through_a_link_to_a_variant_no_file_counts_twice() {
    let scratch = scratch();
    left(&scratch.variant(1), HOUR);
    std::os::unix::fs::symlink("app.001.log", &scratch.log).unwrap();
    let archive = |n: u64| scratch.path(&format!("app.001.2020-01-0{n}T00-00-00Z.log"));
    for n in 1..=4 {
        left(&archive(n as u64), HOUR * (9 - n));
    }
    // One too many.
    let _appender = FileAppender::builder().max_files(4).build(&scratch.log);
    wait_until(|| !archive(1).exists());
    // Were more too many, they would be gone when the next one has looked.
    let other = FileAppender::builder().max_age(HOUR * 13 / 2);
    let _other = other.build(&scratch.log);
    wait_until(|| !archive(2).exists());
    assert!(archive(3).exists() && archive(4).exists());
    assert_eq!(Family::of(&scratch.log).unwrap().archives.len(), 2);
}

#[test]
fn a_variant_that_is_a_link_stays_and_so_does_what_it_leads_to() {
    let scratch = scratch();
    let stranger = scratch.path("stranger.txt");
    let archive = scratch.path("app.2020-01-01T00-00-00Z.log");
    left(&stranger, 3 * HOUR);
    std::os::unix::fs::symlink(&stranger, scratch.variant(1)).unwrap();
    std::os::unix::fs::symlink("app.log", scratch.variant(2)).unwrap();
    left(&scratch.log, 3 * HOUR);
    left(&archive, HOUR);
    let _appender = FileAppender::builder().max_files(1).build(&scratch.log);
    wait_until(|| !archive.exists());
    assert_eq!(lines(&stranger), ["old"]);
    assert_eq!(lines(&scratch.log), ["old"]);
    assert!(scratch.variant(1).is_symlink() && scratch.variant(2).is_symlink());
}

#[cfg(target_os = "linux")]
#[test]
fn an_archive_under_a_lease_is_in_use() {
    use std::process::{Command, Stdio};

    let scratch = scratch();
    let leased = scratch.path("app.2020-01-01T00-00-00Z.log");
    let archive = scratch.path("app.2020-01-02T00-00-00Z.log");
    left(&scratch.log, HOUR);
    left(&leased, 2 * HOUR);
    left(&archive, HOUR);
    let take_lease = "import fcntl, os, signal, sys\n\
        signal.signal(signal.SIGIO, signal.SIG_IGN)\n\
        fcntl.fcntl(os.open(sys.argv[1], os.O_RDWR), 1024, 1)\n\
        print('@ leased', flush=True)\n\
        sys.stdin.read()";
    let mut command = Command::new("python3");
    command.args(["-c", take_lease]).arg(&leased);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    if !Command::new("python3")
        .arg("-V")
        .output()
        .is_ok_and(|it| it.status.success())
    {
        eprintln!("SKIPPED an_archive_under_a_lease_is_in_use: there is no python3 here");
        return;
    }
    let mut holder = Child::from_command(&mut command);
    holder.expect("leased");
    let log = scratch.log.to_str().unwrap();
    let mut command = common::child_command("retention::removes_in_vain", &[log]);
    let stderr = scratch.path("stderr");
    command.stderr(fs::File::create(&stderr).unwrap());
    let mut child = Child::from_command(&mut command);
    child.expect("ready");
    wait_until(|| !archive.exists());
    assert!(leased.exists());
    holder.end();
    wait_until(|| !leased.exists());
    child.end();
    let said = fs::read_to_string(&stderr).unwrap();
    assert!(!said.contains("not removed"), "{said}");
}
