//! Records that a thread writes: through the queue of this crate, and through tracing-appender's.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use tracing_appender::non_blocking as theirs;
use tracing_fallback_file::{self as ours, FileAppender, QueuePlace};
use tracing_subscriber::fmt::MakeWriter;

use crate::guard::record;
use crate::logs::{batches, tracing_appender_at};
use crate::measure::{calls_in_turns, ratio, timed, Calls, Effort};
use crate::place::{places, Place};
use crate::report::Report;

const BYTES: usize = 20_000_000;

/// A turn whose total is compared has this many times the records.
const LONGER: usize = 5;

/// Between two calls of a caller that does other things as well.
const PAUSE: Duration = Duration::from_micros(200);

/// After the guard is dropped.
const LATEST: Duration = Duration::from_secs(60);

type Opened = (Writer, Guard);
type Open = fn(&Path) -> Opened;

const WRITERS: [(&str, Open); 5] = [
    ("tracing-appender, lossless", |path| {
        lossless(tracing_appender_at(path))
    }),
    ("tracing-fallback-file", |path| {
        ours(FileAppender::new(path).unwrap(), QueuePlace::File)
    }),
    ("the same with its queue on the heap", |path| {
        // Nobody can make a file there.
        let builder = FileAppender::builder().queue_dir("/proc");
        ours(builder.build(path).unwrap(), QueuePlace::Heap)
    }),
    ("tracing-appender's queue over a `batch_writer`", |path| {
        lossless(FileAppender::new(path).unwrap().batch_writer())
    }),
    (NO_FILE, |_| lossless(io::sink())),
];

/// Of [`WRITERS`].
const MAPPED: usize = 1;
const HEAP: usize = 2;

const NO_FILE: &str = "tracing-appender's queue alone, into no file";

#[derive(Clone)]
enum Writer {
    Ours(ours::NonBlocking),
    Theirs(theirs::NonBlocking),
}

impl Writer {
    fn write(&mut self, record: &[u8]) {
        match self {
            Writer::Ours(writer) => writer.make_writer().write_all(record).unwrap(),
            Writer::Theirs(writer) => writer.write_all(record).unwrap(),
        }
    }
}

/// What is dropped at the end.
type Guard = Box<dyn Send>;

fn lossless(writer: impl Write + Send + 'static) -> Opened {
    let builder = theirs::NonBlockingBuilder::default().lossy(false);
    let (writer, guard) = builder.finish(writer);
    (Writer::Theirs(writer), Box::new(guard))
}

fn ours(file: FileAppender, place: QueuePlace) -> Opened {
    let (writer, guard) = file.non_blocking();
    if cfg!(target_os = "linux") {
        assert_eq!(file.stats().queue, place);
    }
    (Writer::Ours(writer), Box::new(guard))
}

pub fn off_thread(report: &mut Report, effort: Effort) {
    report.section(
        "Off the caller's thread",
        "`non_blocking`, lossless, each with its default size. Until in the file: from the first call \
         until the guard is dropped and the file has every record; the ratio is to \
         tracing-appender's own file. Flat out the calls are timed in turns of their own, as the clock \
         costs more than a call; a turn for the total has five times the records of one for the \
         calls, and there are five times as many turns for the ratio of the map to the heap. A call of \
         this crate copies its record to a mapped file, where it outlives the process. The last row is a writer of 64 KiB batches into one open file without a \
         queue. Flat out a full queue makes the caller wait: 1 MiB here, 128,000 records there.",
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
    let turn = |n: usize, records: usize, is_timed: bool| {
        let each = records / threads;
        let dir = place.directory();
        let path = dir.path().join("app.log");
        match WRITERS.get(n) {
            Some((name, open)) => {
                let length = match *name {
                    NO_FILE => None,
                    _ => Some(record.len() * each * threads),
                };
                let caller = Caller {
                    record: &record,
                    each,
                    pause,
                    is_timed,
                };
                let (total, calls) = write(open(&path), threads, caller);
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
    };
    let contenders = WRITERS.len() + 1;
    let mut turns = calls_in_turns(effort, contenders, |n| turn(n, records, true));
    if pause.is_zero() {
        // In a short turn, the making of the queue's file weighs as much as 10,000 records, and the
        // speed depends on how the threads happen to meet.
        let totals = calls_in_turns(effort, contenders, |n| turn(n, LONGER * records, false));
        for (turn, total) in turns.iter_mut().zip(totals) {
            turn.0 = total.0;
        }
    }
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
        let bound = if threads == 1 { 0.15 } else { 0.2 };
        report.at_most(
            &format!("until in the file: {name}"),
            to_theirs(MAPPED),
            bound,
        );
        // These two differ by less than the turns of one of them.
        let rounds = 5 * effort.rounds;
        let turns = calls_in_turns(Effort { rounds, ..effort }, 2, |n| {
            turn([MAPPED, HEAP][n], LONGER * records, false)
        });
        let to_heap = ratio(&turns[0].0, &turns[1].0);
        report.at_most(&format!("mapped to heap: {name}"), to_heap, 1.1);
    }
    for (percentile, bound) in [(50.0, 0.8), (99.0, 1.0)] {
        let [theirs, ours] = [0, MAPPED].map(|n| turns[n].1.percentile(percentile).as_secs_f64());
        report.at_most(
            &format!("caller's p{percentile}: {name}"),
            ours / theirs,
            bound,
        );
    }
}

fn written(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// What each caller does.
#[derive(Clone, Copy)]
struct Caller<'a> {
    record: &'a [u8],
    each: usize,
    pause: Duration,
    /// To time a call takes longer than the call.
    is_timed: bool,
}

impl Caller<'_> {
    fn write(self, mut writer: Writer) -> Calls {
        let mut calls = Calls::new();
        if !self.is_timed {
            (0..self.each).for_each(|_| writer.write(self.record));
            return calls;
        }
        for _ in 0..self.each {
            calls.time(|| writer.write(self.record));
            let called = Instant::now();
            while called.elapsed() < self.pause {
                std::hint::spin_loop();
            }
        }
        calls
    }
}

/// Until the guard is dropped.
fn write((writer, guard): Opened, threads: usize, caller: Caller<'_>) -> (f64, Calls) {
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|_| {
                let (writer, start) = (writer.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    (Instant::now(), caller.write(writer))
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
