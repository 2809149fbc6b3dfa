//! Many seeds, the planted bugs, and the seeds of bugs that were found.

use std::env;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::seed::Kind;
use super::shorten::shorten;
use super::*;

/// The totals of many runs.
#[derive(Default)]
struct Totals {
    schedules: AtomicU64,
    steps: AtomicU64,
    records: AtomicU64,
    switches: AtomicU64,
    errors: AtomicU64,
    kills: AtomicU64,
    forks: AtomicU64,
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
            (&self.forks, outcome.forks),
        ] {
            total.fetch_add(one, Ordering::Relaxed);
        }
    }

    fn report(&self, took: Duration) -> String {
        let of = |total: &AtomicU64| total.load(Ordering::Relaxed);
        format!(
            "{} schedules in {:.0} s, {:.0} a second: {} operations, {} records, {} switches; \
             {} errors of calls and short writes, {} kills, {} forks.",
            of(&self.schedules),
            took.as_secs_f64(),
            of(&self.schedules) as f64 / took.as_secs_f64(),
            of(&self.steps),
            of(&self.records),
            of(&self.switches),
            of(&self.errors),
            of(&self.kills),
            of(&self.forks)
        )
    }
}

/// Names the seed if the machine itself panics.
struct Running {
    seed: Seed,
    /// A virtual thread that was killed while it unwound leaves the thread below it "panicking".
    was_panicking: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() && !self.was_panicking {
            println!("seed {} panicked", self.seed);
        }
    }
}

/// Runs the seeds from `first` on, the kinds in turn, on all cores, until `until` or `last`; returns
/// one that failed.
fn search(
    kinds: &[Kind],
    first: u64,
    last: u64,
    until: Option<Instant>,
    totals: &Totals,
) -> Option<Seed> {
    let (next, failed) = (AtomicU64::new(first), AtomicU64::new(u64::MAX));
    let seed_of = |number| Seed::new(kinds[number as usize % kinds.len()], number);
    let over = AtomicBool::new(false);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= last || until.is_some_and(|until| Instant::now() >= until) {
                        break;
                    }
                    let seed = seed_of(number);
                    let running = Running {
                        seed,
                        was_panicking: thread::panicking(),
                    };
                    let outcome = simulate(seed, None, false);
                    drop(running);
                    totals.add(&outcome);
                    if let Some(failure) = outcome.failure {
                        println!("seed {seed}: {failure}");
                        failed.fetch_min(number, Ordering::Relaxed);
                        over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failed = Some(failed.into_inner()).filter(|number| *number < u64::MAX);
    failed.map(seed_of)
}

/// Runs a failed seed once more, without what does not matter, and prints its operations.
fn show_shortened(seed: Seed) -> ! {
    show(shorten(seed, |seed| {
        simulate(seed, None, false).failure.is_some()
    }))
}

/// Runs a seed, and prints its operations.
fn show(seed: Seed) -> ! {
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
    if let Some(failed) = search(&Kind::EACH, 0, 3_000, None, &totals) {
        show_shortened(failed);
    }
}

/// Each of them failed before its bug was mended. After a change of the scenarios a seed stands for
/// another run, and no longer shows the bug.
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
        let seed = Seed::new(Kind::Direct, seed);
        assert_eq!(simulate(seed, None, false).failure, None, "{bug}");
    }
    for (seed, bug) in [
        (
            "all:7711826934899954111-795f29",
            "a line of a queue was recovered that lacked its newline alone, in a compressed archive",
        ),
        (
            "all:7711837831232045903",
            "an archive that was to be removed was compressed instead, and stayed",
        ),
        (
            "all:7711840386737700845",
            "a rotation was undone although the new file, renamed since, had kept a record",
        ),
        (
            "all:7713618309924543650-72ebfb9",
            "a variant that was rotated between the list and its check was missing under both names",
        ),
        (
            "all:7713621861862661882-15c9f2b",
            "the figures said of a queue on the heap that it was in a file, after a call for it had returned",
        ),
        (
            "all:7713629713062840860-75e5c0f",
            "a reader missed a file whose rotation was undone between its two lists",
        ),
        (
            "all:7713620878315326395-746bf19",
            "the same, of a variant in a directory that two threads list",
        ),
        (
            "all:7713649457027761340-1feee29",
            "a recovery took the file of its lines for another one, as fstat failed once",
        ),
        (
            "direct:7713653971038512278-7ffefe0",
            "without locks, a record that was written again was behind the next killed writer's piece",
        ),
    ] {
        let seed = seed.parse().unwrap();
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
        let kinds = [Kind::Direct, Kind::All].iter().cycle();
        let mut seeds = kinds
            .zip(0..MOST)
            .map(|(&kind, number)| Seed::new(kind, number));
        let found = seeds.find(|seed| simulate(*seed, Some(planted), false).failure.is_some());
        let found = found.unwrap_or_else(|| panic!("{planted} is not found"));
        assert_eq!(simulate(found, None, false).failure, None, "seed {found}");
        let failure = simulate(found, Some(planted), false).failure;
        println!("PLANTED | {planted} | {} schedules |", found.number + 1);
        println!("{found}: {}", failure.unwrap());
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
    let kind = env::var("SIMULATION_KIND").ok();
    let kinds = match kind.map(|kind| format!("{kind}:0").parse::<Seed>().unwrap()) {
        Some(Seed { kind, .. }) => vec![kind],
        None => Kind::EACH.to_vec(),
    };
    let failed = search(&kinds, first, u64::MAX, Some(until), &totals);
    println!("RUN {}", totals.report(began.elapsed()));
    if let Some(failed) = failed {
        show_shortened(failed);
    }
}

#[test]
#[ignore = "ci/simulate runs it"]
fn small_ones_for_ten_seconds() {
    let (began, totals) = (Instant::now(), Totals::default());
    let until = began + Duration::from_secs(10);
    let failed = search(&[Kind::Small], 0, u64::MAX, Some(until), &totals);
    println!("SMALL {}", totals.report(began.elapsed()));
    if let Some(failed) = failed {
        show_shortened(failed);
    }
}

#[test]
#[ignore = "it replays the seed in SIMULATION_SEED"]
fn replay() {
    show(env::var("SIMULATION_SEED").unwrap().parse().unwrap());
}
