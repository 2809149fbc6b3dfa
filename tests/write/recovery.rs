//! The recovery of queues while the disk is full, or while its process forks.

// Elsewhere a queue may lie in memory.
#![cfg(target_os = "linux")]

use crate::common;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{symlink, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{
    arguments, assert_each_once, family_lines, hold, queues_in, say, scratch, wait_until, write,
    Child, Scratch,
};
use rustix::fs::{mknodat, FileType, Mode, CWD};
use rustix::process::{getpid, kill_process, Pid, Signal};
use tracing_fallback_file::FileAppender;

/// A limit for what never comes.
const FLUSH: Duration = Duration::from_secs(100);

/// Makes a queue with the records 0 to 99, whose process is gone; the log is locked.
fn make_orphan(scratch: &Scratch) -> PathBuf {
    let arguments = [scratch.log.to_str().unwrap(), "kill"];
    let mut child = Child::start("queue::queues_and_ends", &arguments);
    child.expect("queued");
    child.kill();
    queues_in(scratch.dir.path()).remove(0)
}

fn records() -> impl Iterator<Item = String> {
    (0..100).map(|n: u32| n.to_string())
}

/// What has the name of a queue and is none, of several kinds.
fn make_hostile_queue(scratch: &Scratch, n: u32) -> PathBuf {
    let path = scratch.path(&format!(".app.log.{n:x}-0.queue"));
    let whole_header = [
        &b"tffqueue"[..],
        &1_u64.to_le_bytes(),
        &4096_u64.to_le_bytes(),
    ];
    match n % 6 {
        0 => symlink("/etc/passwd", &path).unwrap(),
        1 => mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap(),
        2 => fs::hard_link(scratch.path("linked"), &path).unwrap(),
        3 => fs::write(&path, "of somebody").unwrap(),
        4 => fs::write(&path, whole_header.concat()).unwrap(),
        _ => fs::create_dir(&path).unwrap(),
    }
    path
}

#[test]
fn a_thousand_hostile_queues_on_a_full_disk_take_nothing_from_another() {
    let test = "a_thousand_hostile_queues_on_a_full_disk_take_nothing_from_another";
    let Some(disk) = common::SmallDisk::mount(test, 8 * 1024) else {
        return;
    };
    let scratch = &disk.0;
    let held = hold(&scratch.log);
    make_orphan(scratch);
    fs::write(scratch.path("linked"), "").unwrap();
    let mut hostile: Vec<PathBuf> = (0..1_000).map(|n| make_hostile_queue(scratch, n)).collect();
    // And one whose lock a stranger never lets go.
    let locked = scratch.path(".app.log.ffff-0.queue");
    fs::copy(scratch.path("linked"), &locked).unwrap();
    let _stranger = hold(&locked);
    hostile.push(locked);
    let filler = scratch.path("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    drop(held);

    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "another");
    assert_eq!(appender.stats().pending, 1);
    fs::remove_file(&filler).unwrap();
    wait_until(|| family_lines(&scratch.log).len() == 101);
    assert_each_once(&scratch.log, records().chain(["another".to_owned()]));
    hostile.sort();
    wait_until(|| queues_in(scratch.dir.path()).len() == hostile.len());
    let mut left = queues_in(scratch.dir.path());
    left.sort();
    assert_eq!(left, hostile);
}

/// Returns true if somebody has the file locked.
fn is_locked(path: &Path) -> bool {
    let Ok(found) = path.metadata() else {
        return false;
    };
    let inode = format!(":{} ", found.ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|lock| lock.contains(&inode))
}

/// Recovers a queue while the log is locked, and forks in the middle of that. The child has the handle
/// and the lock of the queue as well.
#[test]
#[ignore = "a child of the others"]
fn forks_during_a_recovery() {
    let Some(arguments) = arguments() else { return };
    common::abort_when_stuck();
    let builder = FileAppender::builder().max_variants(0);
    let builder = builder.lock_wait(Duration::from_millis(500));
    let appender = builder.build(&arguments[0]).unwrap();
    // A thread goes on with it.
    wait_until(|| is_locked(Path::new(&arguments[1])));
    let child = common::forked(|| {
        if arguments[2] == "logs" {
            say("forked");
            write(&appender, "of the child");
            appender.flush(FLUSH).unwrap();
        } else {
            say(&getpid().as_raw_nonzero().to_string());
            std::thread::sleep(FLUSH);
        }
    });
    child.end_in_any_way();
    write(&appender, "of the parent");
    appender.flush(FLUSH).unwrap();
}

#[test]
fn a_fork_in_the_middle_of_a_recovery_neither_loses_nor_doubles_a_record() {
    for ends in ["logs", "killed"] {
        let scratch = scratch();
        let held = hold(&scratch.log);
        let orphan = make_orphan(&scratch);
        let log = scratch.log.to_str().unwrap();
        let arguments = [log, orphan.to_str().unwrap(), ends];
        let mut child = Child::start("recovery::forks_during_a_recovery", &arguments);
        let mut expected: Vec<String> = records().collect();
        if ends == "logs" {
            child.expect("forked");
            drop(held);
            child.end();
            expected.extend(["of the child", "of the parent"].map(str::to_owned));
        } else {
            let forked = Pid::from_raw(child.hear().parse().unwrap()).unwrap();
            child.kill();
            // The queue has a process that has it locked.
            FileAppender::builder()
                .max_variants(0)
                .build(&scratch.log)
                .unwrap();
            assert_eq!(queues_in(scratch.dir.path()).len(), 1);
            kill_process(forked, Signal::KILL).unwrap();
            wait_until(|| !is_locked(&orphan));
            drop(held);
        }
        // Where the child kept the queue locked, its turn comes now.
        FileAppender::new(&scratch.log).unwrap();
        assert_each_once(&scratch.log, expected);
        assert!(queues_in(scratch.dir.path()).is_empty(), "{ends}");
    }
}
