//! Shortens a failing run: leaves out parts of its scenario that do not matter to the failure.

use std::time::Duration;

use super::scenario::Scenario;
use super::seed::Seed;

/// The parts, what shortens a run most first. A [`Seed`] has a bit for each; new ones come at the end.
const CUTS: [fn(&mut Scenario); 27] = [
    |it| it.limit_processes(3),
    |it| it.limit_processes(2),
    |it| it.limit_processes(1),
    |it| it.threads = it.threads.min(2),
    |it| it.threads = 1,
    |it| it.records = it.records.min(4),
    |it| it.records = it.records.min(2),
    |it| it.records = 1,
    |it| it.is_read = false,
    |it| it.merges = false,
    |it| it.stranger /= 2,
    |it| it.stranger = 0,
    |it| it.faults.kill = 0,
    |it| it.faults.stop = 0,
    |it| it.faults.delay = 0,
    |it| it.faults.clock_jump = 0,
    |it| it.faults.error = 0,
    |it| it.faults.short_write = 0,
    |it| it.faults.no_truncation = 0,
    |it| it.capacity = None,
    |it| it.linger = Duration::ZERO,
    |it| it.pause = Duration::ZERO,
    |it| it.max_files = None,
    |it| it.leave_out_options(),
    |it| it.abrupt = false,
    |it| it.queues = false,
    |it| it.faults.fork = 0,
];

/// Leaves out the parts whose bits are set.
pub(super) fn cut(scenario: &mut Scenario, without: u32) {
    for (n, cut) in CUTS.iter().enumerate() {
        if without & (1 << n) != 0 {
            cut(scenario);
        }
    }
}

/// Returns the seed of the same run without the parts that do not matter to its failure. `fails`
/// runs a seed.
pub(super) fn shorten(seed: Seed, fails: impl Fn(Seed) -> bool) -> Seed {
    (0..CUTS.len()).fold(seed, |seed, n| {
        let shorter = Seed {
            without: seed.without | 1 << n,
            ..seed
        };
        match fails(shorter) {
            true => shorter,
            false => seed,
        }
    })
}
