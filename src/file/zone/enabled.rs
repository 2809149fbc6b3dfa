//! Periods that end in a time zone.
//!
//! The rules of the zone are read once, when the appender is made: no call asks the system.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone as Rules};
use jiff::{SignedDuration, Timestamp};

use crate::file::Period;
use crate::sys;

/// The clock by which [`rotate_every`](crate::Builder::rotate_every) ends periods, for
/// [`Builder::time_zone`](crate::Builder::time_zone).
///
/// It is written and parsed as `utc`, `local`, or the name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeZone {
    /// UTC. The default.
    #[default]
    Utc,
    /// That of this machine, or of the variable `TZ`, as it is when the appender is made. Where the
    /// system has none it is UTC.
    Local,
    /// By its name in the system's time zone database: `Europe/Berlin`.
    Named(String),
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeZone::Utc => "utc",
            TimeZone::Local => "local",
            TimeZone::Named(name) => name,
        })
    }
}

impl FromStr for TimeZone {
    /// Whether there is a zone of that name, [`build`](crate::Builder::build) finds out.
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "utc" | "UTC" => TimeZone::Utc,
            "local" => TimeZone::Local,
            name => TimeZone::Named(name.to_owned()),
        })
    }
}

#[derive(Debug)]
pub(super) struct Zone(Option<Local>);

#[derive(Debug)]
struct Local {
    rules: Rules,
    last: LastStart,
}

/// The last answer, and the seconds from and until which it holds. Only read and written with the
/// log's lock of this process held, so the three belong together.
#[derive(Debug, Default)]
struct LastStart {
    from: AtomicI64,
    until: AtomicI64,
    start: AtomicI64,
}

impl Zone {
    pub(super) const UTC: Zone = Zone(None);

    pub(super) fn find(zone: &TimeZone) -> Result<Self, String> {
        let rules = match zone {
            TimeZone::Utc => return Ok(Zone::UTC),
            TimeZone::Local => Rules::try_system().or_else(|error| match sys::is_time_zone_set() {
                true => Err(error),
                false => Ok(Rules::UTC),
            }),
            TimeZone::Named(name) => Rules::get(name),
        };
        let local = |rules| Local {
            rules,
            last: LastStart::default(),
        };
        let allowed = "utc, local, or a name such as Europe/Berlin";
        let found = rules.map_err(|error| format!("{zone}: {error}; allowed is {allowed}"));
        Ok(Zone(Some(local(found?))))
    }

    /// When the period has begun that a time is in; both are seconds since 1970.
    pub(super) fn start(&self, period: Period, seconds: i64) -> i64 {
        match &self.0 {
            None => period.start(seconds),
            Some(local) => local.start(period, seconds),
        }
    }
}

impl Local {
    fn start(&self, period: Period, seconds: i64) -> i64 {
        let get = |time: &AtomicI64| time.load(Ordering::Relaxed);
        if (get(&self.last.from)..get(&self.last.until)).contains(&seconds) {
            return get(&self.last.start);
        }
        // A time beyond the year 9999 has no local one.
        self.find_start(period, seconds)
            .unwrap_or_else(|| period.start(seconds))
    }

    #[cold]
    fn find_start(&self, period: Period, seconds: i64) -> Option<i64> {
        let now = Timestamp::from_second(seconds).ok()?;
        let offset = i64::from(self.rules.to_offset(now).seconds());
        // The local clock, read as if it were UTC.
        let local_start = period.start(seconds + offset);
        let start = self.resolve(local_start, period, seconds)?;
        // Until the end of the period or the next change of the zone's offset nothing else comes out.
        let changes = self.rules.following(now).next();
        let change = changes.map_or(i64::MAX, |change| change.timestamp().as_second());
        let until = (local_start + period.length() - offset).min(change);
        let set = |time: &AtomicI64, value| time.store(value, Ordering::Relaxed);
        set(&self.last.from, seconds);
        set(&self.last.until, until);
        set(&self.last.start, start);
        Some(start)
    }

    /// The last instant up to `now` at which the local clock showed `local`.
    ///
    /// When clocks are set back they show an hour twice. A period of a day begins with the first of
    /// the two midnights; one of an hour or less begins with each. When they are set forward over
    /// `local`, that is the instant at which they are set.
    fn resolve(&self, local: i64, period: Period, now: i64) -> Option<i64> {
        let time = DateTime::from(Date::constant(1970, 1, 1))
            .checked_add(SignedDuration::from_secs(local))
            .ok()?;
        let with = |offset: jiff::tz::Offset| local - i64::from(offset.seconds());
        Some(match self.rules.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => with(offset),
            AmbiguousOffset::Gap { before, .. } => {
                let after = Timestamp::from_second(with(before) + 1).ok()?;
                let change = self.rules.preceding(after).next()?;
                change.timestamp().as_second()
            }
            AmbiguousOffset::Fold { before, after } => {
                let is_short = period.length() <= 60 * 60;
                match is_short && with(after) <= now {
                    true => with(after),
                    false => with(before),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    use std::time::{Duration, SystemTime};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::{Family, FileAppender};

    const LOG: &str = "FALLBACK_TEST_LOG";
    const BERLIN: &str = "Europe/Berlin";

    /// Writes a record at each time that it reads, and sets the time of the file to that.
    #[test]
    #[ignore = "a child of another one"]
    fn writes_at() {
        let Ok(log) = std::env::var(LOG) else { return };
        let mut appender = None;
        for line in std::io::stdin().lines() {
            let now: Timestamp = line.unwrap().parse().unwrap();
            sys::test_clock::set(now.into());
            let appender = appender.get_or_insert_with(|| {
                FileAppender::builder()
                    .rotate_every(Period::Daily)
                    .time_zone(TimeZone::Named(BERLIN.to_owned()))
                    .build(&log)
                    .unwrap()
            });
            let record = format!("{now} of {}\n", std::process::id());
            appender.make_writer().write_all(record.as_bytes()).unwrap();
            let file = OpenOptions::new().append(true).open(&log).unwrap();
            file.set_modified(SystemTime::from(now)).unwrap();
            println!("@ written");
        }
    }

    #[test]
    fn two_processes_rotate_once_at_each_local_midnight_of_days_of_23_and_25_hours() {
        for (from, hours) in [
            ("2026-03-27T23:05:00Z", 24 + 23 + 24),
            ("2026-10-23T22:05:00Z", 24 + 25 + 24),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let log = dir.path().join("app.log");
            let mut children: Vec<_> = (0..2)
                .map(|_| {
                    let name = module_path!().split_once("::").unwrap().1;
                    let mut child = Command::new(std::env::current_exe().unwrap())
                        .args([
                            "--exact",
                            &format!("{name}::writes_at"),
                            "--ignored",
                            "--nocapture",
                        ])
                        .env(LOG, &log)
                        .stdin(Stdio::piped())
                        .stdout(Stdio::piped())
                        .spawn()
                        .unwrap();
                    let output = BufReader::new(child.stdout.take().unwrap());
                    (child, output.lines())
                })
                .collect();
            let from: Timestamp = from.parse().unwrap();
            let mut expected = Vec::new();
            for half_hour in 0..2 * hours {
                let now = from + SignedDuration::from_mins(30 * half_hour);
                // In turn each of them is the first one of a day.
                children.reverse();
                for (child, output) in &mut children {
                    writeln!(child.stdin.as_mut().unwrap(), "{now}").unwrap();
                    let written = output.find(|line| line.as_ref().unwrap().ends_with("@ written"));
                    assert!(written.is_some());
                    expected.push(format!("{now} of {}", child.id()));
                }
            }
            let rules = Rules::get(BERLIN).unwrap();
            let day = |record: &str| {
                let time = record.split(' ').next().unwrap();
                rules.to_datetime(time.parse().unwrap()).date()
            };
            let family = Family::of(&log).unwrap();
            let mut found = Vec::new();
            for file in family.archives.iter().chain(&family.primary) {
                let text = fs::read_to_string(file).unwrap();
                let records: Vec<_> = text.lines().map(str::to_owned).collect();
                let first = day(&records[0]);
                assert!(records.iter().all(|record| day(record) == first), "{text}");
                found.extend(records);
            }
            assert_eq!(family.archives.len(), 2);
            assert_eq!(found, expected);
            for (mut child, _) in children {
                drop(child.stdin.take());
                assert!(child.wait().unwrap().success());
            }
        }
    }

    fn every(minutes: u64) -> Period {
        Period::every(Duration::from_secs(minutes * 60)).unwrap()
    }

    /// The starts of all periods from one time to another, in minutes.
    fn starts(zone: &str, period: Period, from: &str, until: &str) -> Vec<String> {
        let zone = Zone::find(&TimeZone::Named(zone.to_owned())).unwrap();
        let second = |time: &str| time.parse::<Timestamp>().unwrap().as_second();
        let mut starts = Vec::new();
        for now in (second(from)..second(until)).step_by(60) {
            let start = zone.start(period, now);
            assert!(start <= now);
            if starts.last() != Some(&start) {
                starts.push(start);
            }
        }
        let shown = |start: &i64| Timestamp::from_second(*start).unwrap().to_string();
        starts.iter().map(shown).collect()
    }

    #[test]
    fn a_day_begins_at_local_midnight_also_where_it_has_23_or_25_hours() {
        for (zone, from, until, expected) in [
            // 23 hours.
            (
                "Europe/Berlin",
                "2026-03-27T23:00:00Z",
                "2026-03-30T22:00:00Z",
                &[
                    "2026-03-27T23:00:00Z",
                    "2026-03-28T23:00:00Z",
                    "2026-03-29T22:00:00Z",
                ][..],
            ),
            // 25 hours.
            (
                "Europe/Berlin",
                "2026-10-23T22:00:00Z",
                "2026-10-26T23:00:00Z",
                &[
                    "2026-10-23T22:00:00Z",
                    "2026-10-24T22:00:00Z",
                    "2026-10-25T23:00:00Z",
                ],
            ),
            // There is no midnight: the clock goes from 23:59 to 01:00.
            (
                "Africa/Cairo",
                "2024-04-24T22:00:00Z",
                "2024-04-26T21:00:00Z",
                &["2024-04-24T22:00:00Z", "2024-04-25T22:00:00Z"],
            ),
            // There are two midnights: the clock goes from 00:59 back to 00:00.
            (
                "America/Havana",
                "2024-11-02T04:00:00Z",
                "2024-11-04T05:00:00Z",
                &["2024-11-02T04:00:00Z", "2024-11-03T04:00:00Z"],
            ),
            (
                "Asia/Kathmandu",
                "2026-01-01T18:15:00Z",
                "2026-01-03T18:15:00Z",
                &["2026-01-01T18:15:00Z", "2026-01-02T18:15:00Z"],
            ),
        ] {
            assert_eq!(
                starts(zone, Period::Daily, from, until),
                expected,
                "{zone} {from}"
            );
        }
    }

    #[test]
    fn hours_end_by_the_local_clock_and_one_that_comes_twice_ends_twice() {
        let (from, until) = ("2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z");
        let hours = starts("Europe/Berlin", Period::Hourly, from, until);
        assert_eq!(hours.len(), 4, "{hours:?}");
        let (from, until) = ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        let expected = [
            "2026-10-24T22:00:00Z",
            "2026-10-25T05:00:00Z",
            "2026-10-25T11:00:00Z",
            "2026-10-25T17:00:00Z",
        ];
        assert_eq!(
            starts("Europe/Berlin", every(6 * 60), from, until),
            expected
        );
        let (from, until) = ("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z");
        assert_eq!(starts("Europe/Berlin", every(60), from, until).len(), 3);
        let (from, until) = ("2026-01-01T18:15:00Z", "2026-01-01T20:15:00Z");
        let expected = ["2026-01-01T18:15:00Z", "2026-01-01T19:15:00Z"];
        assert_eq!(
            starts("Asia/Kathmandu", Period::Hourly, from, until),
            expected
        );
    }

    #[test]
    fn a_week_begins_on_local_monday() {
        let (from, until) = ("2026-10-18T22:00:00Z", "2026-11-01T23:00:00Z");
        let expected = ["2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"];
        assert_eq!(
            starts("Europe/Berlin", Period::Weekly, from, until),
            expected
        );
    }

    #[test]
    fn a_zone_that_the_system_does_not_know_is_an_error() {
        let error = Zone::find(&TimeZone::Named("Europe/Berlni".into())).unwrap_err();
        assert!(
            error.contains("Europe/Berlni") && error.contains("Europe/Berlin"),
            "{error}"
        );
    }

    #[test]
    fn a_zone_is_parsed_as_it_is_written() {
        for zone in [
            TimeZone::Utc,
            TimeZone::Local,
            TimeZone::Named("Asia/Tokyo".into()),
        ] {
            assert_eq!(zone.to_string().parse(), Ok(zone));
        }
    }
}
