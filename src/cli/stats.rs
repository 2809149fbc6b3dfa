//! `--stats`: the number of records over time, by level, and by target.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::Level;

use super::filter::shown_target;
use super::json::{self, plain, Object};
use super::messages::complain;
use super::print::Outcome;
use super::settings::Settings;
use super::show::{colour, escape, without_colours};
use crate::read::{without_padding, Merge, RecordRef};

/// The spans of time, in seconds, that a bar may stand for.
const WIDTHS: [i64; 17] = [
    1,
    5,
    10,
    30,
    60,
    300,
    600,
    1_800,
    3_600,
    10_800,
    21_600,
    43_200,
    86_400,
    604_800,
    2_592_000,
    31_536_000,
    315_360_000,
];

/// Maximum number of bars that are drawn, and of those that are kept while the span of a bar is not
/// known yet.
const MAX_BARS: usize = 24;
const MAX_KEPT: usize = 4_096;

const BAR_LENGTH: u64 = 40;

/// The maximum number of targets that are counted by name, and of those that are shown.
const MAX_TARGETS: usize = 10_000;
const SHOWN_TARGETS: usize = 20;

const LEVELS: [Option<Level>; 6] = [
    Some(Level::ERROR),
    Some(Level::WARN),
    Some(Level::INFO),
    Some(Level::DEBUG),
    Some(Level::TRACE),
    None,
];

type Counts = [u64; LEVELS.len()];

#[derive(Default)]
struct Stats {
    width: usize,
    over_time: BTreeMap<i64, Counts>,
    all: Counts,
    targets: HashMap<String, u64>,
    other_targets: u64,
}

pub(crate) fn stats(
    settings: &Settings,
    merge: &mut Merge,
    as_json: bool,
    out: &mut impl Write,
) -> io::Result<Outcome> {
    let mut stats = Stats::default();
    let mut failed = false;
    while let Some(record) = merge.next_ref() {
        match record {
            Ok(record) => stats.count(&record),
            Err(error) => {
                complain(error);
                failed = true;
            }
        }
    }
    while stats.over_time.len() > MAX_BARS && stats.widen() {}
    match as_json {
        true => stats.write_json(out)?,
        false => stats.draw(settings, out)?,
    }
    Ok(Outcome {
        printed: true,
        failed,
    })
}

fn name(level: Option<Level>) -> &'static str {
    level.map_or("none", |level| level.as_str())
}

impl Stats {
    fn count(&mut self, record: &RecordRef<'_>) {
        let level = record.level();
        let n = LEVELS.iter().position(|known| *known == level);
        let n = n.unwrap_or(LEVELS.len() - 1);
        self.all[n] += 1;
        if let Some(time) = record.timestamp() {
            let seconds = match time.duration_since(UNIX_EPOCH) {
                Ok(since) => since.as_secs() as i64,
                Err(before) => -(before.duration().as_secs() as i64),
            };
            let begin = seconds - seconds.rem_euclid(WIDTHS[self.width]);
            self.over_time.entry(begin).or_default()[n] += 1;
            while self.over_time.len() > MAX_KEPT && self.widen() {}
        }
        self.count_target(record.bytes());
    }

    fn count_target(&mut self, record: &[u8]) {
        let text = without_colours(without_padding(record));
        let text = json::text(&text);
        let target = match Object::parse(&text) {
            Some(mut object) => object
                .take("target")
                .map(|target| plain(target).into_owned()),
            None => shown_target(&text).map(str::to_owned),
        };
        let Some(target) = target else { return };
        let has_room = self.targets.len() < MAX_TARGETS;
        match self.targets.get_mut(&target) {
            Some(count) => *count += 1,
            None if has_room => drop(self.targets.insert(target, 1)),
            None => self.other_targets += 1,
        }
    }

    /// Lets each bar stand for the next longer span, if there is one.
    fn widen(&mut self) -> bool {
        if self.width + 1 == WIDTHS.len() {
            return false;
        }
        self.width += 1;
        let width = WIDTHS[self.width];
        for (begin, counts) in std::mem::take(&mut self.over_time) {
            let sum = self
                .over_time
                .entry(begin - begin.rem_euclid(width))
                .or_default();
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        true
    }

    fn draw(&self, settings: &Settings, out: &mut impl Write) -> io::Result<()> {
        let total = |counts: &Counts| counts.iter().sum::<u64>();
        let most = self.over_time.values().map(total).max().unwrap_or(1);
        for (begin, counts) in &self.over_time {
            let time = settings.time(at(*begin));
            write!(out, "{time}  {:>10}  ", total(counts))?;
            for (level, count) in LEVELS.iter().zip(counts) {
                let length = (count * BAR_LENGTH).div_ceil(most) as usize;
                let (on, off) = match level {
                    Some(level) if settings.colours => (colour(*level), "\x1b[0m"),
                    _ => ("", ""),
                };
                let letter = name(*level)[..1].to_lowercase();
                // Without colours the level is its letter.
                let bar = if settings.colours { "█" } else { &letter };
                write!(out, "{on}{}{off}", bar.repeat(length))?;
            }
            writeln!(out)?;
        }
        if !self.over_time.is_empty() {
            writeln!(out)?;
        }
        for (level, count) in LEVELS.iter().zip(self.all) {
            if count > 0 {
                writeln!(out, "{:<5}  {count:>10}", name(*level))?;
            }
        }
        let mut targets: Vec<_> = self.targets.iter().collect();
        targets.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        if !targets.is_empty() {
            writeln!(out)?;
        }
        for (target, count) in targets.iter().take(SHOWN_TARGETS) {
            let mut name = Vec::new();
            escape(target, &mut name);
            writeln!(out, "{count:>10}  {}", String::from_utf8_lossy(&name))?;
        }
        let rest = targets.iter().skip(SHOWN_TARGETS).map(|(_, count)| **count);
        match rest.sum::<u64>() + self.other_targets {
            0 => Ok(()),
            rest => writeln!(out, "{rest:>10}  (others)"),
        }
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let counts = |counts: &Counts| -> serde_json::Map<String, serde_json::Value> {
            let named = LEVELS.iter().zip(counts);
            named
                .map(|(level, count)| (name(*level).to_lowercase(), (*count).into()))
                .collect()
        };
        for (begin, bar) in &self.over_time {
            let time = jiff::Timestamp::try_from(at(*begin)).map(|time| time.to_string());
            let mut line = counts(bar);
            line.insert("time".into(), time.unwrap_or_default().into());
            line.insert("seconds".into(), WIDTHS[self.width].into());
            writeln!(out, "{}", serde_json::Value::Object(line))?;
        }
        let mut all = counts(&self.all);
        all.insert("targets".into(), serde_json::json!(self.targets));
        writeln!(out, "{}", serde_json::Value::Object(all))
    }
}

fn at(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(seconds.unsigned_abs());
    match seconds {
        0.. => UNIX_EPOCH + since,
        _ => UNIX_EPOCH - since,
    }
}
