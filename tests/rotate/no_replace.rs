//! Where no rename can spare a file of the new name, as on NFS: another program puts one there at the
//! worst instant.

#![cfg(target_os = "linux")]

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{arguments, lines, rotating, scratch, trace, wait_until, write};
use rustix::process::{kill_process, Pid, Signal};
use tracing_fallback_file::Family;

const NAME: &str = "no_replace::rotates";
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
    let calls = "trace=openat,renameat2,linkat";
    let options = [&["-P", path, "-e", calls, "-e", NO_RENAME], options].concat();
    let child = trace::start(NAME, &[path], &file, &options)?;
    let trace = || fs::read_to_string(&file).unwrap_or_default();
    if options.iter().any(|option| option.contains("STOP")) {
        let stopped = |trace: &str| {
            let line = trace
                .lines()
                .find(|line| line.contains("stopped by SIGSTOP"));
            Some(line?.split(' ').next()?.to_owned())
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

#[test]
fn a_rotation_spares_what_has_the_archive_s_name() {
    let scratch = scratch();
    let stop = "inject=renameat2:error=EINVAL:signal=STOP:when=1";
    let mut taken = PathBuf::new();
    let ran = run(&scratch.log, &["-e", stop], |trace| {
        let call = trace.lines().find(|line| line.contains("renameat2("));
        let name = call.unwrap().split('"').nth(3).unwrap();
        taken = scratch.path(name);
        fs::write(&taken, "another program's\n").unwrap();
    });
    if ran.is_none() {
        return;
    }
    assert_eq!(lines(&taken), ["another program's"]);
    let archives = Family::of(&scratch.log).unwrap().archives;
    let found: Vec<_> = archives.iter().flat_map(|file| lines(file)).collect();
    assert_eq!(found, ["another program's", "one"]);
    assert_eq!(lines(&scratch.log), ["two"]);
}

/// The new file can't be made, so the archive gets its name back, which has been taken meanwhile.
#[test]
fn the_undo_of_a_rotation_spares_a_new_log() {
    let scratch = scratch();
    // Which of the calls of its thread makes the file.
    let Some(trace) = run(&scratch.log, &[], |_| ()) else {
        return;
    };
    let makes = |line: &&str| line.contains("O_EXCL");
    let thread = |line: &str| line.split(' ').next().map(str::to_owned);
    let making = thread(trace.lines().find(makes).unwrap());
    let of_thread = trace
        .lines()
        .filter(|line| thread(line) == making && line.contains("openat("));
    let before = of_thread.take_while(|line| !makes(line)).count();
    let archives = || Family::of(&scratch.log).unwrap().archives;
    archives()
        .iter()
        .for_each(|file| fs::remove_file(file).unwrap());

    let fail = format!("inject=openat:error=ENOSPC:signal=STOP:when={}", before + 1);
    run(&scratch.log, &["-e", &fail], |_| {
        assert!(!scratch.log.exists());
        fs::write(&scratch.log, "another program's\n").unwrap();
    });
    assert_eq!(archives().len(), 2);
    let found: Vec<_> = archives().iter().flat_map(|file| lines(file)).collect();
    assert_eq!(found, ["one", "another program's"]);
    assert_eq!(lines(&scratch.log), ["two"]);
}
