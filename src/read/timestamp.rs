//! When a line says that it was written.

use std::time::{Duration, SystemTime};

use serde_json::Value;

/// What JSON records call their time, in the order in which they are looked for.
const NAMES: [&str; 4] = ["timestamp", "time", "ts", "@timestamp"];

/// A time of a record: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    pub(crate) fn to_system_time(self) -> Option<SystemTime> {
        let seconds = Duration::from_secs(self.seconds.unsigned_abs());
        let whole = match self.seconds {
            0.. => SystemTime::UNIX_EPOCH.checked_add(seconds),
            _ => SystemTime::UNIX_EPOCH.checked_sub(seconds),
        };
        whole?.checked_add(Duration::from_nanos(self.nanos.into()))
    }

    /// The time of the record that begins with this line, if one does.
    pub(crate) fn of_line(line: &[u8]) -> Option<Self> {
        let text = without_prefix(line);
        if text.first() != Some(&b'{') {
            let (time, rest) = rfc_3339(text)?;
            // As the start of a longer word it is something else.
            let ends = !rest.first().is_some_and(u8::is_ascii_alphanumeric);
            return ends.then_some(time);
        }
        // As tracing-subscriber writes it; the rest of the line need not be looked at.
        if let Some(value) = text.strip_prefix(br#"{"timestamp":""#) {
            if let Some((time, [b'"', ..])) = rfc_3339(value) {
                return Some(time);
            }
        }
        // A byte that is no UTF-8 does not make it another record's.
        let record: Value = serde_json::from_str(&String::from_utf8_lossy(text)).ok()?;
        NAMES.iter().find_map(|name| Self::of_value(&record[name]))
    }

    fn of_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => match rfc_3339(text.as_bytes())? {
                (time, []) => Some(time),
                _ => None,
            },
            Value::Number(number) => Self::of_number(number),
            _ => None,
        }
    }

    /// A number is since 1970, in the largest unit that puts it before the year 5138.
    fn of_number(number: &serde_json::Number) -> Option<Self> {
        const LARGEST: f64 = 1e11;
        let float = number.as_f64().filter(|float| *float >= 0.0)?;
        let (per_second, nanos_each) = [(1_u64, 1_000_000_000_u64), (1_000, 1_000_000)]
            .into_iter()
            .chain([(1_000_000, 1_000), (1_000_000_000, 1)])
            .find(|(per_second, _)| float / (*per_second as f64) < LARGEST)?;
        let (whole, fraction) = match number.as_u64() {
            Some(whole) => (whole, 0.0),
            None => (float.trunc() as u64, float.fract()),
        };
        let nanos = (whole % per_second) * nanos_each + (fraction * nanos_each as f64) as u64;
        Some(Timestamp {
            seconds: i64::try_from(whole / per_second).ok()?,
            nanos: u32::try_from(nanos).ok()?,
        })
    }
}

#[cfg(feature = "cli")]
impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        let seconds = time.as_nanosecond().div_euclid(1_000_000_000) as i64;
        let nanos = time.as_nanosecond().rem_euclid(1_000_000_000) as u32;
        Timestamp { seconds, nanos }
    }
}

#[cfg(feature = "cli")]
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::new(self.seconds, self.nanos as i32) {
            Ok(time) => time.fmt(f),
            Err(_) => self.seconds.fmt(f),
        }
    }
}

/// Without the colours, the two spaces of tracing-subscriber's pretty format, or the bracket that
/// may stand before a time.
fn without_prefix(line: &[u8]) -> &[u8] {
    let mut rest = line;
    let mut spaces = 0;
    loop {
        rest = match rest {
            [b' ', after @ ..] if spaces < 2 => {
                spaces += 1;
                after
            }
            [0x1b, b'[', after @ ..] => match colour_end(after) {
                Some(end) => &after[end..],
                None => return rest,
            },
            [b'[', after @ ..] => return after,
            _ => return rest,
        };
    }
}

/// Where what follows `ESC [` ends, if it sets a colour.
fn colour_end(sequence: &[u8]) -> Option<usize> {
    let is_parameter = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
    let end = sequence.iter().position(|byte| !is_parameter(byte))?;
    (sequence[end] == b'm').then_some(end + 1)
}

/// The time that `text` begins with, and what follows it.
fn rfc_3339(text: &[u8]) -> Option<(Timestamp, &[u8])> {
    const FORM: &[u8; 19] = b"0000-00-00T00:00:00";
    let (head, mut rest) = (text.get(..FORM.len())?, &text[FORM.len()..]);
    let fits = head.iter().zip(FORM).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        _ => byte == form,
    });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| decimal(&head[from..to]);
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
    let mut nanos = 0;
    if let [b'.', digits @ ..] = rest {
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let length = digits.iter().take_while(|byte| is_digit(byte)).count();
        let kept = &digits[..length.min(9)];
        nanos = decimal(kept) * 10_i64.pow(9 - kept.len() as u32);
        rest = &digits[length..];
        if length == 0 {
            return None;
        }
    }
    let offset = match rest {
        [b'Z' | b'z', after @ ..] => {
            rest = after;
            0
        }
        // The second and third are chrono's, and no RFC 3339.
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2, after @ ..]
        | [b' ', sign @ (b'+' | b'-'), h1, h2, b':', m1, m2, after @ ..]
        | [sign @ (b'+' | b'-'), h1, h2, m1, m2, after @ ..] => {
            if ![h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            rest = after;
            let (hours, minutes) = (decimal(&[*h1, *h2]), decimal(&[*m1, *m2]));
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3_600 + minutes * 60;
            if *sign == b'-' {
                -seconds
            } else {
                seconds
            }
        }
        _ => return None,
    };
    // A leap second is the one after 59.
    let is_time = hour < 24 && minute < 60 && second <= 60;
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    (is_time && is_date).then_some((
        Timestamp {
            seconds: seconds - offset,
            nanos: nanos as u32,
        },
        rest,
    ))
}

fn decimal(digits: &[u8]) -> i64 {
    let digits = digits.iter().map(|digit| i64::from(digit - b'0'));
    digits.fold(0, |number, digit| number * 10 + digit)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    /// The days of a year that is not a leap year before its months.
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    // 719_162 is what this comes to for 1970.
    let days = before * 365 + leap_days - 719_162;
    let month_index = (month - 1).clamp(0, 11) as usize;
    let leap_day = i64::from(month > 2 && is_leap(year));
    days + BEFORE[month_index] + leap_day + day - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(seconds: i64, nanos: u32) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos })
    }

    #[test]
    fn a_record_begins_with_its_time_and_other_lines_do_not() {
        const AT: i64 = 1_795_420_501;
        for (line, expected) in [
            (
                "2026-11-23T07:55:01.123456Z  INFO app: hello",
                time(AT, 123_456_000),
            ),
            ("2026-11-23T07:55:01Z", time(AT, 0)),
            ("2026-11-23t07:55:01z x", time(AT, 0)),
            ("2026-11-23 07:55:01Z x", time(AT, 0)),
            ("2026-11-23T08:55:01+01:00 x", time(AT, 0)),
            ("2026-11-22T18:25:01.5-13:30 x", time(AT, 500_000_000)),
            (
                "2026-11-23T07:55:01.1234567891234Z x",
                time(AT, 123_456_789),
            ),
            (
                "\x1b[2m2026-11-23T07:55:01Z\x1b[0m \x1b[32m INFO\x1b[0m x",
                time(AT, 0),
            ),
            ("  \x1b[2m2026-11-23T07:55:01Z\x1b[0m x", time(AT, 0)),
            ("  2026-11-23T07:55:01Z  INFO pretty", time(AT, 0)),
            ("[2026-11-23T07:55:01Z INFO env_logger]", time(AT, 0)),
            ("2026-11-23 08:55:01 +01:00 x", time(AT, 0)),
            ("2026-11-23T08:55:01+0100 x", time(AT, 0)),
            ("2026-11-23T07:55:01 -x", None),
            ("2016-12-31T23:59:60Z x", time(1_483_228_800, 0)),
            ("1969-12-31T23:59:59.25Z x", time(-1, 250_000_000)),
            ("0000-01-01T00:00:00Z", time(-62_167_219_200, 0)),
            ("9999-12-31T23:59:59Z", time(253_402_300_799, 0)),
            ("2000-02-29T00:00:00Z", time(951_782_400, 0)),
            (
                r#"{"timestamp":"2026-11-23T07:55:01Z","level":"INFO"}"#,
                time(AT, 0),
            ),
            (r#"{"timestamp":"2026-11-23T07:55:01Z","le"#, time(AT, 0)),
            (
                r#"{ "level": "INFO", "time": "2026-11-23T08:55:01+01:00" }"#,
                time(AT, 0),
            ),
            (r#"{"ts":1795420501.25,"msg":"zap"}"#, time(AT, 250_000_000)),
            (
                r#"{"level":30,"time":1795420501250}"#,
                time(AT, 250_000_000),
            ),
            (
                r#"{"ts":1795420501250001,"msg":"us"}"#,
                time(AT, 250_001_000),
            ),
            (
                r#"{"ts":1795420501250001002,"msg":"ns"}"#,
                time(AT, 250_001_002),
            ),
            (r#"{"@timestamp":"2026-11-23T07:55:01Z"}"#, time(AT, 0)),
            (
                r#"{"ts":"none","@timestamp":"2026-11-23T07:55:01Z"}"#,
                time(AT, 0),
            ),
            (
                r#"{"ts":1,"timestamp":"2026-11-23T07:55:01Z"}"#,
                time(AT, 0),
            ),
            (r#"{"fields":{"timestamp":"2026-11-23T07:55:01Z"}}"#, None),
            (r#"{"timestamp":"2026-11-23"}"#, None),
            (r#"{"time":-1}"#, None),
            (r#"{"time":"2026-11-23T07:55:01Z""#, None),
            (r#"{"time":1e300}"#, None),
            ("", None),
            ("    at src/main.rs:12", None),
            ("   2026-11-23T07:55:01Z in a list", None),
            ("thread 'main' panicked at src/main.rs:1:1:", None),
            ("2026-11-23T07:55:01 no zone", None),
            ("2026-11-23T07:55:01.Z", None),
            ("2026-11-23T07:55:01Zulu", None),
            ("2026-11-23T07:55:01+1:00", None),
            ("2026-11-23T07:55:01+24:00", None),
            ("2026-13-23T07:55:01Z", None),
            ("2026-02-29T07:55:01Z", None),
            ("1900-02-29T07:55:01Z", None),
            ("2026-11-00T07:55:01Z", None),
            ("2026-11-23T24:00:00Z", None),
            ("2026-11-23T07:60:01Z", None),
            ("2026-11-23T07:55:61Z", None),
            ("2026-11-23", None),
            ("\x1b[2", None),
        ] {
            assert_eq!(Timestamp::of_line(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn every_day_has_its_number() {
        let mut days = days_since_1970(0, 1, 1);
        assert_eq!(days, -719_528);
        for year in 0..=9_999 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    assert_eq!(days_since_1970(year, month, day), days);
                    days += 1;
                }
            }
        }
        assert_eq!(days, 2_932_897);
    }

    proptest! {
        #[test]
        fn whatever_the_line_nothing_panics(line in any::<Vec<u8>>()) {
            let _ = Timestamp::of_line(&line);
        }

        #[test]
        fn whatever_is_nearly_a_time_nothing_panics(
            line in "(\x1b\\[[0-9;]{0,3}m?)?[{\\[ ]{0,2}(\"(timestamp|ts)\":\"?)?[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,20})?(Z|z|[+-][0-9]{2}:[0-9]{2})?.{0,5}"
        ) {
            let _ = Timestamp::of_line(line.as_bytes());
        }

        #[test]
        fn what_is_written_is_read(seconds in -62_135_596_800_i64..=253_402_300_799, nanos in 0_u32..1_000_000_000) {
            use tracing_subscriber::fmt::time::FormatTime;
            let expected = Timestamp { seconds, nanos };
            // An independent calendar.
            let written = jiff::Timestamp::new(seconds, nanos as i32).unwrap().to_string();
            prop_assert_eq!(Timestamp::of_line(written.as_bytes()), Some(expected));
            let mut now = String::new();
            let writer = &mut tracing_subscriber::fmt::format::Writer::new(&mut now);
            tracing_subscriber::fmt::time::SystemTime.format_time(writer).unwrap();
            prop_assert!(Timestamp::of_line(now.as_bytes()).is_some());
        }
    }
}
