//! Many seeds, the planted bugs, and the seeds of bugs that were found.

use std::env;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::*;

/// What many runs have come to together.
#[derive(Default)]
struct Totals {
    schedules: AtomicU64,
    steps: AtomicU64,
    records: AtomicU64,
    switches: AtomicU64,
    errors: AtomicU64,
    kills: AtomicU64,
}

impl Totals {
    fn add(&self, outcome: &Outcome) {
        for (total, one) in [
            (&self.schedules, 1),
            (&self.steps, outcome.steps),
            (&self.records, outcome.records as u64),
            (&self.switches, outcome.switches),
            (&self.errors, outcome.errors),
            (&self.kills, outcome.kills),
        ] {
            total.fetch_add(one, Ordering::Relaxed);
        }
    }

    fn report(&self, took: Duration) -> String {
        let of = |total: &AtomicU64| total.load(Ordering::Relaxed);
        format!(
            "{} schedules in {:.0} s, {:.0} a second: {} operations, {} records, {} switches; \
             {} errors of calls and short writes, {} kills.",
            of(&self.schedules),
            took.as_secs_f64(),
            of(&self.schedules) as f64 / took.as_secs_f64(),
            of(&self.steps),
            of(&self.records),
            of(&self.switches),
            of(&self.errors),
            of(&self.kills)
        )
    }
}

/// Runs the seeds from `first` on, on all cores, until `until` or `last`; returns one that failed.
fn search(first: u64, last: u64, until: Option<Instant>, totals: &Totals) -> Option<u64> {
    let (next, failed) = (AtomicU64::new(first), AtomicU64::new(u64::MAX));
    let over = AtomicBool::new(false);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last || until.is_some_and(|until| Instant::now() >= until) {
                        break;
                    }
                    let outcome = simulate(seed, None, false);
                    totals.add(&outcome);
                    if let Some(failure) = outcome.failure {
                        println!("seed {seed}: {failure}");
                        failed.fetch_min(seed, Ordering::Relaxed);
                        over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Some(failed.into_inner()).filter(|seed| *seed < u64::MAX)
}

/// Runs a seed once more, and shows what was done in it.
fn show(seed: u64) -> ! {
    let outcome = simulate(seed, None, true);
    for line in &outcome.trace {
        println!("{line}");
    }
    panic!(
        "{}; again: SIMULATION_SEED={seed} cargo test --all-features --lib simulation::tests::replay -- --ignored --nocapture",
        outcome.failure.unwrap_or_else(|| "it ends well".to_owned())
    );
}

#[test]
fn every_record_is_in_the_files_once_and_whole_in_any_schedule() {
    let totals = Totals::default();
    if let Some(failed) = search(0, 2_000, None, &totals) {
        show(failed);
    }
}

/// Of each it was seen that it fails without the change. A seed is worth nothing any more when the
/// scenarios change.
#[test]
fn seeds_that_have_found_a_bug_pass() {
    for (seed, bug) in [
        (
            1_279,
            "a record was written again that lacked its newline alone",
        ),
        (
            90_249,
            "a stopped process did not notice the removal when its rotation was put off",
        ),
        (
            393,
            "a call that was stopped while it waited slept for twice as long",
        ),
        (
            7_711_778_844_151_204_105,
            "the only archive was missing from a list while it was compressed",
        ),
    ] {
        assert_eq!(simulate(seed, None, false).failure, None, "{bug}");
    }
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "it takes a while without optimisation; ci/simulate runs it"
)]
fn each_planted_bug_is_found() {
    const MOST: u64 = 30_000;
    for planted in Planted::ALL {
        if planted == Planted::ListedOnce && cfg!(not(feature = "gzip")) {
            // No name changes while a directory is read.
            continue;
        }
        let found = (0..MOST).find(|seed| simulate(*seed, Some(planted), false).failure.is_some());
        let found = found.unwrap_or_else(|| panic!("{planted} is not found"));
        assert_eq!(simulate(found, None, false).failure, None, "seed {found}");
        let failure = simulate(found, Some(planted), false).failure;
        println!("PLANTED | {planted} | {} schedules |", found + 1);
        println!("{}", failure.unwrap());
    }
}

#[test]
#[ignore = "ci/simulate runs it"]
fn for_a_while() {
    let number = |name| {
        env::var(name)
            .ok()
            .map(|value| value.parse::<u64>().unwrap())
    };
    let seconds = number("SIMULATION_SECONDS").unwrap();
    let began = Instant::now();
    // Other seeds each time.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = number("SIMULATION_FIRST").unwrap_or(now.as_secs() << 32);
    let totals = Totals::default();
    let until = began + Duration::from_secs(seconds);
    let failed = search(first, u64::MAX, Some(until), &totals);
    println!("RUN {}", totals.report(began.elapsed()));
    if let Some(failed) = failed {
        show(failed);
    }
}

#[test]
#[ignore = "it replays the seed in SIMULATION_SEED"]
fn replay() {
    show(env::var("SIMULATION_SEED").unwrap().parse().unwrap());
}
