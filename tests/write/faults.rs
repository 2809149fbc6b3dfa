//! Files that go, change, fill up or refuse, while the appender runs.

use crate::common;

use std::fs;
use std::sync::{Arc, Mutex};

use common::{lines, scratch, write, Scratch};
use tracing_fallback_file::{FileAppender, SwitchReason};

fn reasons(scratch: &Scratch) -> (FileAppender, Arc<Mutex<Vec<SwitchReason>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let appender = FileAppender::builder()
        .on_switch(move |switch| sink.lock().unwrap().push(switch.reason.clone()))
        .build(&scratch.log)
        .unwrap();
    (appender, seen)
}

#[test]
fn a_directory_in_the_primary_s_place_is_inaccessible() {
    let scratch = scratch();
    fs::create_dir(&scratch.log).unwrap();
    fs::create_dir(scratch.variant(1)).unwrap();
    let (appender, seen) = reasons(&scratch);
    write(&appender, "one");
    assert_eq!(lines(&scratch.variant(2)), ["one"]);
    assert_eq!(
        appender.stats().lock_retries,
        0,
        "there is nothing to wait for"
    );
    common::wait_until(|| !seen.lock().unwrap().is_empty());
    let seen = seen.lock().unwrap();
    assert!(
        matches!(seen[..], [SwitchReason::Inaccessible(_)]),
        "{seen:?}"
    );
}

#[test]
fn a_directory_that_goes_is_made_again() {
    let scratch = scratch();
    let log = scratch.path("a/b/app.log");
    let appender = FileAppender::new(&log).unwrap();
    write(&appender, "one");
    fs::remove_dir_all(scratch.path("a")).unwrap();
    write(&appender, "two");
    assert_eq!(lines(&log), ["two"]);
    assert_eq!(appender.stats().switches, 0);
}

#[test]
fn a_primary_that_goes_is_made_again() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    fs::rename(&scratch.log, scratch.path("moved.log")).unwrap();
    write(&appender, "two");
    fs::remove_file(&scratch.log).unwrap();
    write(&appender, "three");
    assert_eq!(lines(&scratch.path("moved.log")), ["one"]);
    assert_eq!(lines(&scratch.log), ["three"]);
    assert_eq!(appender.stats().switches, 0);
}

#[test]
fn a_file_in_the_directory_s_place_keeps_records_until_it_goes() {
    let scratch = scratch();
    let log = scratch.path("logs/app.log");
    let appender = FileAppender::new(&log).unwrap();
    fs::remove_dir(scratch.path("logs")).unwrap();
    fs::write(scratch.path("logs"), "").unwrap();
    write(&appender, "one");
    write(&appender, "two");
    assert_eq!(appender.stats().pending, 2);
    fs::remove_file(scratch.path("logs")).unwrap();
    write(&appender, "three");
    assert_eq!(lines(&log), ["one", "two", "three"]);
}

/// What a writer leaves that was killed while the system copied its record.
#[test]
fn half_a_line_at_the_end_of_the_file_does_not_spoil_the_next_record() {
    let scratch = scratch();
    fs::write(&scratch.log, "whole\nhal").unwrap();
    fs::write(scratch.variant(1), "hal").unwrap();
    let appender = FileAppender::new(&scratch.log).unwrap();
    write(&appender, "one");
    write(&appender, "two");
    assert_eq!(lines(&scratch.log), ["whole", "hal", "one", "two"]);
    let held = common::hold(&scratch.log);
    write(&appender, "three");
    drop(held);
    assert_eq!(lines(&scratch.variant(1)), ["hal", "three"]);

    let late = FileAppender::new(scratch.path("late.log")).unwrap();
    fs::write(scratch.path("late.log"), "hal").unwrap();
    write(&late, "four");
    assert_eq!(lines(&scratch.path("late.log")), ["hal", "four"]);
}

#[cfg(unix)]
mod unix {
    use std::io::{ErrorKind, Write};
    use std::os::unix::fs::{symlink, PermissionsExt};
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::common::{arguments, as_nobody, family, family_lines, hold, say, Child, SmallDisk};

    #[test]
    fn a_looping_link_in_the_primary_s_place_is_inaccessible() {
        let scratch = scratch();
        symlink("app.log", &scratch.log).unwrap();
        let (appender, seen) = reasons(&scratch);
        write(&appender, "one");
        assert_eq!(lines(&scratch.variant(1)), ["one"]);
        common::wait_until(|| !seen.lock().unwrap().is_empty());
        assert!(matches!(
            seen.lock().unwrap()[..],
            [SwitchReason::Inaccessible(_)]
        ));
    }

    #[test]
    fn a_dangling_link_is_followed_if_it_can_be() {
        let scratch = scratch();
        symlink("target.log", &scratch.log).unwrap();
        let (appender, _) = reasons(&scratch);
        write(&appender, "one");
        assert_eq!(lines(&scratch.path("target.log")), ["one"]);

        let scratch = common::scratch();
        symlink("no/such/target.log", &scratch.log).unwrap();
        let (appender, seen) = reasons(&scratch);
        write(&appender, "one");
        assert_eq!(lines(&scratch.variant(1)), ["one"]);
        common::wait_until(|| !seen.lock().unwrap().is_empty());
        let expected = SwitchReason::Inaccessible(ErrorKind::NotFound);
        assert_eq!(seen.lock().unwrap()[..], [expected]);
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
        let log = Path::new(&arguments[0]);
        let scratch = Scratch {
            dir: tempfile::tempdir().unwrap(),
            log: log.to_owned(),
        };
        let (appender, seen) = reasons(&scratch);
        write(&appender, "one");
        write(&appender, "two");
        common::wait_until(|| !seen.lock().unwrap().is_empty());
        say(&format!("{:?}", seen.lock().unwrap()));
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
        Child::start(
            "faults::unix::runs_out_of_descriptors",
            &[scratch.log.to_str().unwrap()],
        )
        .end();
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

    /// The child keeps a copy of every handle, and of the lock that goes with it, until it ends.
    #[test]
    fn a_child_forked_while_a_guard_is_alive_does_not_keep_the_lock() {
        let scratch = scratch();
        Child::start(
            "faults::unix::forks_under_a_guard",
            &[scratch.log.to_str().unwrap()],
        )
        .end();
    }

    #[test]
    #[ignore = "a child of the others"]
    fn forks_under_a_guard() {
        let Some(arguments) = arguments() else { return };
        let log = Path::new(&arguments[0]);
        let appender = FileAppender::new(log).unwrap();
        // Forks come while another thread is busy with the lock, so that some fall into a commit.
        let mut children = Vec::new();
        let busy = std::sync::atomic::AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while busy.load(std::sync::atomic::Ordering::Relaxed) {
                    write(&appender, &"x".repeat(10_000));
                }
            });
            for _ in 0..50 {
                let mut guard = appender.make_writer();
                guard.write_all(b"half a record").unwrap();
                match fork::fork().unwrap() {
                    fork::Fork::Child => loop {
                        std::thread::park();
                    },
                    fork::Fork::Parent(child) => children.push(child),
                }
            }
            busy.store(false, std::sync::atomic::Ordering::Relaxed);
        });
        drop(hold(log));
        for child in children {
            let pid = rustix::process::Pid::from_raw(child).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            wait_for(child);
        }
        assert_eq!(appender.stats().switches, 0);
    }

    #[test]
    fn a_forked_child_leaves_its_parent_s_backlog_to_it() {
        let scratch = scratch();
        Child::start(
            "faults::unix::forks_with_a_backlog",
            &[scratch.log.to_str().unwrap()],
        )
        .end();
        let mut found = lines(&scratch.log);
        found.sort_unstable();
        let expected = ["more of the child", "of the child", "of the parent"];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_forked_child_keeps_its_own_backlog() {
        let scratch = scratch();
        Child::start(
            "faults::unix::forks_before_a_backlog",
            &[scratch.log.to_str().unwrap()],
        )
        .end();
        let expected = ["of the parent", "of the child", "more of the child"];
        assert_eq!(lines(&scratch.log), expected);
    }

    #[test]
    #[ignore = "a child of the others"]
    fn forks_before_a_backlog() {
        let Some(arguments) = arguments() else { return };
        let log = Path::new(&arguments[0]);
        let appender = common::without_variants(log);
        write(&appender, "of the parent");
        match fork::fork().unwrap() {
            fork::Fork::Child => {
                let held = hold(log);
                write(&appender, "of the child");
                write(&appender, "more of the child");
                drop(held);
                // Nobody calls: the child has a thread of its own for this.
                while appender.stats().pending > 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                end_child();
            }
            fork::Fork::Parent(child) => wait_for(child),
        }
    }

    /// In a forked child: ends it without what a process does at its end, which is the parent's.
    fn end_child() -> ! {
        let this = rustix::process::getpid();
        rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
        unreachable!()
    }

    fn wait_for(child: i32) {
        let child = rustix::process::Pid::from_raw(child).unwrap();
        rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty()).unwrap();
    }

    #[test]
    #[ignore = "a child of the others"]
    fn forks_with_a_backlog() {
        let Some(arguments) = arguments() else { return };
        let log = Path::new(&arguments[0]);
        let appender = common::without_variants(log);
        let held = hold(log);
        write(&appender, "of the parent");
        match fork::fork().unwrap() {
            fork::Fork::Child => {
                write(&appender, "of the child");
                write(&appender, "more of the child");
                let _ = appender.flush(Duration::from_secs(10));
                end_child();
            }
            fork::Fork::Parent(child) => {
                drop(held);
                wait_for(child);
                appender.flush(Duration::from_secs(10)).unwrap();
            }
        }
    }

    /// A fork takes only one thread along, and the locks as they are.
    #[test]
    fn forked_children_log_whatever_other_threads_were_at() {
        let scratch = scratch();
        Child::start(
            "faults::unix::forks_while_threads_log",
            &[scratch.log.to_str().unwrap()],
        )
        .end();
        let found = family_lines(&scratch.log);
        let of_children = found
            .iter()
            .filter(|line| line.starts_with("child"))
            .count();
        assert_eq!(of_children, 100 * 10);
        let mut unique = found.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), found.len());
    }

    #[test]
    #[ignore = "a child of the others"]
    fn forks_while_threads_log() {
        let Some(arguments) = arguments() else { return };
        let appender = FileAppender::new(&arguments[0]).unwrap();
        let busy = std::sync::atomic::AtomicBool::new(true);
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (appender, busy) = (&appender, &busy);
                scope.spawn(move || {
                    let mut n = 0;
                    while busy.load(std::sync::atomic::Ordering::Relaxed) {
                        write(appender, &format!("thread {thread} {n}"));
                        n += 1;
                    }
                });
            }
            for child in 0..100 {
                match fork::fork().unwrap() {
                    fork::Fork::Child => {
                        (0..10).for_each(|n| write(&appender, &format!("child {child} {n}")));
                        end_child();
                    }
                    fork::Fork::Parent(child) => wait_for(child),
                }
            }
            busy.store(false, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
