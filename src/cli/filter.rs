//! Which records are shown.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use clap::ValueEnum;
use regex::bytes::{Regex, RegexBuilder};
use tracing::Level;

use super::json::{self, Object};
use super::show::without_colours;
use crate::read::{without_padding, RecordRef};

/// The least severe level that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Least {
    Trace,
    Debug,
    Info,
    #[value(alias = "warning")]
    Warn,
    Error,
}

impl Least {
    fn level(self) -> Level {
        match self {
            Least::Trace => Level::TRACE,
            Least::Debug => Level::DEBUG,
            Least::Info => Level::INFO,
            Least::Warn => Level::WARN,
            Least::Error => Level::ERROR,
        }
    }
}

/// A pattern for each line of a record.
pub(crate) fn pattern(text: &str, ignore_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .multi_line(true)
        .crlf(true)
        .case_insensitive(ignore_case)
        .build()
}

/// Finds the first place, in any number of records, where one may pass.
pub(crate) type Search = Box<dyn Fn(&[u8]) -> Option<usize> + Send + Sync>;

/// Makes a search for the first line, in any number of records, that the pattern may match. `None`
/// if the pattern refers to the start or the end of a record.
fn search_for(grep: &Regex) -> Option<Search> {
    // Anchors of the whole text, carriage returns, and flags that change what `^` and `$` are.
    let text = grep.as_str();
    let is_local = !["\\A", "\\z", "\\r", "(?"]
        .iter()
        .any(|part| text.contains(part));
    let grep = grep.clone();
    is_local.then_some(Box::new(move |records: &[u8]| {
        // A record is matched without its colours, which may hide a match in these bytes.
        let colours = memchr::memchr(0x1b, records);
        let plain = &records[..colours.unwrap_or(records.len())];
        grep.find(plain).map(|found| found.start()).or(colours)
    }))
}

/// `key=value`, `key!=value`, `key>value`, `key<value` or `key~pattern`.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    key: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Is(String),
    IsNot(String),
    Over(f64),
    Under(f64),
    Matches(Regex),
}

impl Field {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let at = text.find(['=', '!', '>', '<', '~']);
        let (key, rest) = at.map_or((text, ""), |at| text.split_at(at));
        let number = |text: &str| {
            let number = text.trim().parse::<f64>();
            number.map_err(|_| format!("{text:?} is not a number"))
        };
        let test = if let Some(value) = rest.strip_prefix("!=") {
            Test::IsNot(value.into())
        } else if let Some(value) = rest.strip_prefix('=') {
            Test::Is(value.into())
        } else if let Some(value) = rest.strip_prefix('>') {
            Test::Over(number(value)?)
        } else if let Some(value) = rest.strip_prefix('<') {
            Test::Under(number(value)?)
        } else if let Some(value) = rest.strip_prefix('~') {
            Test::Matches(pattern(value, false).map_err(|error| error.to_string())?)
        } else {
            return Err("not key=value, key!=value, key>number, key<number or key~regex".into());
        };
        match key.trim() {
            "" => Err("there is no key".into()),
            key => Ok(Field {
                key: key.into(),
                test,
            }),
        }
    }

    /// A search for the value that it must have. `None` if it may have several.
    fn search(&self) -> Option<Search> {
        let Test::Is(value) = &self.test else {
            return None;
        };
        // That stands for bytes that are no UTF-8.
        let is_literal = !value.is_empty() && !value.contains('\u{fffd}');
        let value = memchr::memmem::Finder::new(value).into_owned();
        is_literal.then_some(Box::new(move |records: &[u8]| {
            // A character of it may be escaped, or have colours beside it.
            let other = memchr::memchr2(b'\\', 0x1b, records);
            let plain = &records[..other.unwrap_or(records.len())];
            value.find(plain).or(other)
        }))
    }

    /// A record without the field passes only `!=`; if it has several values, one that passes is
    /// enough.
    fn passes(&self, values: &[Cow<'_, str>]) -> bool {
        let any = |test: &dyn Fn(&str) -> bool| values.iter().any(|value| test(value));
        let number =
            |test: &dyn Fn(f64) -> bool| any(&|value: &str| value.parse::<f64>().is_ok_and(test));
        match &self.test {
            Test::Is(expected) => any(&|value| value == expected),
            Test::IsNot(expected) => !any(&|value| value == expected),
            Test::Over(limit) => number(&|value| value > *limit),
            Test::Under(limit) => number(&|value| value < *limit),
            Test::Matches(pattern) => any(&|value| pattern.is_match(value.as_bytes())),
        }
    }
}

/// The values of a field in a record: of JSON as they are stored, in text as they are shown.
fn values<'a>(record: &'a [u8], line: &'a str, key: &str) -> Vec<Cow<'a, str>> {
    match Object::parse(line) {
        Some(object) => {
            let mut found = Vec::new();
            json::values(&object, key, &mut found);
            found
        }
        None => shown_values(record, key),
    }
}

fn shown_values<'a>(record: &'a [u8], key: &str) -> Vec<Cow<'a, str>> {
    let text = json::text(record);
    let mut found = Vec::new();
    if key == "target" {
        found.extend(shown_target(&text).map(|target| target.to_owned().into()));
    }
    // tracing-subscriber's pretty format is indented.
    let is_pretty = text.starts_with("  ");
    for (at, _) in text.match_indices(key) {
        let (before, after) = (&text[..at], &text[at + key.len()..]);
        let begins = before.is_empty() || before.ends_with([' ', '{', '\t', '\n', ',']);
        let begins_pretty = is_pretty && (before.ends_with(", ") || before.ends_with(" with "));
        let value = after.strip_prefix('=').filter(|_| begins);
        let pretty = after.strip_prefix(": ").filter(|_| begins_pretty);
        let Some(value) = value.or(pretty) else {
            continue;
        };
        let mut values = serde_json::Deserializer::from_str(value).into_iter::<String>();
        found.push(
            match value.starts_with('"').then(|| values.next()).flatten() {
                Some(Ok(text)) => text.into(),
                _ => {
                    let ends = |char: char| match pretty {
                        Some(_) => ",\n".contains(char),
                        None => char.is_whitespace() || ",}".contains(char),
                    };
                    let end = value.find(ends).unwrap_or(value.len());
                    value[..end].to_owned().into()
                }
            },
        );
    }
    found
}

/// The target of a text record: the word after the spans and before the first colon that a space
/// follows.
pub(crate) fn shown_target(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let is_word = |char: char| char.is_alphanumeric() || "_:-.".contains(char);
    let mut ends = line.match_indices(": ").map(|(end, _)| &line[..end]);
    let head = ends.find(|head| {
        let word = head.rsplit(' ').next().unwrap_or_default();
        // Spans have fields, or a colon between them.
        !word.ends_with('}') && !word.replace("::", "").contains([':', '{'])
    })?;
    let target = head.rsplit(' ').next()?;
    let is_target = !target.is_empty() && target.chars().all(is_word) && head.contains(' ');
    is_target.then_some(target)
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) level: Option<Least>,
    pub(crate) grep: Option<Regex>,
    pub(crate) invert: bool,
    pub(crate) fields: Vec<Field>,
    /// The number of records that have passed because they have no level.
    pub(crate) without_level: Arc<AtomicUsize>,
}

impl Filter {
    pub(crate) fn any(&self) -> bool {
        self.level.is_some() || self.grep.is_some() || !self.fields.is_empty()
    }

    /// A search for the records that may pass, if there is a fast one.
    pub(crate) fn search(&self) -> Option<Search> {
        let grep = self.grep.as_ref().filter(|_| !self.invert);
        grep.and_then(search_for)
            .or_else(|| self.fields.iter().find_map(Field::search))
    }

    pub(crate) fn passes(&self, record: &RecordRef<'_>) -> bool {
        if without_padding(record.bytes()).is_empty() {
            return false;
        }
        let level = self.level.map(|least| (least.level(), record.level()));
        if let Some((least, Some(level))) = level {
            if level > least {
                return false;
            }
        }
        let passes = self.grep_passes(record) && self.fields_pass(record.bytes());
        if let (true, Some((_, None))) = (passes, level) {
            self.without_level.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }

    fn grep_passes(&self, record: &RecordRef<'_>) -> bool {
        self.grep.as_ref().is_none_or(|grep| {
            let text = without_colours(record.bytes());
            grep.is_match(text.strip_suffix(b"\n").unwrap_or(&text)) != self.invert
        })
    }

    fn fields_pass(&self, record: &[u8]) -> bool {
        if self.fields.is_empty() {
            return true;
        }
        let text = without_colours(without_padding(record));
        let line = match text.first() {
            Some(b'{') => json::text(&text),
            _ => "".into(),
        };
        let passes = |field: &Field| field.passes(&values(&text, &line, &field.key));
        self.fields.iter().all(passes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_where_they_are_stored_or_shown() {
        let json = r#"{"timestamp":"T","level":"INFO","fields":{"message":"m","n":42,"s":"a b","big":12345678901234567890123},"target":"app::x","span":{"name":"inner","id":7},"spans":[{"name":"outer","user":"me"},{"name":"inner","id":7}]}"#;
        let text = r#"2026-11-23T07:55:01Z  INFO outer{user="me"}:inner{id=7}: app::x: m n=42 s="a b" big=12345678901234567890123"#;
        for (field, expected) in [
            ("n=42", true),
            ("n=4", false),
            ("n!=42", false),
            ("n!=41", true),
            ("none!=1", true),
            ("none=1", false),
            ("n>41.5", true),
            ("n>42", false),
            ("n<43", true),
            ("s=a b", true),
            ("s~^a", true),
            ("s~^b", false),
            ("user=me", true),
            ("id=7", true),
            ("target=app::x", true),
            ("target~app", true),
            ("big=12345678901234567890123", true),
            ("ser=me", false),
        ] {
            let field = Field::parse(field).unwrap();
            for record in [json, text] {
                let line = if record.starts_with('{') { record } else { "" };
                let values = values(record.as_bytes(), line, &field.key);
                assert_eq!(field.passes(&values), expected, "{field:?} {record}");
            }
        }
        for wrong in ["n", "=1", "n>x", "n~(", ""] {
            assert!(Field::parse(wrong).is_err(), "{wrong}");
        }
    }
}
