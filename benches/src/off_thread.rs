//! Records that a thread of tracing-appender's `non_blocking` writes.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_fallback_file::FileAppender;

use crate::guard::record;
use crate::logs::{batches, tracing_appender_at};
use crate::measure::{calls_in_turns, ratio, timed, Calls, Effort};
use crate::place::{places, Place};
use crate::report::Report;

const BYTES: usize = 20_000_000;

/// Between two calls of a caller that does other things as well.
const PAUSE: Duration = Duration::from_micros(200);

/// After the guard is dropped.
const LATEST: Duration = Duration::from_secs(60);

/// The callers run the same code; that much is noise.
const NOT_ABOVE: f64 = 1.05;

type Opened = (NonBlocking, WorkerGuard);
type Open = fn(&Path) -> Opened;

const WRITERS: [(&str, Open); 3] = [
    ("tracing-appender, lossless", |path| {
        lossless(tracing_appender_at(path))
    }),
    ("tracing-fallback-file", |path| {
        FileAppender::new(path).unwrap().non_blocking()
    }),
    (NO_FILE, |_| lossless(io::sink())),
];

const NO_FILE: &str = "the queue alone, into no file";

fn lossless(writer: impl Write + Send + 'static) -> Opened {
    NonBlockingBuilder::default().lossy(false).finish(writer)
}

pub fn off_thread(report: &mut Report, effort: Effort) {
    report.section(
        "Off the caller's thread",
        "`non_blocking`, with a queue that has room for all. Until in the file: from the first call \
         until the guard is dropped and the file has every record; the ratio is to \
         tracing-appender's own file. What a caller does is the same code in both, so that 1 is \
         expected, and 1.05 is taken for noise. The last rows are what the queue takes without a file, and a \
         writer of 64 KiB batches into one open file without a queue. Flat out with 4 KiB records \
         most of the time is the caller's: the queue grows, and its memory comes page by page.",
    );
    for (threads, size, pause) in [
        (1, 200, Duration::ZERO),
        (8, 200, Duration::ZERO),
        (1, 4096, Duration::ZERO),
        (1, 200, PAUSE),
    ] {
        for place in places() {
            case(report, effort, threads, size, pause, place);
        }
    }
}

fn case(
    report: &mut Report,
    effort: Effort,
    threads: usize,
    size: usize,
    pause: Duration,
    place: Place,
) {
    let record = record(size);
    let records = match pause {
        Duration::ZERO => effort.records(BYTES / size),
        _ => effort.records(2_000),
    };
    let each = records / threads;
    // Flat out a turn is short, and has one of two speeds, as the threads happen to meet.
    let rounds = match pause {
        Duration::ZERO => 5 * effort.rounds,
        _ => effort.rounds,
    };
    let turns = calls_in_turns(Effort { rounds, ..effort }, WRITERS.len() + 1, |n| {
        let dir = place.directory();
        let path = dir.path().join("app.log");
        match WRITERS.get(n) {
            Some((name, open)) => {
                let length = match *name {
                    NO_FILE => None,
                    _ => Some(record.len() * each * threads),
                };
                let (total, calls) = write(open(&path), &record, threads, each, pause);
                let dropped = Instant::now();
                while length.is_some_and(|length| written(&path) < length as u64) {
                    assert!(dropped.elapsed() < LATEST, "records are missing");
                    thread::yield_now();
                }
                (total + dropped.elapsed().as_secs_f64(), calls)
            }
            None => {
                let total = timed(|| batches(&path, &record, each * threads));
                (total.as_secs_f64(), Calls::new())
            }
        }
    });
    let to_theirs = |n: usize| ratio(&turns[n].0, &turns[0].0);
    let callers = match threads {
        1 => "one thread".to_owned(),
        n => format!("{n} threads"),
    };
    let rate = match pause {
        Duration::ZERO => "flat out",
        _ => "a call every 200 µs",
    };
    let name = format!("{callers}, {size}-byte records, {rate}, on {}", place.name);
    let rows = WRITERS.iter().enumerate().map(|(n, (writer, _))| {
        let calls = turns[n].1.cells();
        format!("{writer} | {:.2} | {calls}", to_theirs(n))
    });
    let floor = to_theirs(WRITERS.len());
    report.table(
        &name,
        "writer | until in the file | caller's p50 µs | p99 µs | p99.9 µs | longest µs",
        // Without pauses, whatever the callers do.
        rows.chain(
            pause
                .is_zero()
                .then(|| format!("64 KiB batches, bare | {floor:.2} | – | – | – | –")),
        ),
    );
    if pause.is_zero() && size == 200 {
        report.at_most(&format!("until in the file: {name}"), to_theirs(1), 0.5);
    }
    for percentile in [50.0, 99.0] {
        let [theirs, ours] = [0, 1].map(|n| turns[n].1.percentile(percentile).as_secs_f64());
        report.at_most(
            &format!("caller's p{percentile}: {name}"),
            ours / theirs,
            NOT_ABOVE,
        );
    }
}

fn written(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Until the guard is dropped.
fn write(
    (writer, guard): Opened,
    record: &[u8],
    threads: usize,
    each: usize,
    pause: Duration,
) -> (f64, Calls) {
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|_| {
                let mut writer = writer.clone();
                let start = &start;
                scope.spawn(move || {
                    let mut calls = Calls::new();
                    start.wait();
                    let started = Instant::now();
                    for _ in 0..each {
                        calls.time(|| writer.write_all(record).unwrap());
                        let called = Instant::now();
                        while called.elapsed() < pause {
                            std::hint::spin_loop();
                        }
                    }
                    (started, calls)
                })
            })
            .collect();
        start.wait();
        // This thread may have to wait for a core until they are half done.
        let mut first = Instant::now();
        let mut calls = Calls::new();
        for caller in callers {
            let (started, its_calls) = caller.join().unwrap();
            first = first.min(started);
            calls.add(&its_calls);
        }
        drop(guard);
        (first.elapsed().as_secs_f64(), calls)
    })
}
