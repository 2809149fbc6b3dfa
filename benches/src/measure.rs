//! Times, side by side.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often each contender gets its turn; the median counts.
    pub rounds: usize,
    /// Divides the number of records of a turn.
    pub divisor: usize,
}

impl Effort {
    pub fn records(self, records: usize) -> usize {
        records / self.divisor
    }
}

/// Runs the contenders in turns, so that what else the machine does meets all of them, and tells
/// for each one what its turns brought, round by round.
pub fn in_turns<T>(
    effort: Effort,
    contenders: usize,
    mut turn: impl FnMut(usize) -> T,
) -> Vec<Vec<T>> {
    let mut turns: Vec<Vec<T>> = (0..contenders).map(|_| Vec::new()).collect();
    for round in 0..effort.rounds {
        for n in 0..contenders {
            // Nobody always follows the same one.
            let contender = match round % 2 {
                0 => n,
                _ => contenders - 1 - n,
            };
            turns[contender].push(turn(contender));
        }
    }
    turns
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// The median of the ratios of the rounds.
pub fn ratio(of: &[f64], to: &[f64]) -> f64 {
    median(of.iter().zip(to).map(|(of, to)| of / to).collect())
}

/// The same for turns that bring a figure and calls: the figures one by one, the calls of all rounds
/// together.
pub fn calls_in_turns(
    effort: Effort,
    contenders: usize,
    turn: impl FnMut(usize) -> (f64, Calls),
) -> Vec<(Vec<f64>, Calls)> {
    let split = |turns: Vec<(f64, Calls)>| {
        let mut all = Calls::new();
        let figures = turns.into_iter().map(|(figure, calls)| {
            all.add(&calls);
            figure
        });
        (figures.collect(), all)
    };
    let turns = in_turns(effort, contenders, turn).into_iter();
    turns.map(split).collect()
}

pub fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// How long single calls took.
#[derive(Clone)]
pub struct Calls(Histogram<u64>);

impl Calls {
    pub fn new() -> Self {
        Calls(Histogram::new(3).unwrap())
    }

    pub fn time(&mut self, call: impl FnOnce()) {
        let took = timed(call);
        self.0
            .record(took.as_nanos().try_into().unwrap_or(u64::MAX))
            .unwrap();
    }

    pub fn add(&mut self, other: &Calls) {
        self.0.add(&other.0).unwrap();
    }

    pub fn percentile(&self, percentile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_percentile(percentile))
    }

    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// The cells of a table: p50, p99, p99.9 and the longest.
    pub fn cells(&self) -> String {
        let [p50, p99, p999] = [50.0, 99.0, 99.9].map(|p| micros(self.percentile(p)));
        format!("{p50} | {p99} | {p999} | {}", micros(self.longest()))
    }
}

/// In microseconds, with three digits that count.
pub fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    let decimals = match micros {
        m if m < 10.0 => 2,
        m if m < 100.0 => 1,
        _ => 0,
    };
    format!("{micros:.decimals$}")
}
