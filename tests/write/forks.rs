//! Processes that fork: what a child does with locks, a guard and a backlog of its parent's.

#![cfg(unix)]

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tracing_fallback_file::FileAppender;
use tracing_subscriber::fmt::MakeWriter;

use crate::common::{
    self, arguments, family_lines, forked, hold, lines, scratch, write, Child, Forked,
};

/// The child keeps a copy of every handle, and of the lock that goes with it, until it ends.
#[test]
fn a_child_forked_while_a_guard_is_alive_does_not_keep_the_lock() {
    let scratch = scratch();
    Child::run("forks::forks_under_a_guard", &scratch.log);
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
            children.push(forked(|| loop {
                std::thread::park();
            }));
        }
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
    });
    drop(hold(log));
    children.into_iter().for_each(Forked::kill);
    assert_eq!(appender.stats().switches, 0);
}

#[test]
fn a_forked_child_leaves_its_parent_s_backlog_to_it() {
    let scratch = scratch();
    Child::run("forks::forks_with_a_backlog", &scratch.log);
    let mut found = lines(&scratch.log);
    found.sort_unstable();
    let expected = ["more of the child", "of the child", "of the parent"];
    assert_eq!(found, expected);
}

#[test]
#[ignore = "a child of the others"]
fn forks_with_a_backlog() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let appender = common::without_variants(log);
    let held = hold(log);
    write(&appender, "of the parent");
    let child = forked(|| {
        write(&appender, "of the child");
        write(&appender, "more of the child");
        let _ = appender.flush(Duration::from_secs(10));
    });
    drop(held);
    child.end();
    appender.flush(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_forked_child_keeps_its_own_backlog() {
    let scratch = scratch();
    Child::run("forks::forks_before_a_backlog", &scratch.log);
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
    let child = forked(|| {
        let held = hold(log);
        write(&appender, "of the child");
        write(&appender, "more of the child");
        drop(held);
        // Nobody calls: the child has a thread of its own for this.
        common::wait_until(|| appender.stats().pending == 0);
    });
    child.end();
}

/// A fork takes only one thread along, and the locks as they are.
#[test]
fn forked_children_log_whatever_other_threads_were_at() {
    let scratch = scratch();
    Child::run("forks::forks_while_threads_log", &scratch.log);
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
            let work = || (0..10).for_each(|n| write(&appender, &format!("child {child} {n}")));
            forked(work).end();
        }
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
    });
}
