//! Which records are shown.

use clap::ValueEnum;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use super::show::without_colours;
use crate::read::{RecordRef, Timestamp};

/// How severe a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    #[value(alias = "warning")]
    Warn,
    Error,
}

impl Level {
    /// The level of a record, if it has one: a JSON record's `level`, or the word behind the time.
    pub(crate) fn of(record: &[u8]) -> Option<Self> {
        let line = record.split(|byte| *byte == b'\n').next()?;
        if line.first() == Some(&b'{') {
            let record: Value = serde_json::from_str(&String::from_utf8_lossy(line)).ok()?;
            return Self::of_value(&record["level"]);
        }
        let line = without_colours(line);
        let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'[';
        let mut words = line.split(is_space).filter(|word| !word.is_empty());
        // A time with a space in it is two words.
        let word = words.find(|word| word[0].is_ascii_alphabetic())?;
        let letters = word.iter().take_while(|byte| byte.is_ascii_alphabetic());
        Self::of_name(&letters.map(|byte| char::from(*byte)).collect::<String>())
    }

    pub(crate) fn of_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(name) => Self::of_name(name),
            // As bunyan and pino count.
            Value::Number(number) => Some(match number.as_u64()? {
                0..=19 => Level::Trace,
                20..=29 => Level::Debug,
                30..=39 => Level::Info,
                40..=49 => Level::Warn,
                _ => Level::Error,
            }),
            _ => None,
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        // With what other loggers call theirs.
        match name.to_ascii_lowercase().as_str() {
            "notice" => Some(Level::Info),
            "err" | "crit" | "critical" | "alert" | "emerg" | "fatal" | "panic" => {
                Some(Level::Error)
            }
            name => Level::from_str(name, true).ok(),
        }
    }
}

/// A pattern for each line of a record.
pub(crate) fn pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).multi_line(true).crlf(true).build()
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) level: Option<Level>,
    pub(crate) grep: Option<Regex>,
}

impl Filter {
    pub(crate) fn any(&self) -> bool {
        self.since.is_some() || self.until.is_some() || self.level.is_some() || self.grep.is_some()
    }

    /// What a record does not tell, it does not have.
    pub(crate) fn lets_through(&self, record: &RecordRef<'_>) -> bool {
        let time = record.timestamp;
        self.since
            .map_or(true, |since| time.is_some_and(|time| time >= since))
            && self
                .until
                .map_or(true, |until| time.is_some_and(|time| time <= until))
            && self.level.map_or(true, |least| {
                Level::of(record.bytes).is_some_and(|level| level >= least)
            })
            && self.grep.as_ref().map_or(true, |grep| {
                let text = without_colours(record.bytes);
                grep.is_match(text.strip_suffix(b"\n").unwrap_or(&text))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_its_level() {
        for (record, level) in [
            ("2026-11-23T07:55:01Z  INFO app: WARN", Some(Level::Info)),
            ("2026-11-23 07:55:01+01:00 ERROR app: x", Some(Level::Error)),
            (
                "\x1b[2m2026-11-23T07:55:01Z\x1b[0m \x1b[33m WARN\x1b[0m x",
                Some(Level::Warn),
            ),
            (
                "  2026-11-23T07:55:01Z DEBUG x\n    at y",
                Some(Level::Debug),
            ),
            ("[2026-11-23T07:55:01Z TRACE x]", Some(Level::Trace)),
            ("2026-11-23T07:55:01Z [warning] x", Some(Level::Warn)),
            ("2026-11-23T07:55:01Z hello INFO", None),
            ("", None),
            (r#"{"level":"ERROR"}"#, Some(Level::Error)),
            (r#"{"level":"warn"}"#, Some(Level::Warn)),
            (r#"{"level":30}"#, Some(Level::Info)),
            (r#"{"level":"fatal"}"#, Some(Level::Error)),
            (r#"{"level":"NOTICE"}"#, Some(Level::Info)),
            (r#"{"level":{}}"#, None),
            (r#"{"fields":{"level":"INFO"}}"#, None),
            (r#"{"level":"INFO""#, None),
        ] {
            assert_eq!(Level::of(record.as_bytes()), level, "{record}");
        }
    }
}
