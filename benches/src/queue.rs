//! The queue of this crate at rest, and for a record that is alone in it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tracing_fallback_file::{FileAppender, NonBlocking, QueuePlace, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

use crate::guard::record;
use crate::measure::{micros, Calls, Effort};
use crate::place::DISK;
use crate::report::Report;

/// The name of the queue's thread, as the system cuts it.
const WORKER: &str = "fallback-writer";

/// After this time without a record the worker sleeps.
const REST: Duration = Duration::from_millis(2);

const APPENDERS: usize = 100;

fn open(path: &Path) -> (NonBlocking, WorkerGuard) {
    let appender = FileAppender::new(path).unwrap();
    let queue = appender.non_blocking();
    assert_eq!(appender.stats().queue, QueuePlace::File);
    queue
}

fn log(writer: &NonBlocking, record: &[u8]) {
    writer.make_writer().write_all(record).unwrap();
}

pub fn queue(report: &mut Report, effort: Effort) {
    if !cfg!(target_os = "linux") {
        return;
    }
    report.section(
        "The queue at rest",
        "A record alone: from the call, while the worker sleeps, until the file has it, by a thread \
         that looks at the file's length again and again. Idle: the worker's thread after a record, by \
         `/proc`. Memory: what an appender with its worker, after a record, adds to the process beside \
         the mapped segments (`RssAnon`), the average of 100.",
    );
    let alone = alone(effort);
    let time = Duration::from_millis(effort.records(10_000) as u64);
    let (wake_ups, processor) = idle(time);
    let memory = memory();
    let seconds = time.as_secs();
    let rows = [
        format!(
            "a record alone, p50 | {} µs",
            micros(alone.percentile(50.0))
        ),
        format!("p99 | {} µs", micros(alone.percentile(99.0))),
        format!("the longest | {} µs", micros(alone.longest())),
        format!("idle for {seconds} s: wake-ups | {wake_ups}"),
        format!(
            "idle for {seconds} s: processor time | {} µs",
            micros(processor)
        ),
        format!("memory of an appender | {memory:.1} KiB"),
    ];
    report.table("200-byte records, on disk", "what | measured", rows);
    let limit = Duration::from_millis(1);
    report.within(
        "a record alone, until in the file, p99",
        alone.percentile(99.0),
        limit,
    );
    report.within("an idle queue's processor time", processor, Duration::ZERO);
    report.no_more("an idle queue's wake-ups", wake_ups as f64, 0.0, "");
    report.no_more(
        "memory of an appender beside the segments",
        memory,
        64.0,
        " KiB",
    );
}

fn alone(effort: Effort) -> Calls {
    let dir = DISK.directory();
    let path = dir.path().join("app.log");
    let (writer, _guard) = open(&path);
    let record = record(200);
    let length = || fs::metadata(&path).map_or(0, |file| file.len());
    let mut calls = Calls::new();
    for n in 1..=effort.records(1_000) as u64 {
        thread::sleep(REST);
        calls.time(|| {
            log(&writer, &record);
            while length() < n * 200 {
                std::hint::spin_loop();
            }
        });
    }
    calls
}

/// How often the worker has waited, and its processor time.
fn worker() -> (u64, Duration) {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let mut paths = tasks.map(|task| task.unwrap().path());
    let name = |path: &Path| fs::read_to_string(path.join("comm")).unwrap_or_default();
    let path = paths.find(|path| name(path).trim_end() == WORKER).unwrap();
    let status = fs::read_to_string(path.join("status")).unwrap();
    let mut lines = status.lines();
    let waits = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    let times = fs::read_to_string(path.join("schedstat")).unwrap();
    let nanos = times.split(' ').next().unwrap().parse().unwrap();
    let waits = waits.unwrap().trim().parse().unwrap();
    (waits, Duration::from_nanos(nanos))
}

fn idle(time: Duration) -> (u64, Duration) {
    let dir = DISK.directory();
    let (writer, guard) = open(&dir.path().join("app.log"));
    log(&writer, &record(200));
    guard.flush(Duration::from_secs(10)).unwrap();
    thread::sleep(Duration::from_millis(100));
    let before = worker();
    thread::sleep(time);
    let after = worker();
    (after.0 - before.0, after.1 - before.1)
}

/// In KiB.
fn memory() -> f64 {
    let dir = DISK.directory();
    let open = |n: usize| {
        let (writer, guard) = open(&dir.path().join(format!("{n}.log")));
        log(&writer, &record(200));
        guard.flush(Duration::from_secs(10)).unwrap();
        (writer, guard)
    };
    // What the process needs once.
    let first = open(APPENDERS);
    let before = resident();
    let all: Vec<_> = (0..APPENDERS).map(open).collect();
    let after = resident();
    drop((first, all));
    (after - before) / APPENDERS as f64
}

/// The memory of this process that is in no file, in KiB.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let anonymous = lines.find_map(|line| line.strip_prefix("RssAnon:"));
    let anonymous = anonymous.unwrap().trim().trim_end_matches(" kB");
    anonymous.parse().unwrap()
}
