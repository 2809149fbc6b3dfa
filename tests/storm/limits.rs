//! What a process may not do: how large its files get, which rights it has to them, how many threads.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tracing_fallback_file::FileAppender;
use tracing_subscriber::fmt::MakeWriter;

use crate::common::{self, as_nobody, family, scratch, SmallDisk};
use crate::faults::{paced, row, run_under};
use crate::record::{check, record, Claim};
use crate::storms::{run, Row};
use crate::writer::{Outcome, Plan, Writer, PLAN};

#[test]
#[ignore = "a storm"]
fn a_limit_on_file_size_that_would_end_the_process() {
    let scratch = scratch();
    let plan = Plan {
        records: 1_000,
        largest: 2_000,
        ..PLAN
    };
    let shell = ["sh", "-c", "ulimit -f 200; exec \"$@\"", "sh"];
    let outcomes = run_under(&shell, &scratch, &plan);
    let what = "`RLIMIT_FSIZE` reached, SIGXFSZ at its default";
    row(what, &scratch, &outcomes).prove();
}

#[test]
#[ignore = "a storm"]
fn a_umask_that_takes_the_owner_s_rights() {
    const NOBODY: u32 = 65_534;
    let scratch = scratch();
    let plan = Plan {
        records: 2_000,
        largest: 2_000,
        max_size: 20_000,
        ..PLAN
    };
    let mut writers: Vec<Writer> = (0..3)
        .map(|id| {
            let arguments = plan.arguments(&scratch.log, id);
            let arguments = arguments.each_ref().map(String::as_str);
            let child = as_nobody("writer::writes", &arguments, &scratch);
            let shell = ["sh", "-c", "umask 777; exec \"$@\"", "sh"];
            let mut command = common::wrapped(&shell, &child);
            if rustix::process::geteuid().is_root() {
                command.uid(NOBODY).gid(NOBODY).current_dir("/");
            }
            Writer::from_command(id, &mut command)
        })
        .collect();
    writers.iter_mut().for_each(Writer::go);
    let outcomes: Vec<Outcome> = writers.into_iter().map(Writer::stop).collect();
    let _ = fs::remove_file(scratch.path("binary"));
    let what = "`umask 777`, not root, flat out, rotation at 20 kB";
    row(what, &scratch, &outcomes).prove();
}

#[test]
#[ignore = "a storm"]
fn a_link_to_a_disk_that_is_full() {
    let Some(disk) = SmallDisk::mount("a link to a disk that is full", 64) else {
        return;
    };
    let scratch = scratch();
    let target = disk.0.path("target.log");
    symlink(&target, &scratch.log).unwrap();
    let plan = Plan {
        records: 500,
        ..paced()
    };
    let outcomes = run(&scratch.log, &vec![plan; 3], |_| ());
    let mut files = family(&scratch.log).unwrap();
    files.retain(|file| !file.is_symlink());
    files.push(target);
    let what = "primary a link to another disk, which gets full";
    Row::new(what, &files, &outcomes).prove();
}

/// Pieces stay where there are no locks: nothing is cut off that others may have written behind.
#[test]
#[ignore = "a storm"]
fn a_disk_without_locks_that_fills_up() {
    let strace = Command::new("strace").arg("-V").output();
    let has_strace = strace.is_ok_and(|output| output.status.success());
    let disk = SmallDisk::mount("a disk without locks that fills up", 4 * 1024);
    let (true, Some(disk)) = (has_strace, disk) else {
        eprintln!("SKIPPED a disk without locks that fills up: there is no strace here");
        return;
    };
    let scratch = &disk.0;
    let log = scratch.log.to_str().unwrap();
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", log];
    let fails = ["-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"];
    let plan = paced();
    let mut writers: Vec<Writer> = (0..3)
        .map(|id| Writer::start_under(&[&strace[..], &fails].concat(), &scratch.log, id, &plan))
        .collect();
    writers.iter_mut().for_each(Writer::go);
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(300));
        let filler = scratch.path("not-a-log");
        let mut file = fs::File::create(&filler).unwrap();
        while file.write(&[0; 512]).is_ok_and(|n| n > 0) {}
        thread::sleep(Duration::from_millis(100));
        fs::remove_file(&filler).unwrap();
    }
    let outcomes: Vec<Outcome> = writers.into_iter().map(Writer::stop).collect();
    let what = "file system without locks (`flock`: ENOLCK), full in mid-record 3 times";
    row(what, scratch, &outcomes).report_pieces("a piece stays each time");
}

#[test]
#[ignore = "a storm"]
fn many_threads_of_one_process() {
    const THREADS: u32 = 64;
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let until = Instant::now() + Duration::from_secs(2);
    let write = |writer| {
        let (mut numbers, mut longest) = (0.., Duration::ZERO);
        while Instant::now() < until {
            let record = record(writer, numbers.next().unwrap(), b"a payload of some length");
            let began = Instant::now();
            appender.make_writer().write_all(&record).unwrap();
            longest = longest.max(began.elapsed());
        }
        (numbers.start, longest)
    };
    let written: Vec<(u64, Duration)> = thread::scope(|scope| {
        let start = |writer| scope.spawn(move || write(writer));
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        let end = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap();
        threads.into_iter().map(end).collect()
    });
    let claims: Vec<Claim> = (0..THREADS)
        .zip(&written)
        .map(|(writer, (acknowledged, _))| Claim {
            writer,
            acknowledged: *acknowledged,
            killed: false,
            queued: false,
        })
        .collect();
    let files = family(&scratch.log).unwrap();
    Row {
        what: format!("{THREADS} threads of one process, flat out"),
        verdict: check(&files, &claims),
        longest: written.iter().map(|(_, longest)| *longest).max().unwrap(),
        files: files.len(),
        sees: "nothing".into(),
    }
    .prove();
    assert_eq!(appender.stats().switches, 0);
}
