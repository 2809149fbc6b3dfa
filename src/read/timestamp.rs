//! When a record was written, by what it says.

use std::num::NonZeroI64;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time of a record, in nanoseconds since 1970, of which those from 0 on are one higher, so that
/// none is 0 and an `Option` is no larger. Times before 1677 and after 2262 are those at the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(NonZeroI64);

/// The time zone of times that name none, as the offset from UTC in seconds at a civil time, which
/// is given in seconds as if it were UTC. The default is UTC.
#[derive(Clone, Default)]
pub(crate) struct Zone(Option<Arc<Offset>>);

type Offset = dyn Fn(i64) -> i64 + Send + Sync;

impl Zone {
    pub(crate) fn new(offset: impl Fn(i64) -> i64 + Send + Sync + 'static) -> Self {
        Zone(Some(Arc::new(offset)))
    }

    fn offset(&self, civil: i64) -> i64 {
        self.0.as_ref().map_or(0, |offset| offset(civil))
    }
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zone").finish_non_exhaustive()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Timestamp::of_nanos(match time.duration_since(UNIX_EPOCH) {
            Ok(since) => nanos(since),
            Err(before) => -nanos(before.duration()),
        })
    }
}

impl Timestamp {
    fn new(seconds: i64, nanos: u32) -> Self {
        let seconds = seconds.saturating_mul(1_000_000_000);
        Timestamp::of_nanos(seconds.saturating_add(nanos.into()))
    }

    fn of_nanos(nanos: i64) -> Self {
        let stored = if nanos < 0 {
            nanos
        } else {
            nanos.saturating_add(1)
        };
        Timestamp(NonZeroI64::new(stored).unwrap_or(NonZeroI64::MIN))
    }

    fn nanos(self) -> i64 {
        match self.0.get() {
            stored @ 1.. => stored - 1,
            stored => stored,
        }
    }

    pub(crate) fn to_system_time(self) -> Option<SystemTime> {
        let nanos = Duration::from_nanos(self.nanos().unsigned_abs());
        match self.nanos() {
            0.. => UNIX_EPOCH.checked_add(nanos),
            _ => UNIX_EPOCH.checked_sub(nanos),
        }
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Timestamp::of_nanos(self.nanos().saturating_add(nanos))
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Timestamp::of_nanos(self.nanos().saturating_sub(nanos))
    }

    /// The time at the start of a line of text that is the first of a record, and what follows it.
    pub(crate) fn of_text<'a>(line: &'a [u8], zone: &Zone) -> Option<(Self, &'a [u8])> {
        let text = without_prefix(line);
        let (time, rest) = match text.first()? {
            b'0'..=b'9' => rfc_3339(text, zone).or_else(|| epoch(text))?,
            b'A'..=b'Z' => rfc_2822(text)?,
            _ => return None,
        };
        // As the start of a longer word it is something else.
        let ends = !rest.first().is_some_and(u8::is_ascii_alphanumeric);
        ends.then_some((time, rest))
    }

    /// The time that a JSON string is, all of it.
    pub(crate) fn of_string(text: &str, zone: &Zone) -> Option<Self> {
        let text = text.as_bytes();
        let found = rfc_3339(text, zone).or_else(|| rfc_2822(text));
        match found.or_else(|| epoch(text))? {
            (time, []) => Some(time),
            _ => None,
        }
    }

    /// The time that a JSON number is: since 1970, in the largest unit that puts it before the year
    /// 5138.
    pub(crate) fn of_integer(number: u64) -> Option<Self> {
        const LARGEST: u64 = 100_000_000_000;
        let per_second = [1, 1_000, 1_000_000, 1_000_000_000]
            .into_iter()
            .find(|per_second| number / per_second < LARGEST)?;
        let nanos = u32::try_from(number % per_second * (1_000_000_000 / per_second)).ok()?;
        let seconds = i64::try_from(number / per_second).ok()?;
        Some(Timestamp::new(seconds, nanos))
    }

    /// The same of one that has a fraction.
    pub(crate) fn of_float(number: f64) -> Option<Self> {
        const LARGEST: f64 = 1e11;
        if !(0.0..LARGEST * 1e9).contains(&number) {
            return None;
        }
        let per_second = [1_u64, 1_000, 1_000_000, 1_000_000_000]
            .into_iter()
            .find(|per_second| number / (*per_second as f64) < LARGEST)?;
        let (whole, fraction) = (number.trunc() as u64, number.fract());
        let nanos_each = 1_000_000_000 / per_second;
        let nanos = (whole % per_second) * nanos_each + (fraction * nanos_each as f64) as u64;
        let seconds = i64::try_from(whole / per_second).ok()?;
        Some(Timestamp::new(seconds, u32::try_from(nanos).ok()?))
    }

    /// The time that a string as tracing-subscriber writes it begins with, and what follows it.
    pub(crate) fn of_rfc_3339<'a>(text: &'a [u8], zone: &Zone) -> Option<(Self, &'a [u8])> {
        rfc_3339(text, zone)
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

/// A number of seconds, milliseconds, microseconds or nanoseconds since 1970, known by its length;
/// of seconds there may be a fraction.
fn epoch(text: &[u8]) -> Option<(Timestamp, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !matches!(length, 10 | 13 | 16 | 19) {
        return None;
    }
    let (digits, rest) = text.split_at(length);
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add((digit - b'0').into())
    })?;
    let time = Timestamp::of_integer(number)?;
    match (length, rest) {
        (10, [b'.', b'0'..=b'9', ..]) => {
            let (nanos, rest) = fraction(&rest[1..]);
            Some((time.plus(Duration::from_nanos(nanos.into())), rest))
        }
        _ => Some((time, rest)),
    }
}

/// The nanoseconds that digits behind a point are, and what follows these.
fn fraction(text: &[u8]) -> (u32, &[u8]) {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let kept = &text[..length.min(9)];
    let nanos = decimal(kept) * 10_i64.pow(9 - kept.len() as u32);
    (nanos as u32, &text[length..])
}

/// The time that `text` begins with, and what follows it: RFC 3339, and what chrono, `time` and jiff
/// make of it.
fn rfc_3339<'a>(text: &'a [u8], zone: &Zone) -> Option<(Timestamp, &'a [u8])> {
    const DATE: &[u8; 10] = b"0000-00-00";
    const TIME: &[u8; 8] = b"00:00:00";
    let fits = |text: &[u8], form: &[u8]| {
        text.len() >= form.len()
            && text.iter().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte == form,
            })
    };
    let separator = *text.get(DATE.len())?;
    if !fits(text, DATE) || !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let clock = &text[DATE.len() + 1..];
    // `time` writes no zero before the hour, behind a space.
    let short = separator == b' ' && !fits(clock, TIME);
    let form = if short { &TIME[1..] } else { TIME };
    if !fits(clock, form) {
        return None;
    }
    let (year, month, day) = (
        decimal(&text[0..4]),
        decimal(&text[5..7]),
        decimal(&text[8..10]),
    );
    let (clock, mut rest) = clock.split_at(form.len());
    let colon = clock.len() - 6;
    let (hour, minute, second) = (
        decimal(&clock[..colon]),
        decimal(&clock[colon + 1..colon + 3]),
        decimal(&clock[colon + 4..]),
    );
    let mut nanos = 0;
    if let [b'.' | b',', after @ ..] = rest {
        if after.first().is_some_and(u8::is_ascii_digit) {
            (nanos, rest) = fraction(after);
        } else if rest[0] == b'.' {
            return None;
        }
    }
    let civil = civil(year, month, day, hour, minute, second)?;
    let offset = match utc_offset(rest)? {
        (Some(offset), after) => {
            rest = after;
            offset
        }
        (None, _) => zone.offset(civil),
    };
    if let [b'[', name @ ..] = rest {
        // jiff's name of the zone.
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_+-:".contains(byte);
        let length = name.iter().take_while(|byte| is_name(byte)).count();
        if length > 0 && name.get(length) == Some(&b']') {
            rest = &name[length + 1..];
        }
    }
    let seconds = civil - offset;
    Some((Timestamp::new(seconds, nanos), rest))
}

/// The offset from UTC that `text` begins with, and what follows it. `None` if it begins with half an
/// offset; without any there is no offset.
fn utc_offset(text: &[u8]) -> Option<(Option<i64>, &[u8])> {
    // Behind a space it is chrono's or `time`'s, and no RFC 3339.
    let (spaced, rest) = match text {
        [b' ', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let ends = |rest: &[u8]| !rest.first().is_some_and(u8::is_ascii_alphanumeric);
    match rest {
        [b'Z' | b'z', after @ ..] if !spaced && ends(after) => return Some((Some(0), after)),
        [b'U', b'T', b'C', after @ ..] | [b'G', b'M', b'T', after @ ..] if ends(after) => {
            return Some((Some(0), after));
        }
        _ => {}
    }
    let (sign, digits) = match rest {
        [sign @ (b'+' | b'-'), digits @ ..] => (*sign, digits),
        [b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z', ..] if !spaced => return None,
        _ => return Some((None, text)),
    };
    let number = |at: usize| {
        let digits = digits.get(at..at + 2)?;
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| decimal(digits))
    };
    let colon = |at: usize| digits.get(at) == Some(&b':');
    let parts = match (number(0), colon(2)) {
        (Some(hours), true) => number(3).map(|minutes| match number(6).filter(|_| colon(5)) {
            Some(seconds) => (hours, minutes, seconds, 8),
            None => (hours, minutes, 0, 5),
        }),
        (Some(hours), false) => number(2).map(|minutes| (hours, minutes, 0, 4)),
        (None, _) => None,
    };
    match parts {
        Some((hours, minutes, seconds, length))
            if hours <= 23 && minutes <= 59 && seconds <= 59 =>
        {
            let offset = hours * 3_600 + minutes * 60 + seconds;
            let offset = if sign == b'-' { -offset } else { offset };
            Some((Some(offset), &digits[length..]))
        }
        // Behind a space it may be the first word of the record.
        _ if spaced => Some((None, text)),
        _ => None,
    }
}

/// `Mon, 23 Nov 2026 07:55:01 +0000`
fn rfc_2822(text: &[u8]) -> Option<(Timestamp, &[u8])> {
    const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let (name, rest) = split(text, 3)?;
    let rest = rest.strip_prefix(b", ")?;
    let days = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !DAYS.contains(&name) || !(1..=2).contains(&days) {
        return None;
    }
    let day = decimal(&rest[..days]);
    let (month, rest) = split(rest[days..].strip_prefix(b" ")?, 3)?;
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let (clock, rest) = split(rest.strip_prefix(b" ")?, 13)?;
    let fits = clock
        .iter()
        .zip(b"0000 00:00:00")
        .all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| decimal(&clock[from..to]);
    let civil = civil(
        number(0, 4),
        month,
        day,
        number(5, 7),
        number(8, 10),
        number(11, 13),
    )?;
    match utc_offset(rest)? {
        (Some(offset), rest) => {
            let seconds = civil - offset;
            Some((Timestamp::new(seconds, 0), rest))
        }
        (None, _) => None,
    }
}

fn split(text: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    (at <= text.len()).then(|| text.split_at(at))
}

/// The seconds from 1970 to a date and a time of day, if these exist.
fn civil(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<i64> {
    // A leap second is the one after 59.
    let is_time = hour < 24 && minute < 60 && second <= 60;
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    (is_time && is_date)
        .then(|| days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
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
    use super::super::line::Line;
    use super::*;

    fn time(seconds: i64, nanos: u32) -> Option<Timestamp> {
        Some(Timestamp::new(seconds, nanos))
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
            ("2026-11-23T07:55:01 -x", time(AT, 0)),
            ("2026-11-23 07:55:01.5 hello", time(AT, 500_000_000)),
            ("2026-11-23 07:55:01,5 hello", time(AT, 500_000_000)),
            ("2026-11-23 07:55:01.5 UTC hello", time(AT, 500_000_000)),
            (
                "2026-11-23 7:55:01.5 +00:00:00 hello",
                time(AT, 500_000_000),
            ),
            ("2026-11-23T08:55:01+01:00[Europe/Berlin] x", time(AT, 0)),
            ("Mon, 23 Nov 2026 07:55:01 +0000 x", time(AT, 0)),
            ("Mon, 23 Nov 2026 07:55:01 GMT x", time(AT, 0)),
            ("Mon, 23 Nov 2026 07:55:01", None),
            ("Mon, 31 Nov 2026 07:55:01 +0000 x", None),
            ("1795420501 x", time(AT, 0)),
            ("1795420501.25 x", time(AT, 250_000_000)),
            ("1795420501250 x", time(AT, 250_000_000)),
            ("17954205012 x", None),
            (r#"{"ts":"1795420501.25"}"#, time(AT, 250_000_000)),
            (r#"{"ts":"1795420501250001"}"#, time(AT, 250_001_000)),
            (
                r#"{"time":"2026-11-23T08:55:01+01:00[Europe/Berlin]"}"#,
                time(AT, 0),
            ),
            (r#"{"time":"2026-11-23 07:55:01"}"#, time(AT, 0)),
            (r#"{"time":"2026-11-23 07:55:01 x"}"#, None),
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
            ("2026-11-23T07:55:01 no zone", time(AT, 0)),
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
            assert_eq!(
                Line::of(line.as_bytes(), &Zone::default()).time(),
                expected,
                "{line}"
            );
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
}
