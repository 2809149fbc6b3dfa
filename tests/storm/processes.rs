//! Several processes on one path.

#[cfg(unix)]
mod strangers;

use crate::common;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{arguments, family, hear, lines, say, scratch, Child};
use serde::{Deserialize, Serialize};
use tracing_subscriber::fmt::MakeWriter;

/// What a writer of this file's tests is told.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Plan {
    wait: Duration,
    records: usize,
    /// Of the payload, in bytes.
    size: usize,
    pause: Duration,
    /// Stops then, however many records are left.
    time: Duration,
    /// Has a control beside it. It wakes up every millisecond: of hundreds of processes that would
    /// be a load of its own.
    control: bool,
}

const PLAN: Plan = Plan {
    wait: Duration::from_millis(10),
    records: usize::MAX,
    size: 80,
    pause: Duration::ZERO,
    time: Duration::from_secs(3600),
    control: true,
};

/// How that went.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    written: usize,
    switches: u64,
    longest: Duration,
    took: Duration,
    /// The time of the first call.
    first: Duration,
    /// How often the calls after the first one tried a lock again.
    later_retries: u64,
    /// How late a thread ran that did nothing but sleep.
    control: Duration,
    /// When the first call returned that had switched.
    switched_after: Option<Duration>,
}

#[test]
#[ignore = "a child of the others"]
fn writer() {
    let Some(arguments) = arguments() else { return };
    let [log, plan] = &arguments[..] else {
        panic!("{arguments:?}");
    };
    let plan: Plan = serde_json::from_str(plan).unwrap();
    let appender = common::with_lock_wait(log, plan.wait);
    let id = std::process::id();
    let payload = "x".repeat(plan.size);
    say("ready");
    hear();
    let control = plan.control.then(common::Control::start);
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    let mut first = None;
    let mut switched_after = None;
    let mut written = 0;
    while written < plan.records && start.elapsed() < plan.time {
        let record = format!("{id} {written} {payload}\n");
        let began = Instant::now();
        appender.make_writer().write_all(record.as_bytes()).unwrap();
        let took = began.elapsed();
        longest = longest.max(took);
        let stats = appender.stats();
        first.get_or_insert((took, stats.lock_retries));
        if stats.switches > 0 {
            switched_after.get_or_insert_with(|| start.elapsed());
        }
        written += 1;
        if !plan.pause.is_zero() {
            std::thread::sleep(plan.pause);
        }
    }
    let took = start.elapsed();
    let control = control.map_or(Duration::ZERO, common::Control::latest);
    appender.flush(Duration::from_secs(100)).unwrap();
    let stats = appender.stats();
    let (first, retries) = first.unwrap();
    let outcome = Outcome {
        written,
        switches: stats.switches,
        longest,
        took,
        first,
        later_retries: stats.lock_retries - retries,
        control,
        switched_after,
    };
    say(&serde_json::to_string(&outcome).unwrap());
}

fn start(log: &Path, plan: Plan) -> Child {
    let plan = serde_json::to_string(&plan).unwrap();
    let mut child = Child::start("processes::writer", &[log.to_str().unwrap(), &plan]);
    child.expect("ready");
    child
}

fn outcome(child: &mut Child) -> Outcome {
    serde_json::from_str(&child.hear()).unwrap()
}

/// Runs as many writers at once, and finds every record of each of them once, whole and in order
/// within a file.
fn run(log: &Path, processes: usize, plan: Plan) -> Vec<Outcome> {
    let mut children: Vec<Child> = (0..processes).map(|_| start(log, plan)).collect();
    children.iter_mut().for_each(|child| child.tell("go"));
    let outcomes: Vec<Outcome> = children.iter_mut().map(outcome).collect();
    let payload = "x".repeat(plan.size);
    let mut found = std::collections::HashMap::new();
    for file in family(log).unwrap() {
        let mut last = std::collections::HashMap::new();
        for line in lines(&file) {
            let mut parts = line.splitn(3, ' ');
            let id: u32 = parts.next().unwrap().parse().expect("torn");
            let n: usize = parts.next().unwrap().parse().expect("torn");
            assert_eq!(parts.next(), Some(&*payload), "torn");
            assert!(
                last.insert(id, n).is_none_or(|last| last < n),
                "out of order"
            );
            assert!(found
                .entry(id)
                .or_insert_with(std::collections::HashSet::new)
                .insert(n));
        }
    }
    for (child, outcome) in children.into_iter().zip(&outcomes) {
        assert_eq!(found[&child.id()].len(), outcome.written);
        child.end();
    }
    outcomes
}

#[test]
fn processes_that_pause_stay_in_one_file() {
    let plan = Plan {
        pause: Duration::from_millis(1),
        records: 2_000,
        ..PLAN
    };
    for processes in [2, 8] {
        common::within_attempts(10, || {
            let scratch = scratch();
            let outcomes = run(&scratch.log, processes, plan);
            // A process that the machine keeps off the processor with the lock held makes the others
            // wait as a foreign one does.
            let control = outcomes.iter().map(|outcome| outcome.control).max();
            let is_busy = control.unwrap() >= PLAN.wait;
            let files = family(&scratch.log).unwrap().len();
            println!("{processes} processes, {files} files, control {control:?}");
            // Under wine the server of all locks is too slow for it.
            if files == 1 || is_busy || cfg!(windows) {
                Ok(())
            } else {
                Err(format!("{outcomes:?}"))
            }
        });
    }
}

#[test]
fn large_records_are_not_torn() {
    let scratch = scratch();
    let plan = Plan {
        records: 500,
        size: 10 * 1024,
        ..PLAN
    };
    run(&scratch.log, 8, plan);
}

#[test]
fn busy_processes_that_do_not_wait_lose_nothing() {
    let scratch = scratch();
    let plan = Plan {
        wait: Duration::ZERO,
        records: 2_000,
        ..PLAN
    };
    let outcomes = run(&scratch.log, 8, plan);
    assert!(
        outcomes.iter().map(|outcome| outcome.switches).sum::<u64>() > 0,
        "{outcomes:?}"
    );
}

#[test]
fn a_lock_held_for_long_makes_one_switch_and_no_long_call() {
    common::within_attempts(10, || {
        let scratch = scratch();
        let plan = Plan {
            pause: Duration::from_millis(1),
            records: 500,
            ..PLAN
        };
        let mut child = start(&scratch.log, plan);
        let held = common::hold(&scratch.log);
        child.tell("go");
        let outcome = outcome(&mut child);
        drop(held);
        child.end();
        assert_eq!(outcome.switches, 1, "{outcome:?}");
        assert!(outcome.first >= PLAN.wait, "{outcome:?}");
        assert_eq!(outcome.later_retries, 0, "{outcome:?}");
        assert_eq!(std::fs::metadata(&scratch.log).unwrap().len(), 0);
        assert_eq!(lines(&scratch.variant(1)).len(), outcome.written);
        let short = outcome.first < PLAN.wait + Duration::from_millis(5) + outcome.control;
        short.then_some(()).ok_or(format!("{outcome:?}"))
    });
}

/// Processes that do nothing but keep a processor busy, until they are dropped.
struct BusyLoops(Vec<std::process::Child>);

impl BusyLoops {
    fn start(count: usize) -> Self {
        let start = |_| {
            let mut command = common::child_command("processes::busy_loop", &[]);
            command.stdin(std::process::Stdio::null()).spawn().unwrap()
        };
        BusyLoops((0..count).map(start).collect())
    }
}

impl Drop for BusyLoops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
#[ignore = "a child of `busy`"]
fn busy_loop() {
    if arguments().is_some() {
        loop {
            std::hint::spin_loop();
        }
    }
}

fn longest_call(outcomes: &[Outcome]) -> Duration {
    let calls = outcomes.iter().map(|outcome| outcome.longest);
    calls.max().unwrap()
}

fn median<T: Copy + Ord>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}

/// Processes that only write, for a second each by default; the figures of all runs in one row.
///
/// `RUNS` is the number of runs, 20 by default; `MILLIS` is the length of each; `CASES` restricts
/// them, as in `8x0+0 32x1000+4`: processes, the pause between two records in µs, and busy loops
/// beside them.
#[test]
#[ignore = "figures: run it alone, with --release and --nocapture"]
fn busy() {
    let variable = |name: &str| std::env::var(name).ok();
    let runs = variable("RUNS").map_or(20, |runs| runs.parse().unwrap());
    let time = variable("MILLIS").map_or(1_000, |millis| millis.parse().unwrap());
    let cases = variable("CASES").unwrap_or_else(|| {
        let calm = [
            "1x0",
            "2x0",
            "8x0",
            "32x0",
            "200x0",
            "32x1000",
            "32x10000",
            "200x1000",
            "200x10000",
        ];
        let beside = |loops: usize| calm.map(|case| format!("{case}+{loops} "));
        [beside(0), beside(4)].concat().concat()
    });
    println!(
        "| processes | pause | busy loops | one file | files | switches | longest call, median (max) | records/s, median |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    for case in cases.split_whitespace() {
        let figures: Vec<usize> = case
            .split(['x', '+'])
            .map(|figure| figure.parse().unwrap())
            .collect();
        let [processes, pause, loops] = figures[..] else {
            panic!("{case}")
        };
        let plan = Plan {
            pause: Duration::from_micros(pause as u64),
            time: Duration::from_millis(time),
            control: false,
            ..PLAN
        };
        let (mut files, mut switches, mut longest, mut rate) = (vec![], vec![], vec![], vec![]);
        for _ in 0..runs {
            let scratch = scratch();
            let _loops = BusyLoops::start(loops);
            let outcomes = run(&scratch.log, processes, plan);
            files.push(family(&scratch.log).unwrap().len());
            switches.push(outcomes.iter().map(|outcome| outcome.switches).sum::<u64>());
            longest.push(longest_call(&outcomes));
            rate.push(
                outcomes
                    .iter()
                    .map(|outcome| outcome.written)
                    .sum::<usize>(),
            );
        }
        let one_file = files.iter().filter(|files| **files == 1).count();
        println!(
            "| {processes} | {} ms | {loops} | {one_file} of {runs} | {}-{} | {}-{} | {:.1} ms ({:.1} ms) | {} |",
            pause / 1000,
            files.iter().min().unwrap(),
            files.iter().max().unwrap(),
            switches.iter().min().unwrap(),
            switches.iter().max().unwrap(),
            median(longest.clone()).as_secs_f64() * 1e3,
            longest.iter().max().unwrap().as_secs_f64() * 1e3,
            median(rate) as u64 * 1_000 / time,
        );
    }
}

#[test]
#[ignore = "figures for the README: run it alone, with --release and --nocapture"]
fn figures() {
    println!(
        "| processes | lock_wait | files | switches | in the primary | longest call | records/s |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for processes in [2, 8, 32] {
        for wait in [0, 1, 10, 50] {
            let scratch = scratch();
            let wait = Duration::from_millis(wait);
            let plan = Plan {
                wait,
                records: 160_000 / processes,
                ..PLAN
            };
            let outcomes = run(&scratch.log, processes, plan);
            let took = outcomes.iter().map(|outcome| outcome.took).max().unwrap();
            println!(
                "| {processes} | {} ms | {} | {} | {:.0} % | {:.1} ms | {:.0} |",
                wait.as_millis(),
                family(&scratch.log).unwrap().len(),
                outcomes.iter().map(|outcome| outcome.switches).sum::<u64>(),
                lines(&scratch.log).len() as f64 / 1_600.0,
                outcomes
                    .iter()
                    .map(|outcome| outcome.longest)
                    .max()
                    .unwrap()
                    .as_secs_f64()
                    * 1e3,
                160_000.0 / took.as_secs_f64(),
            );
        }
    }
}
