//! The time and the level of a JSON record.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::memrchr;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tracing::Level;

use super::json_text::JsonText;
use super::level::{level_named, level_numbered};
use super::parse_time::whole;
use super::timestamp::{Timestamp, Zone};

/// The keys of the time and the level in JSON records, the most usual one first.
pub(crate) const TIMES: [&str; 4] = ["timestamp", "time", "ts", "@timestamp"];
pub(crate) const LEVELS: [&str; 4] = ["level", "severity", "lvl", "log.level"];

/// The names of times with their quotation marks.
static QUOTED_TIMES: LazyLock<[Finder<'static>; TIMES.len()]> =
    LazyLock::new(|| TIMES.map(|name| Finder::new(&format!("\"{name}\"")).into_owned()));

/// The text of the time at the end of a JSON record: `…,"timestamp":"2026-11-23T07:55:01Z"}`. `None`
/// if another member may come first, or there is none.
///
/// No string of a JSON record can end as that does, since the quotation marks in it are escaped.
pub(crate) fn last_time(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let members = line.strip_suffix(b"\"}")?;
    let start = memrchr(b'"', members)?;
    let (before, value) = (&members[..start], &members[start + 1..]);
    let name = before.strip_suffix(b"\":")?;
    let quote = memrchr(b'"', name)?;
    let (before, name) = (&name[..quote], &name[quote + 1..]);
    let rank = TIMES.iter().position(|known| known.as_bytes() == name)?;
    let mut others = QUOTED_TIMES[..=rank].iter();
    (before.ends_with(b",") && others.all(|quoted| quoted.find(before).is_none())).then_some(value)
}

/// The time and the level of a JSON record. Its other members are parsed, but not kept.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Header {
    pub(crate) time: Option<Timestamp>,
    pub(crate) level: Option<Level>,
}

impl Header {
    /// `None` if the line is no JSON object.
    pub(crate) fn of(line: &[u8], zone: &Zone) -> Option<Self> {
        let parse = |line: &[u8]| {
            let mut deserializer = serde_json::Deserializer::from_slice(line);
            let header = deserializer.deserialize_map(HeaderVisitor(zone)).ok()?;
            deserializer.end().ok()?;
            Some(header)
        };
        parse(line).or_else(|| match String::from_utf8_lossy(line) {
            Cow::Borrowed(_) => None,
            // A line with an invalid UTF-8 byte is a record of its own all the same.
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
        while let Some(JsonText(key)) = map.next_key()? {
            let index = |names: &[&str]| names.iter().position(|name| *name == key);
            // If a key occurs twice, the first counts: a field of the program's comes later.
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

/// The value of a time or a level.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Integer(u64),
    Float(f64),
    Other,
}

impl Scalar<'_> {
    fn time(&self, zone: &Zone) -> Option<Timestamp> {
        match self {
            Scalar::Text(text) => whole(text.as_bytes(), zone),
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
