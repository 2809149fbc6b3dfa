//! The part of a line in a record: if it begins one, and the time and level that it states.

use memchr::{memchr, memmem};
use tracing::Level;

use super::colours::without_colours;
use super::json_header::{last_time, Header};
use super::level::level_named;
use super::parse_time::{self, Minute};
use super::timestamp::{Timestamp, Zone};

/// The start of a JSON record as tracing-subscriber writes it.
const TIME_FIRST: &[u8] = br#"{"timestamp":""#;

/// Without what may stand before a record and is no part of it: the zeros that a truncation or a
/// crash leaves in a file, and the byte order mark that an editor puts at its start.
pub(crate) fn without_padding(line: &[u8]) -> &[u8] {
    let zeros = line.iter().take_while(|byte| **byte == 0).count();
    let rest = &line[zeros..];
    rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest)
}

/// The part that a line has in the records of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Begins a record that the lines after it may belong to.
    Text(Timestamp),
    /// The message of a panic, which begins such a record, but without a time.
    Panic,
    /// A record of its own.
    Json(Option<Timestamp>),
    /// Belongs to the record before it, if that goes on.
    Other,
}

impl Line {
    pub(crate) fn of(line: &[u8], zone: &Zone) -> Self {
        match line.first() {
            Some(b'{') => Self::of_json(line, zone),
            Some(b'0'..=b'9' | b' ' | b'[' | 0x1b | b'A'..=b'Z') => {
                parse_time::at_start(line, zone).map_or(Line::Other, |(time, _)| Line::Text(time))
            }
            Some(b't') if is_panic(line) => Line::Panic,
            Some(0 | 0xef) => match without_padding(line) {
                rest if rest.len() < line.len() => Self::of(rest, zone),
                _ => Line::Other,
            },
            _ => Line::Other,
        }
    }

    /// If the time is the first or the last member, the rest of the line is not parsed.
    fn of_json(line: &[u8], zone: &Zone) -> Self {
        if let Some((time, _)) = first_time(line, zone) {
            return Line::Json(Some(time));
        }
        let last = last_time(line).and_then(|text| parse_time::whole(text, zone));
        match last {
            Some(time) => Line::Json(Some(time)),
            None => match Header::of(line, zone) {
                Some(header) => Line::Json(header.time),
                None => Line::Other,
            },
        }
    }

    pub(crate) fn time(self) -> Option<Timestamp> {
        match self {
            Line::Text(time) => Some(time),
            Line::Json(time) => time,
            Line::Panic | Line::Other => None,
        }
    }

    /// Returns true if the line begins a record.
    pub(crate) fn is_begin(self) -> bool {
        self != Line::Other
    }
}

/// Reads the lines of one file, whose times are mostly of one minute and one form.
#[derive(Debug)]
pub(crate) struct LineReader {
    zone: Zone,
    minute: Minute,
}

impl LineReader {
    pub(crate) fn new(zone: Zone) -> Self {
        LineReader {
            zone,
            minute: Minute::default(),
        }
    }

    /// The same as [`Line::of`].
    pub(crate) fn read(&mut self, line: &[u8]) -> Line {
        let text = match line.first() {
            Some(b'0'..=b'9') => {
                if let Some((time, _)) = self.minute.read(line) {
                    return Line::Text(time);
                }
                Some(line)
            }
            Some(b'{') => {
                if let Some(text) = line.strip_prefix(TIME_FIRST) {
                    if let Some((time, [b'"', ..])) = self.minute.read(text) {
                        return Line::Json(Some(time));
                    }
                    Some(text)
                } else {
                    let text = last_time(line);
                    if let Some((time, [])) = text.and_then(|text| self.minute.read(text)) {
                        return Line::Json(Some(time));
                    }
                    text
                }
            }
            _ => None,
        };
        let read = Line::of(line, &self.zone);
        if let (Some(text), Some(_)) = (text, read.time()) {
            self.minute.remember(text);
        }
        read
    }
}

/// The level of a record: the `level` of a JSON record, or the word behind the time.
pub(crate) fn level_of(record: &[u8]) -> Option<Level> {
    // The zone of the time makes no difference to the level.
    let zone = &Zone::default();
    let end = memchr(b'\n', record).unwrap_or(record.len());
    let line = without_padding(&record[..end]);
    if line.first() == Some(&b'{') {
        // The usual form: the level follows the time at the start.
        let usual = first_time(line, zone)
            .and_then(|(_, rest)| rest.strip_prefix(br#","level":""#))
            .and_then(|rest| level_named(&rest[..memchr(b'"', rest)?]));
        return usual.or_else(|| Header::of(line, zone)?.level);
    }
    if is_panic(line) {
        return Some(Level::ERROR);
    }
    let rest = parse_time::at_start(line, zone).map_or(line, |(_, rest)| rest);
    let rest = without_colours(rest);
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'[';
    let mut words = rest.split(is_space).filter(|word| !word.is_empty());
    let word = words.find(|word| word[0].is_ascii_alphabetic())?;
    let length = word.iter().take_while(|byte| byte.is_ascii_alphabetic());
    level_named(&word[..length.count()])
}

/// The time of a JSON record that begins with it, and what follows it.
fn first_time<'a>(line: &'a [u8], zone: &Zone) -> Option<(Timestamp, &'a [u8])> {
    let value = line.strip_prefix(TIME_FIRST)?;
    let (time, rest) = parse_time::at_start(value, zone)?;
    Some((time, rest.strip_prefix(b"\"")?))
}

fn is_panic(line: &[u8]) -> bool {
    line.starts_with(b"thread '") && memmem::find(line, b" panicked at ").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Numbers;

    /// The result does not depend on the lines before it.
    #[test]
    fn a_line_read_after_others_is_the_same() {
        let mut numbers = Numbers::new(1);
        let mut reader = LineReader::new(Zone::new(|_| 3_600));
        for _ in 0..20_000 {
            let line = line(&mut numbers);
            let expected = Line::of(line.as_bytes(), &Zone::new(|_| 3_600));
            assert_eq!(reader.read(line.as_bytes()), expected, "{line}");
        }
    }

    fn line(numbers: &mut Numbers) -> String {
        let mut one_of = |parts: &[&'static str]| parts[numbers.below(parts.len() as u64) as usize];
        let time = [
            one_of(&["2026-11-23T07:5", "2026-11-23 07:5", "2026-11-24T07:5"]),
            one_of(&["1:0", "2:0", "1:5", "1:6"]),
            one_of(&["0", "9", "x", ""]),
            one_of(&["", ".", ".1", ".123456", ".123456789", ".1234567891", ",5"]),
            one_of(&["Z", "Z", "Z", "z", "+01:00", " UTC", "", "Z[UTC]"]),
        ]
        .concat();
        let rest = one_of(&["", "", " ", "x", "0", ":", "\""]);
        match one_of(&["text", "first", "last", "two", "other"]) {
            "text" => format!("{time}{rest}"),
            "first" => format!("{{\"timestamp\":\"{time}{rest}\",\"level\":\"INFO\"}}\n"),
            "last" => format!("{{\"level\":\"INFO\",\"timestamp\":\"{time}{rest}\"}}\n"),
            "two" => format!("{{\"ts\":\"2020-01-01T00:00:00Z{rest}\",\"time\":\"{time}\"}}"),
            _ => format!("{{\"fields\":{{\"timestamp\":\"{time}\"}},\"ts\":\"{time}{rest}\"}}"),
        }
    }

    #[test]
    fn a_time_at_the_end_is_that_of_the_record() {
        let time = |line: &str| Line::of(line.as_bytes(), &Zone::default());
        let one = Line::Json(time("2026-11-23T07:55:01Z").time());
        for line in [
            r#"{"level":"INFO","timestamp":"2026-11-23T07:55:01Z"}"#,
            r#"{"a":",","time":"2026-11-23T07:55:01Z"}"#,
            r#"{"time":"2020-01-01T00:00:00Z","timestamp":"2026-11-23T07:55:01Z"}"#,
            r#"{"timestamp":"2026-11-23T07:55:01Z","time":"2020-01-01T00:00:00Z"}"#,
            r#"{"a":1,"timestamp":"2026-11-23T07:55:01Z","timestamp":"2020-01-01T00:00:00Z"}"#,
        ] {
            assert_eq!(time(line), one, "{line}");
        }
        for line in [
            r#"{"message":"x,\"timestamp\":\"2026-11-23T07:55:01Z\"}"}"#,
            r#"{"fields":{"a":1,"timestamp":"2026-11-23T07:55:01Z"}}"#,
            r#"{"a":1,"timestamp":"2026-11-23"}"#,
        ] {
            assert_eq!(time(line), Line::Json(None), "{line}");
        }
    }
}
