//! Somebody else has the files locked.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{flock, FlockOperation};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use tracing::info;
use tracing::subscriber::with_default;
use tracing_fallback_file::FileAppender;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::{prelude::*, registry};

use crate::guard::record;
use crate::measure::{in_turns, median, micros, ratio, timed, Calls, Effort};
use crate::place::DISK;
use crate::report::Report;

const HELD: Duration = Duration::from_secs(1);

/// The default.
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// The longest call, those before the switch and after it, and a new file and a thread.
type Turn = (Duration, Calls, Calls, Duration);

/// A lock held for a second, from the call on that is the first to meet it.
pub fn held(report: &mut Report, effort: Effort) {
    report.section(
        "A foreign lock",
        "Another process holds the lock of the log for a second; events of one thread, a \
         millisecond apart, on the disk. The longest call is the one that waits and switches: it \
         makes a file and starts the thread that announces this. On a machine that has not done so \
         for a second that can take milliseconds; the bound has what it took in the same run.",
    );
    let turns = in_turns(effort, 2, |way| {
        let dir = DISK.directory();
        let path = dir.path().join("app.log");
        let file = FileAppender::new(&path).unwrap();
        let (writer, _guard) = file.non_blocking();
        let layer = fmt::layer().with_ansi(false);
        let layer = match way {
            0 => file.attach(layer.with_writer(file.clone())).boxed(),
            _ => file.attach(layer.with_writer(writer)).boxed(),
        };
        with_default(registry().with(layer), || {
            let before = for_a_second();
            let holder = Holder::of(&path, 0);
            let mut during = Calls::new();
            let waited = timed(|| during.time(|| info!("answered")));
            let after = for_a_second();
            drop(holder);
            // What a switch does, after a second without one.
            let bare = timed(|| {
                File::create(dir.path().join("new")).unwrap();
                thread::spawn(|| ());
            });
            (waited.max(after.longest()), before, after, bare)
        })
    });
    let ways = ["on the thread that logs", "non_blocking"];
    let rows = ways.iter().zip(&turns).map(|(way, turns)| {
        let longest: Vec<Duration> = turns.iter().map(|turn| turn.0).collect();
        let typical = |of: fn(&Turn) -> &Calls| {
            micros(middle(turns.iter().map(|turn| of(turn).percentile(50.0))))
        };
        format!(
            "{way} | {} | {} | {} | {}",
            typical(|turn| &turn.1),
            micros(middle(longest.iter().copied())),
            micros(longest.iter().copied().max().unwrap_or_default()),
            typical(|turn| &turn.2),
        )
    });
    report.table(
        "`lock_wait` 10 ms",
        "events | p50 µs before | longest µs, median of the runs | longest of all | p50 µs after the switch",
        rows,
    );
    let bare = middle(turns.iter().flatten().map(|turn| turn.3));
    report.within(
        &format!(
            "longest call while the lock is held elsewhere; a new file and a thread take {} µs",
            micros(bare)
        ),
        middle(turns[0].iter().map(|turn| turn.0)),
        LOCK_WAIT + Duration::from_millis(2) + bare,
    );
    let p50 = |of: fn(&Turn) -> &Calls| -> Vec<f64> {
        let turns = turns[0].iter();
        turns
            .map(|turn| of(turn).percentile(50.0).as_secs_f64())
            .collect()
    };
    report.at_most(
        "a call after the switch, to one before",
        ratio(&p50(|turn| &turn.2), &p50(|turn| &turn.1)),
        1.1,
    );
}

fn for_a_second() -> Calls {
    let mut calls = Calls::new();
    let start = Instant::now();
    while start.elapsed() < HELD {
        calls.time(|| info!("answered"));
        thread::sleep(Duration::from_millis(1));
    }
    calls
}

fn middle(times: impl Iterator<Item = Duration>) -> Duration {
    Duration::from_secs_f64(median(times.map(|time| time.as_secs_f64()).collect()))
}

/// A look at the whole family, all of it locked.
pub fn scan(report: &mut Report, effort: Effort) {
    const VARIANTS: u16 = 999;
    let record = record(200);
    let mut ours = Vec::new();
    let mut bare = Vec::new();
    for _ in 0..effort.rounds {
        let dir = DISK.directory();
        let path = dir.path().join("app.log");
        let holder = Holder::of(&path, VARIANTS);
        let paths: Vec<_> = (0..=VARIANTS).map(|n| member(&path, n)).collect();
        let try_all = || {
            for path in &paths {
                let file = File::options().read(true).append(true).open(path).unwrap();
                flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap_err();
            }
        };
        bare.push(timed(try_all).as_secs_f64());
        let file = FileAppender::builder()
            .lock_wait(Duration::ZERO)
            .build(&path)
            .unwrap();
        let scan = timed(|| file.make_writer().write_all(&record).unwrap());
        ours.push(scan.as_secs_f64());
        bare.push(timed(try_all).as_secs_f64());
        assert_eq!(file.stats().pending, 1);
        drop(holder);
        file.flush(Duration::from_secs(10)).unwrap();
    }
    report.section(
        "The scan",
        "The primary and its 999 variants are locked by another process: one record looks at all \
         of them and goes to the backlog. Compared with opening and trying to lock them in a loop.",
    );
    let bare: Vec<f64> = bare.chunks(2).map(|two| (two[0] + two[1]) / 2.0).collect();
    let to_bare = ratio(&ours, &bare);
    let shown = [bare, ours].map(|times| micros(Duration::from_secs_f64(median(times))));
    report.table(
        "On disk",
        "scan | ratio | µs",
        [
            format!("bare loop | 1.00 | {}", shown[0]),
            format!("tracing-fallback-file | {to_bare:.2} | {}", shown[1]),
        ],
    );
    report.at_most("scan over 999 locked files, to a bare loop", to_bare, 1.5);
}

fn member(primary: &Path, n: u16) -> std::path::PathBuf {
    match n {
        0 => primary.to_owned(),
        n => primary.with_extension(format!("{n:03}.log")),
    }
}

/// A process that has the files locked.
struct Holder(Child);

impl Holder {
    fn of(path: &Path, variants: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["holder", path.to_str().unwrap(), &variants.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "locked\n");
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // The end of its input is the end of it.
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// The child.
pub fn holder(arguments: &[String]) {
    let [path, variants] = arguments else {
        panic!("holder PATH VARIANTS");
    };
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let variants: u16 = variants.parse().unwrap();
    let _files: Vec<File> = (0..=variants)
        .map(|n| {
            let path = member(Path::new(path), n);
            let file = File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap();
            flock(&file, FlockOperation::LockExclusive).unwrap();
            file
        })
        .collect();
    println!("locked");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}
