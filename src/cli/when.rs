//! Times as people say them.

use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, ToSpan, Zoned};

use crate::read::Timestamp;

/// RFC 3339, a date or a time of this day's clock, `today`, `yesterday`, `now`, or so long ago.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    at(text, &Zoned::now())
}

fn at(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    let zoned = |time: DateTime| {
        time.to_zoned(now.time_zone().clone())
            .map(|time| time.timestamp())
    };
    let midnight = |date: Date| zoned(date.to_datetime(Time::midnight()));
    let found = match text {
        "now" => Ok(now.timestamp()),
        "today" => midnight(now.date()),
        "yesterday" => now.date().checked_sub(1.day()).and_then(midnight),
        _ => {
            let ago = |span: Span| now.checked_sub(span.abs()).map(|time| time.timestamp());
            let of_today = |time| zoned(now.date().to_datetime(time));
            let exact = text.parse::<jiff::Timestamp>();
            exact
                // What has a time in it is no date.
                .or_else(|error| match text.contains([':', 'T']) {
                    true => (text.parse::<Time>().and_then(of_today))
                        .or_else(|_| text.parse::<DateTime>().and_then(zoned)),
                    false => Err(error),
                })
                .or_else(|_| text.parse::<Date>().and_then(midnight))
                .or_else(|_| text.parse::<Span>().and_then(ago))
        }
    };
    found
        .map(Timestamp::from)
        .map_err(|_| "not a time such as 2026-11-23T07:55:01Z, 2026-11-23, today, 10m or 2h".into())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn times_as_people_say_them() {
        let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::fixed(jiff::tz::offset(1)));
        let date = jiff::civil::date(2026, 11, 23);
        let now = date.at(8, 55, 1, 0).to_zoned(zone).unwrap();
        for (text, expected) in [
            ("now", "2026-11-23T07:55:01Z"),
            ("2026-11-23T07:00:00Z", "2026-11-23T07:00:00Z"),
            ("2026-11-23T07:00:00.5+01:00", "2026-11-23T06:00:00.5Z"),
            ("2026-11-23 07:00:00Z", "2026-11-23T07:00:00Z"),
            ("2026-11-23T07:00:00", "2026-11-23T06:00:00Z"),
            ("2026-11-23 07:00", "2026-11-23T06:00:00Z"),
            ("2026-11-22", "2026-11-21T23:00:00Z"),
            ("07:55", "2026-11-23T06:55:00Z"),
            ("-10m", "2026-11-23T07:45:01Z"),
            ("today", "2026-11-22T23:00:00Z"),
            ("yesterday", "2026-11-21T23:00:00Z"),
            ("10m", "2026-11-23T07:45:01Z"),
            ("2h", "2026-11-23T05:55:01Z"),
            ("1h30m", "2026-11-23T06:25:01Z"),
            ("90 s", "2026-11-23T07:53:31Z"),
            ("3d", "2026-11-20T07:55:01Z"),
            ("2 days ago", "2026-11-21T07:55:01Z"),
            (" 1w ", "2026-11-16T07:55:01Z"),
        ] {
            let expected: jiff::Timestamp = expected.parse().unwrap();
            assert_eq!(at(text, &now), Ok(expected.into()), "{text}");
        }
        for text in [
            "",
            "tomorrow",
            "10",
            "m",
            "2026-13-01",
            "25:00",
            "-",
            "99999999999d",
        ] {
            let error = at(text, &now).unwrap_err();
            assert!(error.contains("not a time"), "{text}: {error}");
        }
    }
}
