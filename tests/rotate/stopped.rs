//! A process that is stopped in the middle of a rotation, while another program gets in its way.

#![cfg(target_os = "linux")]

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{arguments, lines, rotating, scratch, trace, wait_until, write, Scratch};
use rustix::process::{kill_process, Pid, Signal};
use tracing_fallback_file::Family;

const NAME: &str = "stopped::rotates";
/// As on NFS: no rename can spare a file of the new name.
const NO_RENAME: &str = "inject=renameat2:error=EINVAL";

#[test]
#[ignore = "a child of the others"]
fn rotates() {
    let Some(arguments) = arguments() else { return };
    let appender = rotating(5).build(&arguments[0]).unwrap();
    write(&appender, "two");
    appender.flush(Duration::from_secs(100)).unwrap();
}

/// Runs the child, whose log is there and has to be rotated, under strace with these options;
/// `at_stop` is called with the trace when the child is stopped by one of them. Returns the trace.
fn run(log: &Path, options: &[&str], at_stop: impl FnOnce(&str)) -> Option<String> {
    fs::write(log, "one\n").unwrap();
    let file = log.with_file_name("trace");
    let path = log.to_str().unwrap();
    let calls = ["-P", path, "-e", "trace=openat,renameat2,linkat,flock"];
    let stops = options.iter().any(|option| option.contains("STOP"));
    let options = [&calls[..], options].concat();
    let child = trace::start(NAME, &[path], &file, &options)?;
    let trace = || fs::read_to_string(&file).unwrap_or_default();
    if stops {
        let stopped = |trace: &str| {
            let mut lines = trace.lines();
            let line = lines.find(|line| line.contains("stopped by SIGSTOP"))?;
            Some(line.split(' ').next()?.to_owned())
        };
        wait_until(|| stopped(&trace()).is_some());
        let trace = trace();
        at_stop(&trace);
        let pid = stopped(&trace).unwrap().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::CONT).unwrap();
    }
    child.end();
    Some(trace())
}

/// Which `call` of its thread is the first one with `text` after the rename. It leaves no archive.
fn number_of(scratch: &Scratch, call: &str, text: &str) -> Option<usize> {
    let trace = run(&scratch.log, &[], |_| ())?;
    let thread = |line: &str| line.split(' ').next().map(str::to_owned);
    let renames = |line: &str| line.contains("renameat2(");
    let renaming = thread(trace.lines().find(|line| renames(line)).unwrap());
    let mut has_renamed = false;
    let of_thread = trace.lines().filter(|line| thread(line) == renaming);
    let before = of_thread.take_while(|line| {
        has_renamed |= renames(line);
        !(has_renamed && line.contains(call) && line.contains(text))
    });
    let number = before.filter(|line| line.contains(call)).count() + 1;
    for archive in Family::of(&scratch.log).unwrap().archives {
        fs::remove_file(archive).unwrap();
    }
    Some(number)
}

/// The lines of the archives, oldest first.
fn archived(log: &Path) -> Vec<String> {
    let archives = Family::of(log).unwrap().archives;
    archives.iter().flat_map(|file| lines(file)).collect()
}

#[test]
fn a_rotation_spares_what_has_the_archive_s_name() {
    let scratch = scratch();
    let stop = format!("{NO_RENAME}:signal=STOP:when=1");
    let mut taken = PathBuf::new();
    let ran = run(&scratch.log, &["-e", &stop], |trace| {
        let call = trace.lines().find(|line| line.contains("renameat2("));
        let name = call.unwrap().split('"').nth(3).unwrap();
        taken = scratch.path(name);
        fs::write(&taken, "another program's\n").unwrap();
    });
    if ran.is_some() {
        assert_eq!(lines(&taken), ["another program's"]);
        assert_eq!(archived(&scratch.log), ["another program's", "one"]);
        assert_eq!(lines(&scratch.log), ["two"]);
    }
}

/// The new file can't be made, so the archive gets its name back, which has been taken meanwhile.
#[test]
fn the_undo_of_a_rotation_spares_a_new_log() {
    let scratch = scratch();
    let Some(makes) = number_of(&scratch, "openat(", "O_EXCL") else {
        return;
    };
    let fail = format!("inject=openat:error=ENOSPC:signal=STOP:when={makes}");
    run(&scratch.log, &["-e", NO_RENAME, "-e", &fail], |_| {
        assert!(!scratch.log.exists());
        fs::write(&scratch.log, "another program's\n").unwrap();
    });
    // The new log is full as well.
    assert_eq!(archived(&scratch.log), ["one", "another program's"]);
    assert_eq!(lines(&scratch.log), ["two"]);
}

/// The one that had the new file locked has filled and rotated it: the path is free again.
#[test]
fn a_rotation_is_not_undone_when_the_new_file_was_locked() {
    let scratch = scratch();
    let Some(locks) = number_of(&scratch, "flock(", "LOCK_EX") else {
        return;
    };
    let fail = format!("inject=flock:error=EAGAIN:signal=STOP:when={locks}");
    run(&scratch.log, &["-e", &fail], |_| {
        let next = scratch.path("app.2030-01-01T00-00-00Z.log");
        fs::rename(&scratch.log, &next).unwrap();
        fs::write(next, "another program's\n").unwrap();
    });
    assert_eq!(archived(&scratch.log), ["one", "another program's"]);
    assert_eq!(lines(&scratch.log), ["two"]);
}
