//! One record at a time, on the thread that logs.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::logs::{Contender, FIVE_CALLS, OURS, PEERS, ROTATING, TRACING_APPENDER};
use crate::measure::{calls_in_turns, in_turns, ratio, timed, Calls, Effort};
use crate::place::{places, DISK};
use crate::report::Report;

const RECORDS: usize = 20_000;

pub fn one_thread(report: &mut Report, effort: Effort) {
    let contenders: Vec<Contender> = [FIVE_CALLS, OURS].into_iter().chain(PEERS).collect();
    report.section(
        "One record at a time",
        "One thread. The ratio is of the time for a record to that of the bare five system calls, \
         in a loop through rustix. The others keep their file open, and need one call or, if the \
         record is not written when the call returns, less.",
    );
    for place in places() {
        for size in [200, 4096] {
            let record = record(size);
            let mut written = vec![""; contenders.len()];
            let turns = calls_in_turns(effort, contenders.len(), |n| {
                let dir = place.directory();
                let path = dir.path().join("app.log");
                let log = (contenders[n].open)(&path);
                let records = effort.records(RECORDS);
                log(&record);
                let at_once = files_length(dir.path()) == record.len() as u64;
                (0..100).for_each(|_| log(&record));
                let took = timed(|| (0..records).for_each(|_| log(&record)));
                let mut calls = Calls::new();
                (0..records).for_each(|_| calls.time(|| log(&record)));
                written[n] = if at_once { "yes" } else { "no" };
                (took.as_secs_f64(), calls)
            });
            let to_floor = |n: usize| ratio(&turns[n].0, &turns[0].0);
            let rows = contenders.iter().enumerate().map(|(n, contender)| {
                let calls = turns[n].1.cells();
                let (name, written) = (contender.name, written[n]);
                format!("{name} | {written} | {:.2} | {calls}", to_floor(n))
            });
            report.table(
                &format!("{size}-byte records on {}", place.name),
                "log | written on return | ratio | p50 µs | p99 µs | p99.9 µs | longest µs",
                rows,
            );
            if size == 200 {
                report.at_most(
                    &format!(
                        "guard, one thread, to the bare five calls, on {}",
                        place.name
                    ),
                    to_floor(1),
                    1.10,
                );
            }
        }
    }
}

pub fn rotation(report: &mut Report, effort: Effort) {
    let contenders: Vec<Contender> = [OURS].into_iter().chain(ROTATING).collect();
    let record = record(200);
    let turns = calls_in_turns(effort, contenders.len(), |n| {
        let dir = DISK.directory();
        let log = (contenders[n].open)(&dir.path().join("app.log"));
        let records = effort.records(2 * RECORDS);
        let mut calls = Calls::new();
        let all = timed(|| (0..records).for_each(|_| calls.time(|| log(&record))));
        (all.as_secs_f64(), calls)
    });
    report.section(
        "Rotation",
        "One thread, 200-byte records, on the disk. The ratio is of the time for a record to that \
         of this crate without rotation; the others rotate at 1 MB. tracing-rolling-file does not \
         write at once.",
    );
    let names = ["tracing-fallback-file, no rotation"];
    let names = names.into_iter().chain(ROTATING.map(|log| log.name));
    report.table(
        "At 1 MB",
        "log | ratio | p50 µs | p99 µs | p99.9 µs | longest µs",
        names.zip(&turns).map(|(name, turn)| {
            let ratio = ratio(&turn.0, &turns[0].0);
            format!("{name} | {ratio:.2} | {}", turn.1.cells())
        }),
    );
}

pub fn threads(report: &mut Report, effort: Effort) {
    let counts = [1, 2, 8, 32];
    report.section(
        "Threads",
        "Threads that share one log and write flat out; 200-byte records. The ratio is of the time \
         for a record, all threads together, to that of one thread on the same log.",
    );
    let record = record(200);
    for place in places() {
        for contender in [OURS, TRACING_APPENDER] {
            let name = contender.name;
            let turns = in_turns(effort, counts.len(), |n| {
                let dir = place.directory();
                let path = dir.path().join("app.log");
                share(
                    &contender,
                    &path,
                    &record,
                    counts[n],
                    effort.records(RECORDS),
                )
            });
            let ratios = turns.iter().map(|turn| ratio(turn, &turns[0]));
            let rows = counts.iter().zip(ratios.clone());
            report.table(
                &format!("{name} on {}", place.name),
                "threads | ratio",
                rows.map(|(count, ratio)| format!("{count} | {ratio:.2}")),
            );
            if name == OURS.name {
                for (_, ratio) in counts.iter().zip(ratios).filter(|(count, _)| **count == 8) {
                    report.at_most(
                        &format!("8 threads on one appender to one, on {}", place.name),
                        ratio,
                        1.3,
                    );
                }
            }
        }
    }
}

/// The time for a record.
fn share(contender: &Contender, path: &Path, record: &[u8], threads: usize, records: usize) -> f64 {
    let log = (contender.open)(path);
    let start = Barrier::new(threads + 1);
    let each = records.div_ceil(threads);
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    log(record);
                    start.wait();
                    let started = Instant::now();
                    (0..each).for_each(|_| log(record));
                    started
                })
            })
            .collect();
        start.wait();
        // This thread may have to wait for a core until they are half done.
        let started = handles.into_iter().map(|handle| handle.join().unwrap());
        let first = started.min().unwrap();
        first.elapsed().as_secs_f64() / (each * threads) as f64
    })
}

/// Nothing but commits, for `ci/instructions`, which counts their instructions: of one writer, or
/// of two in turns, who take each other for strangers.
pub fn commits(arguments: &[String]) {
    let [commits, writers] = arguments else {
        panic!("commits NUMBER one|two");
    };
    let dir = DISK.directory();
    let path = dir.path().join("app.log");
    let mut logs = vec![(OURS.open)(&path)];
    let record = record(200);
    logs[0](&record);
    if writers == "two" {
        let link = dir.path().join("lnk.log");
        std::fs::hard_link(&path, &link).unwrap();
        logs.push((OURS.open)(&link));
    }
    for n in 0..commits.parse().unwrap() {
        logs[n % logs.len()](&record);
    }
}

fn files_length(directory: &Path) -> u64 {
    let files = std::fs::read_dir(directory).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

pub fn record(size: usize) -> Vec<u8> {
    let mut record = vec![b'x'; size - 1];
    record.push(b'\n');
    record
}
