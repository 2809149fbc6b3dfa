//! What a record looks like.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

use regex::bytes::Regex;
use serde_json::{Map, Value};

use super::filter::Level;

const DIM: &str = "\x1b[2m";
const PURPLE: &str = "\x1b[35m";
const RESET: &str = "\x1b[0m";

/// How records are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Show {
    /// As they are in the file.
    pub(crate) raw: bool,
    /// With the name of the file before each line.
    pub(crate) source: bool,
    pub(crate) colours: bool,
    /// What is shown may do something to it.
    pub(crate) terminal: bool,
}

impl Show {
    pub(crate) fn record(&self, bytes: &[u8], path: &Path, out: &mut impl Write) -> io::Result<()> {
        if self.raw && !self.source && !self.terminal {
            // The most common case, and the one of gigabytes.
            out.write_all(bytes)?;
            return match bytes.ends_with(b"\n") {
                true => Ok(()),
                false => out.write_all(b"\n"),
            };
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = match self.terminal {
                true => line.strip_suffix(b"\r").unwrap_or(line),
                false => line,
            };
            let readable = match line {
                [b'{', ..] if !self.raw => self.readable(line),
                _ => None,
            };
            let text = readable.as_deref().map_or(line, str::as_bytes);
            match self.source {
                true => {
                    for part in text.split(|byte| *byte == b'\n') {
                        self.line(part, Some(path), out)?;
                    }
                }
                false => self.line(text, None, out)?,
            }
        }
        Ok(())
    }

    fn line(&self, text: &[u8], source: Option<&Path>, out: &mut impl Write) -> io::Result<()> {
        if let Some(path) = source {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let (on, off) = self.style(PURPLE);
            write!(out, "{on}{}{off}: ", harmless(&name))?;
        }
        match (self.terminal, self.colours) {
            (true, true) if text.contains(&0x1b) => {
                out.write_all(&harmless_bytes(text))?;
                // Whatever it has left on.
                out.write_all(RESET.as_bytes())?;
            }
            (true, true) => out.write_all(&harmless_bytes(text))?,
            (true, false) => out.write_all(&harmless_bytes(&without_colours(text)))?,
            (false, _) => out.write_all(text)?,
        }
        out.write_all(b"\n")
    }

    fn style(&self, style: &'static str) -> (&'static str, &'static str) {
        match self.colours {
            true => (style, RESET),
            false => ("", ""),
        }
    }

    /// A JSON record as tracing-subscriber would have written it as text; `None` if it is none.
    fn readable(&self, line: &[u8]) -> Option<String> {
        let line = String::from_utf8_lossy(line);
        let mut record: Map<String, Value> = serde_json::from_str(&line).ok()?;
        let mut text = String::new();
        let mut take = |names: &[&str]| names.iter().find_map(|name| record.remove(*name));
        let (dim, reset) = self.style(DIM);
        if let Some(time) = take(&["timestamp", "time", "ts", "@timestamp"]) {
            text.push_str(&format!("{dim}{}{reset} ", plain(&time)));
        }
        if let Some(value) = take(&["level"]) {
            let level = Level::of_value(&value);
            let name = level.map_or(plain(&value), |level| format!("{level:?}").to_uppercase());
            let (on, off) = self.style(level.map_or("", colour));
            text.push_str(&format!("{on}{name:>5}{off} "));
        }
        for name in ["threadName", "threadId"] {
            if let Some(value) = take(&[name]) {
                text.push_str(&format!("{} ", plain(&value)));
            }
        }
        let (inner, spans) = (take(&["span"]), take(&["spans"]));
        let spans = match (spans, inner) {
            (Some(Value::Array(spans)), _) => spans,
            (_, inner) => inner.into_iter().collect(),
        };
        for span in &spans {
            text.push_str(&format!("{}:", span_text(span)));
        }
        if !spans.is_empty() {
            text.push(' ');
        }
        if let Some(target) = take(&["target"]) {
            text.push_str(&format!("{dim}{}:{reset} ", plain(&target)));
        }
        if let Some(file) = take(&["filename"]) {
            let line = take(&["line_number"]).map(|line| format!("{}:", plain(&line)));
            text.push_str(&format!(
                "{dim}{}:{}{reset} ",
                plain(&file),
                line.unwrap_or_default()
            ));
        }
        let mut fields = match take(&["fields"]) {
            Some(Value::Object(fields)) => fields,
            Some(other) => Map::from_iter([("fields".to_owned(), other)]),
            None => Map::new(),
        };
        for (name, value) in record {
            fields.entry(name).or_insert(value);
        }
        let message = ["message", "msg"]
            .iter()
            .find_map(|name| fields.remove(*name));
        // A line of it must not look like a record.
        let message = message.as_ref().map(plain).unwrap_or_default();
        text.push_str(&message.replace('\n', "\n    "));
        let fields = fields_text(&fields);
        if !fields.is_empty() {
            text.push_str(&format!(" {fields}"));
        }
        text.truncate(text.trim_end().len());
        Some(text)
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::Trace => PURPLE,
        Level::Debug => "\x1b[34m",
        Level::Info => "\x1b[32m",
        Level::Warn => "\x1b[33m",
        Level::Error => "\x1b[31m",
    }
}

/// `request{id=7}`
fn span_text(span: &Value) -> String {
    let Value::Object(span) = span else {
        return plain(span);
    };
    let name = span.get("name").map(plain).unwrap_or_default();
    let fields: Map<_, _> = span
        .clone()
        .into_iter()
        .filter(|(key, _)| key != "name")
        .collect();
    match fields.is_empty() {
        true => name,
        false => format!("{name}{{{}}}", fields_text(&fields)),
    }
}

fn fields_text(fields: &Map<String, Value>) -> String {
    let field = |(key, value): (&String, &Value)| match value {
        // With a space in it, where it ends would be a guess.
        Value::String(text) if text.is_empty() || text.contains([' ', '"', '=', '\n']) => {
            format!("{}={text:?}", harmless(key))
        }
        value => format!("{}={}", harmless(key), plain(value)),
    };
    fields.iter().map(field).collect::<Vec<_>>().join(" ")
}

/// A string without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => harmless(text).into_owned(),
        value => value.to_string(),
    }
}

/// Line breaks and tabs stay; what else may do something to a terminal is escaped.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let harms = |char: char| char.is_control() && char != '\n' && char != '\t';
    if !text.contains(harms) {
        return text.into();
    }
    let escape = |char: char| match harms(char) {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    };
    text.chars().map(escape).collect::<String>().into()
}

/// The same, where colours stay as well.
fn harmless_bytes(text: &[u8]) -> Cow<'_, [u8]> {
    let harms = |byte: &u8| !(b' '..=b'~').contains(byte) && *byte != b'\t';
    if !text.iter().any(harms) {
        return text.into();
    }
    let mut shown = Vec::new();
    let mut end = 0;
    let mut show = |part: &[u8], colour: &[u8]| {
        shown.extend_from_slice(harmless(&String::from_utf8_lossy(part)).as_bytes());
        shown.extend_from_slice(colour);
    };
    for colour in colours().find_iter(text) {
        show(&text[end..colour.start()], colour.as_bytes());
        end = colour.end();
    }
    show(&text[end..], b"");
    shown.into()
}

pub(crate) fn without_colours(text: &[u8]) -> Cow<'_, [u8]> {
    match text.contains(&0x1b) {
        true => colours().replace_all(text, b""),
        false => text.into(),
    }
}

fn colours() -> &'static Regex {
    static COLOURS: OnceLock<Regex> = OnceLock::new();
    COLOURS.get_or_init(|| Regex::new("\x1b\\[[0-9;]*m").expect("it is a regular expression"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOW: Show = Show {
        raw: false,
        source: false,
        colours: false,
        terminal: false,
    };

    fn shown(show: Show, record: &str) -> String {
        let mut out = Vec::new();
        let path = Path::new("logs/app.001.log");
        show.record(record.as_bytes(), path, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_json_record_is_a_readable_line() {
        for (record, expected) in [
            (
                r#"{"timestamp":"2026-11-23T07:55:01Z","level":"INFO","fields":{"message":"hello","answer":42,"to":"a b"},"target":"app"}"#,
                "2026-11-23T07:55:01Z  INFO app: hello answer=42 to=\"a b\"",
            ),
            (
                r#"{"timestamp":"T","level":"WARN","fields":{"message":"m"},"target":"a::b","filename":"src/x.rs","line_number":7,"span":{"name":"inner"},"spans":[{"id":7,"name":"request"},{"name":"inner"}],"threadName":"main"}"#,
                "T  WARN main request{id=7}:inner: a::b: src/x.rs:7: m",
            ),
            (
                r#"{"level":30,"time":1795420501250,"msg":"pino","pid":1}"#,
                "1795420501250  INFO pino pid=1",
            ),
            (
                r#"{"level":"fatal","message":"x","n":{"a":[1]}}"#,
                "ERROR x n={\"a\":[1]}",
            ),
            (
                r#"{"message":"two\nlines \u001b[2J\u0007"}"#,
                "two\n    lines \\u{1b}[2J\\u{7}",
            ),
            (r#"{"fields":{"a":"x\ny"},"a":1}"#, r#" a="x\ny""#),
            ("{}", ""),
            (r#"{"half":"#, r#"{"half":"#),
            ("plain text", "plain text"),
        ] {
            assert_eq!(shown(SHOW, record), format!("{expected}\n"), "{record}");
        }
    }

    #[test]
    fn the_source_stands_before_each_line() {
        let show = Show {
            source: true,
            ..SHOW
        };
        let record = "2026-11-23T07:55:01Z INFO x\n    at src/x.rs:1\n";
        let expected = "app.001.log: 2026-11-23T07:55:01Z INFO x\napp.001.log:     at src/x.rs:1\n";
        assert_eq!(shown(show, record), expected);
        let expected = "app.001.log: two\napp.001.log:     lines\n";
        assert_eq!(shown(show, r#"{"message":"two\nlines"}"#), expected);
        let coloured = Show {
            colours: true,
            ..show
        };
        let expected = "\x1b[35mapp.001.log\x1b[0m: x\n";
        assert_eq!(shown(coloured, "x\n"), expected);
    }

    #[test]
    fn raw_is_as_it_is_but_nothing_harms_a_terminal() {
        let raw = Show { raw: true, ..SHOW };
        let record = "{\"message\":\"x\"} \x1b[2J\x1b[31mred\x1b[0m ä\u{9b}\n";
        assert_eq!(shown(raw, record), record);
        let terminal = Show {
            terminal: true,
            ..raw
        };
        let expected = "{\"message\":\"x\"} \\u{1b}[2Jred ä\\u{9b}\n";
        assert_eq!(shown(terminal, record), expected);
        let coloured = Show {
            colours: true,
            ..terminal
        };
        let expected = "{\"message\":\"x\"} \\u{1b}[2J\x1b[31mred\x1b[0m ä\\u{9b}\x1b[0m\n";
        assert_eq!(shown(coloured, record), expected);
        assert_eq!(without_colours(record.as_bytes()).len(), record.len() - 9);
    }
}
