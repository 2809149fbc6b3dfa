//! Times as people write them.

use std::time::SystemTime;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// RFC 3339; a date, a time of this day's clock, or both; `today`, `yesterday`, a weekday, these with
/// a time; `now`; `@` and seconds since 1970; or a span: ago, or with `+` from now on.
pub(crate) fn parse(text: &str) -> Result<SystemTime, String> {
    at(text, &Zoned::now()).map(SystemTime::from)
}

fn at(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    let found = instant(text, now).or_else(|| {
        let civil = civil(text, now)?;
        let zoned = civil.to_zoned(now.time_zone().clone()).ok()?;
        Some(zoned.timestamp())
    });
    found.or_else(|| span(text, now)).ok_or_else(|| {
        "not a time such as 2026-11-23T07:55:01Z, 2026-11-23 07:55, 07:55, yesterday, monday 10:00, \
         @1795420501, 10m or 2h"
            .into()
    })
}

/// A time that is the same in each zone.
fn instant(text: &str, now: &Zoned) -> Option<Timestamp> {
    if text == "now" {
        return Some(now.timestamp());
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return epoch(seconds);
    }
    let zoned = || text.parse::<Zoned>().map(|zoned| zoned.timestamp());
    text.parse::<Timestamp>().or_else(|_| zoned()).ok()
}

/// Seconds since 1970, with a fraction or not.
fn epoch(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if !is_number(digits) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    let nanos = if whole.starts_with('-') {
        -nanos
    } else {
        nanos
    };
    Timestamp::new(whole.parse().ok()?, nanos).ok()
}

/// A date and a time of day in the zone of this machine.
fn civil(text: &str, now: &Zoned) -> Option<DateTime> {
    // A time of day accepts a date before it, and drops it.
    if let Ok(both) = text.parse::<DateTime>() {
        return Some(both);
    }
    let (day, time) = text.split_once(' ').unwrap_or((text, ""));
    if let Some(date) = named_day(day, now.date()) {
        let time = match time.trim() {
            "" => Time::midnight(),
            time => time_of_day(time)?,
        };
        return Some(date.to_datetime(time));
    }
    Some(now.date().to_datetime(time_of_day(text)?))
}

fn time_of_day(text: &str) -> Option<Time> {
    let is_time = |char: char| char.is_ascii_digit() || ":.".contains(char);
    let text = Some(text).filter(|text| text.contains(':') && text.chars().all(is_time))?;
    text.parse().ok()
}

/// Of a weekday the last one, which may be today.
fn named_day(name: &str, today: Date) -> Option<Date> {
    const DAYS: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "today" => return Some(today),
        "yesterday" => return today.checked_sub(1.day()).ok(),
        "tomorrow" => return today.checked_add(1.day()).ok(),
        _ => {}
    }
    let is_it = |(day, _): &&(&str, Weekday)| name == *day || name == day[..3];
    let (_, weekday) = DAYS.iter().find(is_it)?;
    let days = today.weekday().since(*weekday);
    today.checked_sub(i64::from(days).days()).ok()
}

/// A span before now, or with `+` after it.
fn span(text: &str, now: &Zoned) -> Option<Timestamp> {
    let (text, is_future) = match text.strip_prefix('+') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('-').unwrap_or(text), false),
    };
    if text.starts_with(['+', '-', 'P']) || is_future && text.ends_with("ago") {
        return None;
    }
    let span = text.parse::<Span>().ok()?.abs();
    let there = match is_future {
        true => now.checked_add(span),
        false => now.checked_sub(span),
    };
    Some(there.ok()?.timestamp())
}

/// A zone by its name, or an offset from UTC.
pub(crate) fn zone(text: &str) -> Result<TimeZone, String> {
    if text.eq_ignore_ascii_case("local") {
        return Ok(TimeZone::system());
    }
    // jiff reads an offset behind a time.
    let offset = || {
        let time = format!("1970-01-02T00:00:00{text}");
        let time = time.parse::<Timestamp>().ok()?;
        let seconds = 86_400 - time.as_second();
        let offset = jiff::tz::Offset::from_seconds(i32::try_from(seconds).ok()?);
        offset.ok().map(TimeZone::fixed)
    };
    TimeZone::get(text)
        .ok()
        .or_else(offset)
        .ok_or_else(|| "not a time zone such as local, UTC, Europe/Berlin or +01:00".into())
}

/// The offset of a zone from UTC at a time of its clock, in seconds.
pub(crate) fn offset_at(zone: &TimeZone, civil: i64) -> i64 {
    let Ok(utc) = Timestamp::from_second(civil) else {
        return 0;
    };
    let civil_time = utc.to_zoned(TimeZone::UTC).datetime();
    let there = zone.to_ambiguous_timestamp(civil_time).compatible();
    there.map_or(0, |there| civil - there.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_people_write_them() {
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::fixed(jiff::tz::offset(1)));
        // A Monday.
        let date = jiff::civil::date(2026, 11, 23);
        let now = date.at(8, 55, 1, 0).to_zoned(zone).unwrap();
        for (text, expected) in [
            ("now", "2026-11-23T07:55:01Z"),
            ("2026-11-21T07:00:00Z", "2026-11-21T07:00:00Z"),
            ("2026-11-21T07:00:00.5+01:00", "2026-11-21T06:00:00.5Z"),
            ("2026-11-21 07:00:00Z", "2026-11-21T07:00:00Z"),
            (
                "2026-11-21T07:00:00+01:00[Europe/Berlin]",
                "2026-11-21T06:00:00Z",
            ),
            ("2026-11-21T07:00:00", "2026-11-21T06:00:00Z"),
            ("2026-11-21 07:00:00.25", "2026-11-21T06:00:00.25Z"),
            ("2026-11-21 07:00", "2026-11-21T06:00:00Z"),
            ("2026-11-21T07:00", "2026-11-21T06:00:00Z"),
            ("2026-11-21", "2026-11-20T23:00:00Z"),
            ("07:55", "2026-11-23T06:55:00Z"),
            ("07:55:10", "2026-11-23T06:55:10Z"),
            ("-10m", "2026-11-23T07:45:01Z"),
            ("today", "2026-11-22T23:00:00Z"),
            ("yesterday", "2026-11-21T23:00:00Z"),
            ("yesterday 10:00", "2026-11-22T09:00:00Z"),
            ("Yesterday 10:00:30", "2026-11-22T09:00:30Z"),
            ("today 10:00", "2026-11-23T09:00:00Z"),
            ("monday", "2026-11-22T23:00:00Z"),
            ("sun", "2026-11-21T23:00:00Z"),
            ("Tue 07:00", "2026-11-17T06:00:00Z"),
            ("tomorrow", "2026-11-23T23:00:00Z"),
            ("@1795420501", "2026-11-23T07:55:01Z"),
            ("@1795420501.25", "2026-11-23T07:55:01.25Z"),
            ("10m", "2026-11-23T07:45:01Z"),
            ("2h", "2026-11-23T05:55:01Z"),
            ("1h30m", "2026-11-23T06:25:01Z"),
            ("90 s", "2026-11-23T07:53:31Z"),
            ("3d", "2026-11-20T07:55:01Z"),
            ("2 days ago", "2026-11-21T07:55:01Z"),
            (" 1w ", "2026-11-16T07:55:01Z"),
            ("+1h", "2026-11-23T08:55:01Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(at(text, &now), Ok(expected), "{text}");
        }
        for text in [
            "",
            "10",
            "m",
            "2026-13-01",
            "25:00",
            "-",
            "+",
            "--1h",
            "+-1h",
            "+1h ago",
            "99999999999d",
            "monday 25:00",
            "yesterday 2026-11-21 10:00",
            "someday 10:00",
            "@",
            "@x",
            "@1.",
        ] {
            let error = at(text, &now).unwrap_err();
            assert!(error.contains("not a time"), "{text}: {error}");
        }
    }

    #[test]
    fn zones_by_name_and_offset() {
        let offset = |text: &str| zone(text).map(|zone| offset_at(&zone, 1_795_420_501));
        assert_eq!(offset("UTC"), Ok(0));
        assert_eq!(offset("+05:30"), Ok(19_800));
        assert_eq!(offset("-01:00"), Ok(-3_600));
        assert_eq!(offset("Europe/Berlin"), Ok(3_600));
        assert!(offset("Nowhere/AtAll").is_err());
    }
}
