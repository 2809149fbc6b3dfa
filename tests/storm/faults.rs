//! Disks that fill up, files and directories that go or change, calls that fail, programs that
//! rotate. Each with its real cause, as far as this machine and user allow.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit};

use crate::common::{as_nobody, scratch, Scratch, SmallDisk};
use crate::storms::{run, Row};
use crate::writer::{Outcome, Plan, Writer, PLAN};

mod forks;
mod replaced;
mod system_calls;

/// Writes about a thousand records a second, of up to 2 KB.
pub fn paced() -> Plan {
    Plan {
        pause: (500, 1_500),
        largest: 2_000,
        ..PLAN
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Every file below a directory.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}

/// A row of three paced writers, with `meanwhile` done to them and their directory; of the files
/// there every one counts but those called `not-a-log`.
fn fault(what: &str, scratch: &Scratch, plan: Plan, meanwhile: impl FnOnce(&mut [Writer])) -> Row {
    let outcomes = run(&scratch.log, &vec![plan; 3], meanwhile);
    row(what, scratch, &outcomes)
}

/// Runs three writers as children of `wrapper`, to their end.
pub fn run_under(wrapper: &[&str], scratch: &Scratch, plan: &Plan) -> Vec<Outcome> {
    let mut writers: Vec<Writer> = (0..3)
        .map(|id| Writer::start_under(wrapper, &scratch.log, id, plan))
        .collect();
    writers.iter_mut().for_each(Writer::go);
    writers.into_iter().map(Writer::stop).collect()
}

pub fn row(what: &str, scratch: &Scratch, outcomes: &[Outcome]) -> Row {
    let mut files = files_below(scratch.dir.path());
    files.retain(|file| file.file_name().unwrap() != "not-a-log");
    Row::new(what, &files, outcomes)
}

#[test]
#[ignore = "a storm"]
fn a_disk_that_fills_up() {
    let Some(disk) = SmallDisk::mount("a disk that fills up", 64 * 1024) else {
        return;
    };
    let scratch = &disk.0;
    let what = "disk full in mid-record, freed and filled again 5 times";
    fault(what, scratch, paced(), |_| {
        let filler = scratch.path("not-a-log");
        for _ in 0..5 {
            thread::sleep(ms(300));
            let mut file = fs::File::create(&filler).unwrap();
            let block = vec![0; 1 << 20];
            while std::io::Write::write_all(&mut file, &block).is_ok() {}
            thread::sleep(ms(300));
            drop(file);
            fs::remove_file(&filler).unwrap();
        }
        thread::sleep(ms(200));
    })
    .prove();
}

#[test]
#[ignore = "a storm"]
fn a_read_only_remount() {
    let Some(disk) = SmallDisk::mount("a read-only remount", 64 * 1024) else {
        return;
    };
    let scratch = &disk.0;
    let remount = |how: &str| {
        let options = format!("remount,{how}");
        let directory = scratch.dir.path();
        let mount = || {
            Command::new("mount")
                .args(["-o", &options])
                .arg(directory)
                .output()
        };
        // It is refused while somebody is just writing.
        while !mount().unwrap().status.success() {}
    };
    fault(
        "remounted read-only and back, 5 times",
        scratch,
        paced(),
        |_| {
            for _ in 0..5 {
                thread::sleep(ms(200));
                remount("ro");
                thread::sleep(ms(200));
                remount("rw");
            }
        },
    )
    .prove();
}

#[test]
#[ignore = "a storm"]
fn a_limit_on_file_size() {
    let scratch = scratch();
    let plan = Plan {
        records: 1_000,
        largest: 2_000,
        ..PLAN
    };
    let shell = ["sh", "-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh"];
    let outcomes = run_under(&shell, &scratch, &plan);
    row(
        "`RLIMIT_FSIZE` reached in mid-record, file by file",
        &scratch,
        &outcomes,
    )
    .prove();
}

#[test]
#[ignore = "a storm"]
fn no_descriptors_left() {
    let scratch = scratch();
    fault(
        "`RLIMIT_NOFILE`: no descriptors left, 5 times",
        &scratch,
        paced(),
        |writers| {
            for _ in 0..5 {
                for current in [Some(3), Some(1_024)] {
                    thread::sleep(ms(200));
                    for writer in &mut *writers {
                        let pid = Pid::from_child(&writer.process);
                        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
                        let limit = Rlimit { current, maximum };
                        rustix::process::prlimit(Some(pid), Resource::Nofile, limit).unwrap();
                    }
                }
            }
        },
    )
    .prove();
}

#[test]
#[ignore = "a storm"]
fn permission_taken_away() {
    let mut scratch = scratch();
    let directory = scratch.path("logs");
    fs::create_dir(&directory).unwrap();
    scratch.log = directory.join("app.log");
    let plan = Plan {
        returns: true,
        ..paced()
    };
    let mut writers: Vec<Writer> = (0..3)
        .map(|id| {
            let arguments = plan.arguments(&scratch.log, id);
            let arguments = arguments.each_ref().map(String::as_str);
            Writer::from_command(id, &mut as_nobody("writer::writes", &arguments, &scratch))
        })
        .collect();
    writers.iter_mut().for_each(Writer::go);
    let allow = |path: &Path, mode| {
        // Of a file that is not there yet there is nothing to take away.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
        thread::sleep(ms(100));
    };
    for _ in 0..5 {
        allow(&scratch.log, 0o000);
        allow(&scratch.log, 0o644);
        allow(&directory, 0o000);
        allow(&directory, 0o755);
    }
    let outcomes: Vec<Outcome> = writers.into_iter().map(Writer::stop).collect();
    let _ = fs::remove_file(scratch.path("binary"));
    row(
        "permission of file and directory taken away and given back",
        &scratch,
        &outcomes,
    )
    .prove();
}
