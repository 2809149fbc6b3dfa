//! The time that a record says it was written at.

use std::fs;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tracing_fallback_file::Merge;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::common::files::scratch;

/// The times of the records in a file with these bytes, as they are read in both directions.
fn times(bytes: &[u8]) -> Vec<Option<SystemTime>> {
    let scratch = scratch();
    fs::write(&scratch.log, bytes).unwrap();
    let read = |newest_first| {
        let merge = Merge::builder()
            .window(Duration::ZERO)
            .newest_first(newest_first);
        let records = merge.open(&scratch.log).unwrap();
        records
            .map(|record| record.unwrap().timestamp())
            .collect::<Vec<_>>()
    };
    let (forward, mut backward) = (read(false), read(true));
    backward.reverse();
    assert_eq!(forward, backward);
    forward
}

/// Seconds since 1970 of which each nanosecond can be represented: those of 1677 to 2262.
const REPRESENTED: RangeInclusive<i64> = -9_223_372_036..=9_223_372_035;

/// Of `SystemTime`.
const RESOLUTION: Duration = Duration::from_nanos(if cfg!(windows) { 101 } else { 1 });

/// A time in those seconds, or else the start of the one that is next to it.
fn at(seconds: i64, nanos: u32) -> SystemTime {
    let nearest = seconds.clamp(*REPRESENTED.start(), *REPRESENTED.end());
    let distance = Duration::from_secs(nearest.unsigned_abs());
    let start = match nearest < 0 {
        true => UNIX_EPOCH - distance,
        false => UNIX_EPOCH + distance,
    };
    match nearest == seconds {
        true => start + Duration::from_nanos(nanos.into()),
        false => start,
    }
}

fn distance(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|error| error.duration())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_the_line_nothing_panics(line in any::<Vec<u8>>()) {
        times(&line);
    }

    #[test]
    fn whatever_is_nearly_a_time_nothing_panics(
        line in "(\x1b\\[[0-9;]{0,3}m?)?[{\\[ ]{0,2}(\"(timestamp|ts)\":\"?)?[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,20})?(Z|z|[+-][0-9]{2}:[0-9]{2})?.{0,5}"
    ) {
        times(line.as_bytes());
    }

    #[test]
    fn what_is_written_is_read(seconds in prop_oneof![-62_135_596_800_i64..=253_402_300_799, REPRESENTED], nanos in 0_u32..1_000_000_000) {
        // An independent calendar.
        let written = jiff::Timestamp::new(seconds, nanos as i32).unwrap().to_string();
        let [Some(read)] = times(written.as_bytes())[..] else { panic!("{written}") };
        let off = distance(read, at(seconds, nanos));
        match REPRESENTED.contains(&seconds) {
            true => prop_assert!(off < RESOLUTION, "{:?}", off),
            // At an end of what is represented.
            false => prop_assert!(off < Duration::from_secs(2), "{:?}", off),
        }
        let mut now = String::new();
        tracing_subscriber::fmt::time::SystemTime.format_time(&mut Writer::new(&mut now)).unwrap();
        prop_assert!(times(now.as_bytes())[0].is_some());
    }
}
