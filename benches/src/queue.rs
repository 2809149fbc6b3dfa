//! The queue of this crate at rest, and for a record that is alone in it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use tracing_fallback_file::{FileAppender, NonBlocking, QueuePlace, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

use crate::guard::record;
use crate::measure::{calls_in_turns, micros, Calls, Effort};
use crate::place::DISK;
use crate::report::Report;

/// The name of the queue's thread, as the system cuts it.
const WORKER: &str = "fallback-writer";

/// After this time without a record the worker sleeps.
const REST: Duration = Duration::from_millis(2);

/// A `flush` takes less.
const LATEST: Duration = Duration::from_secs(60);

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
        "A record alone: from the call, while the worker sleeps, until the file has it. Either the \
         caller sleeps in `flush` until then, or it looks at the file's length again and again. A \
         caller that keeps its processor busy can keep a thread that it wakes waiting for that \
         processor; the last row is this delay without a queue. Idle: the worker's thread after a \
         record, by `/proc`. Memory: what an appender with its worker, after a record, adds to the \
         process beside the mapped segments (`RssAnon`), the average of 100.",
    );
    let alone = alone(effort);
    let rows = [
        "until `flush` has returned",
        "until a busy caller sees it",
        "the same, of a thread that a `Condvar` wakes and that appends it",
    ];
    let rows = rows.iter().zip(&alone);
    report.table(
        "200-byte records, one after the other, on disk",
        "a record alone | p50 µs | p99 µs | p99.9 µs | longest µs",
        rows.map(|(row, calls)| format!("{row} | {}", calls.cells())),
    );
    let time = Duration::from_millis(effort.records(10_000) as u64);
    let (wake_ups, processor) = idle(time);
    let memory = memory();
    let seconds = time.as_secs();
    let rows = [
        format!("idle for {seconds} s: wake-ups | {wake_ups}"),
        format!(
            "idle for {seconds} s: processor time | {} µs",
            micros(processor)
        ),
        format!("memory of an appender | {memory:.1} KiB"),
    ];
    report.table("At rest", "what | measured", rows);
    report.within(
        "a record alone, until `flush` has returned, p99",
        alone[0].percentile(99.0),
        Duration::from_millis(1),
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

/// The turns of a queue whose caller sleeps, of one whose caller is busy, and of a bare thread.
fn alone(effort: Effort) -> Vec<Calls> {
    let turns = calls_in_turns(effort, 3, |contender| {
        let dir = DISK.directory();
        let path = dir.path().join("app.log");
        let record = record(200);
        let records = effort.records(300) as u64;
        let calls = match contender {
            0 => {
                let (writer, guard) = open(&path);
                one_by_one(records, |_| {
                    log(&writer, &record);
                    guard.flush(LATEST).unwrap();
                })
            }
            1 => {
                let (writer, _guard) = open(&path);
                one_by_one(records, |n| {
                    log(&writer, &record);
                    await_length(&path, n * 200);
                })
            }
            _ => {
                let (wake, woken) = (Condvar::new(), Mutex::new(0));
                thread::scope(|scope| {
                    scope.spawn(|| append_when_woken(&path, &record, records, (&wake, &woken)));
                    one_by_one(records, |n| {
                        *woken.lock().unwrap() = n;
                        wake.notify_one();
                        await_length(&path, n * 200);
                    })
                })
            }
        };
        (0.0, calls)
    });
    turns.into_iter().map(|(_, calls)| calls).collect()
}

fn one_by_one(records: u64, mut call: impl FnMut(u64)) -> Calls {
    let mut calls = Calls::new();
    for n in 1..=records {
        thread::sleep(REST);
        calls.time(|| call(n));
    }
    calls
}

fn await_length(path: &Path, length: u64) {
    while fs::metadata(path).map_or(0, |file| file.len()) < length {
        std::hint::spin_loop();
    }
}

fn append_when_woken(
    path: &Path,
    record: &[u8],
    records: u64,
    (wake, woken): (&Condvar, &Mutex<u64>),
) {
    for n in 1..=records {
        drop(wake.wait_while(woken.lock().unwrap(), |woken| *woken < n));
        let file = File::options().create(true).append(true).open(path);
        file.unwrap().write_all(record).unwrap();
    }
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
    guard.flush(LATEST).unwrap();
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
        guard.flush(LATEST).unwrap();
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
