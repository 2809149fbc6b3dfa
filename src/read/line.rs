//! What a line says of the record that it begins, if it begins one.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memmem};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tracing::Level;

use super::timestamp::{Timestamp, Zone};

/// What JSON records call their time and their level, the most usual name first.
const TIMES: [&str; 4] = ["timestamp", "time", "ts", "@timestamp"];
const LEVELS: [&str; 4] = ["level", "severity", "lvl", "log.level"];

/// What a line is to the records of its file.
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
                Timestamp::of_text(line, zone).map_or(Line::Other, |(time, _)| Line::Text(time))
            }
            Some(b't') if is_panic(line) => Line::Panic,
            _ => Line::Other,
        }
    }

    fn of_json(line: &[u8], zone: &Zone) -> Self {
        // As tracing-subscriber writes it; the rest of the line need not be parsed.
        match usual_time(line, zone) {
            Some((time, _)) => Line::Json(Some(time)),
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
}

/// The level of a record: the `level` of a JSON record, or the word behind the time.
pub(crate) fn level_of(record: &[u8]) -> Option<Level> {
    // What zone the time is in makes no difference.
    let zone = &Zone::default();
    let end = memchr(b'\n', record).unwrap_or(record.len());
    let line = &record[..end];
    if line.first() == Some(&b'{') {
        // Behind a time of the usual form.
        let usual = usual_time(line, zone)
            .and_then(|(_, rest)| rest.strip_prefix(br#","level":""#))
            .and_then(|rest| level_named(&rest[..memchr(b'"', rest)?]));
        return usual.or_else(|| Header::of(line, zone)?.level);
    }
    if is_panic(line) {
        return Some(Level::ERROR);
    }
    let rest = Timestamp::of_text(line, zone).map_or(line, |(_, rest)| rest);
    let rest = without_colours(rest);
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'[';
    let mut words = rest.split(is_space).filter(|word| !word.is_empty());
    let word = words.find(|word| word[0].is_ascii_alphabetic())?;
    let length = word.iter().take_while(|byte| byte.is_ascii_alphabetic());
    level_named(&word[..length.count()])
}

/// The level of that name, in upper or lower case.
pub(crate) fn level_named(name: &[u8]) -> Option<Level> {
    // With what other loggers call theirs.
    const NAMES: [(&[u8], Level); 14] = [
        (b"INFO", Level::INFO),
        (b"DEBUG", Level::DEBUG),
        (b"TRACE", Level::TRACE),
        (b"WARN", Level::WARN),
        (b"ERROR", Level::ERROR),
        (b"WARNING", Level::WARN),
        (b"NOTICE", Level::INFO),
        (b"ERR", Level::ERROR),
        (b"CRIT", Level::ERROR),
        (b"CRITICAL", Level::ERROR),
        (b"ALERT", Level::ERROR),
        (b"EMERG", Level::ERROR),
        (b"FATAL", Level::ERROR),
        (b"PANIC", Level::ERROR),
    ];
    let mut names = NAMES.iter();
    let found = names.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, level)| *level)
}

/// As bunyan and pino count.
pub(crate) fn level_numbered(number: u64) -> Level {
    match number {
        0..=19 => Level::TRACE,
        20..=29 => Level::DEBUG,
        30..=39 => Level::INFO,
        40..=49 => Level::WARN,
        _ => Level::ERROR,
    }
}

/// The time of a JSON record that begins with it, and what follows it.
fn usual_time<'a>(line: &'a [u8], zone: &Zone) -> Option<(Timestamp, &'a [u8])> {
    let value = line.strip_prefix(br#"{"timestamp":""#)?;
    let (time, rest) = Timestamp::of_rfc_3339(value, zone)?;
    Some((time, rest.strip_prefix(b"\"")?))
}

fn is_panic(line: &[u8]) -> bool {
    line.starts_with(b"thread '") && memmem::find(line, b" panicked at ").is_some()
}

/// Without sequences that set colours.
pub(crate) fn without_colours(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(mut escape) = memchr(0x1b, text) else {
        return text.into();
    };
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        let (before, sequence) = rest.split_at(escape);
        plain.extend_from_slice(before);
        rest = match colour_length(sequence) {
            Some(length) => &sequence[length..],
            None => {
                plain.push(0x1b);
                &sequence[1..]
            }
        };
        match memchr(0x1b, rest) {
            Some(next) => escape = next,
            None => break,
        }
    }
    plain.extend_from_slice(rest);
    plain.into()
}

/// The length of the sequence that `text` begins with, if it sets a colour.
pub(crate) fn colour_length(text: &[u8]) -> Option<usize> {
    let parameters = text.strip_prefix(b"\x1b[")?;
    let is_parameter = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
    let end = parameters.iter().position(|byte| !is_parameter(byte))?;
    (parameters[end] == b'm').then_some(end + 3)
}

/// What is looked for in a JSON record; the rest of it is checked, but not kept.
#[derive(Debug, Default, PartialEq)]
struct Header {
    time: Option<Timestamp>,
    level: Option<Level>,
}

impl Header {
    /// `None` if the line is no JSON object.
    fn of(line: &[u8], zone: &Zone) -> Option<Self> {
        let parse = |line: &[u8]| {
            let mut deserializer = serde_json::Deserializer::from_slice(line);
            let header = deserializer.deserialize_map(HeaderVisitor(zone)).ok()?;
            deserializer.end().ok()?;
            Some(header)
        };
        parse(line).or_else(|| match String::from_utf8_lossy(line) {
            Cow::Borrowed(_) => None,
            // A byte that is no UTF-8 does not make it a part of another record.
            Cow::Owned(line) => parse(line.as_bytes()),
        })
    }
}

struct HeaderVisitor<'a>(&'a Zone);

impl<'de> Visitor<'de> for HeaderVisitor<'_> {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut times = [None; TIMES.len()];
        let mut levels = [None; LEVELS.len()];
        while let Some(Text(key)) = map.next_key()? {
            let index = |names: &[&str]| names.iter().position(|name| *name == key);
            // Of two of one name the first counts: a field of the user's own comes later.
            if let Some(n) = index(&TIMES).filter(|n| times[*n].is_none()) {
                times[n] = map.next_value::<Scalar<'_>>()?.time(self.0);
            } else if let Some(n) = index(&LEVELS).filter(|n| levels[*n].is_none()) {
                levels[n] = map.next_value::<Scalar<'_>>()?.level();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Header {
            time: times.into_iter().flatten().next(),
            level: levels.into_iter().flatten().next(),
        })
    }
}

/// A string, borrowed if it has no escapes.
struct Text<'a>(Cow<'a, str>);

/// A value that a time or a level may be.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Integer(u64),
    Float(f64),
    Other,
}

impl Scalar<'_> {
    fn time(&self, zone: &Zone) -> Option<Timestamp> {
        match self {
            Scalar::Text(text) => Timestamp::of_string(text, zone),
            Scalar::Integer(number) => Timestamp::of_integer(*number),
            Scalar::Float(number) => Timestamp::of_float(*number),
            Scalar::Other => None,
        }
    }

    fn level(&self) -> Option<Level> {
        match self {
            Scalar::Text(name) => level_named(name.as_bytes()),
            Scalar::Integer(number) => Some(level_numbered(*number)),
            Scalar::Float(_) | Scalar::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(text.to_owned().into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Integer(number))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Float(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}
