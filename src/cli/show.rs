//! The form in which a record is shown: raw, as text, with colours, safe for a terminal.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use jiff::tz::TimeZone;
use serde_json::value::RawValue;
use tracing::Level;

use super::json::{self, plain, Object};
use crate::read::{without_padding, RecordRef};

pub(crate) use crate::read::without_colours;
use crate::read::{LEVELS, TIMES};

const DIM: &str = "\x1b[2m";
const PURPLE: &str = "\x1b[35m";
const RESET: &str = "\x1b[0m";

/// The keys of the message in JSON records.
const MESSAGES: [&str; 2] = ["message", "msg"];

/// How records are shown.
#[derive(Clone, Debug)]
pub(crate) struct Show {
    /// As they are in the file.
    pub(crate) raw: bool,
    /// With the name of the file before each line.
    pub(crate) source: bool,
    pub(crate) colours: bool,
    /// The output is a terminal, on which escape sequences of a record would act.
    pub(crate) terminal: bool,
    /// The time zone in which times are shown; `None` for that of each record.
    pub(crate) zone: Option<TimeZone>,
}

impl Show {
    pub(crate) fn record(&self, record: &RecordRef<'_>, out: &mut impl Write) -> io::Result<()> {
        let bytes = record.bytes();
        if self.raw && !self.source && !self.terminal {
            // The most common case, also for gigabytes of records.
            out.write_all(bytes)?;
            return match bytes.ends_with(b"\n") {
                true => Ok(()),
                false => out.write_all(b"\n"),
            };
        }
        let bytes = match self.raw {
            true => bytes,
            false => without_padding(bytes),
        };
        let mut text = Vec::with_capacity(bytes.len() + 64);
        let is_readable = !self.raw
            && bytes.first() == Some(&b'{')
            && self.json(&json::text(bytes), record, &mut text);
        if is_readable {
            return match self.source {
                false => out.write_all(&text),
                true => self.lines(&text, record.path(), true, out),
            };
        }
        if let (false, Some((time, rest))) =
            (self.raw, self.shown_time(record).zip(record.after_time()))
        {
            text.extend_from_slice(time.as_bytes());
            text.extend_from_slice(rest);
            return self.lines(&text, record.path(), false, out);
        }
        self.lines(bytes, record.path(), false, out)
    }

    /// The time of a record in the zone to show it in, if there is one.
    fn shown_time(&self, record: &RecordRef<'_>) -> Option<String> {
        let zone = self.zone.clone()?;
        let time = jiff::Timestamp::try_from(record.timestamp()?).ok()?;
        let shown = time.to_zoned(zone);
        Some(match shown.offset().is_zero() {
            true => shown.strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string(),
            false => shown.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string(),
        })
    }

    /// Writes lines; `made` here or out of a file.
    fn lines(&self, text: &[u8], path: &Path, made: bool, out: &mut impl Write) -> io::Result<()> {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            if self.source {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let (on, off) = self.style(PURPLE);
                let mut escaped = Vec::new();
                escape(&name, &mut escaped);
                out.write_all(on.as_bytes())?;
                out.write_all(&escaped)?;
                write!(out, "{off}: ")?;
            }
            match (self.terminal && !made, self.colours) {
                (false, _) => out.write_all(line)?,
                (true, false) => {
                    let line = without_colours(line);
                    out.write_all(&harmless(line.strip_suffix(b"\r").unwrap_or(&line)))?;
                }
                (true, true) => {
                    out.write_all(&harmless(line.strip_suffix(b"\r").unwrap_or(line)))?;
                    if line.contains(&0x1b) {
                        // Ends the colours that the line has left on.
                        out.write_all(RESET.as_bytes())?;
                    }
                }
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn style(&self, style: &'static str) -> (&'static str, &'static str) {
        match self.colours && !style.is_empty() {
            true => (style, RESET),
            false => ("", ""),
        }
    }

    /// Writes a JSON record as tracing-subscriber would have written it as text; returns false if
    /// it is not JSON.
    fn json(&self, line: &str, record: &RecordRef<'_>, out: &mut Vec<u8>) -> bool {
        let Some(mut object) = Object::parse(line) else {
            return false;
        };
        let (dim, reset) = self.style(DIM);
        if let Some(time) = object.take_any(&TIMES) {
            add(out, dim);
            match self.shown_time(record) {
                Some(time) => add(out, &time),
                None => escape(&plain(time), out),
            }
            add(out, reset);
            add(out, " ");
        }
        if let Some(value) = object.take_any(&LEVELS) {
            let level = record.level();
            let (on, off) = self.style(level.map_or("", colour));
            add(out, on);
            match level {
                Some(level) => add(out, padded(level)),
                None => escape(&format!("{:>5}", plain(value)), out),
            }
            add(out, off);
            add(out, " ");
        }
        for name in ["threadName", "threadId"] {
            if let Some(value) = object.take(name) {
                escape(&plain(value), out);
                add(out, " ");
            }
        }
        self.spans(&mut object, out);
        if let Some(target) = object.take("target") {
            add(out, dim);
            escape(&plain(target), out);
            add(out, ":");
            add(out, reset);
            add(out, " ");
        }
        if let Some(file) = object.take("filename") {
            add(out, dim);
            escape(&plain(file), out);
            add(out, ":");
            if let Some(number) = object.take("line_number") {
                escape(&plain(number), out);
                add(out, ":");
            }
            add(out, reset);
            add(out, " ");
        }
        let fields = object.take("fields");
        let mut members = Vec::new();
        if let Some(fields) = fields {
            match Object::parse(fields.get()) {
                Some(fields) => members = fields.0,
                None => field("fields", fields, out),
            }
        }
        let mut fields = Object(members);
        let message = fields
            .take_any(&MESSAGES)
            .or_else(|| object.take_any(&MESSAGES));
        if let Some(message) = message {
            // A line of the message must not look like a record.
            for (n, line) in plain(message).split('\n').enumerate() {
                add(out, if n > 0 { "\n    " } else { "" });
                escape(line, out);
            }
        }
        let mut blocks = Vec::new();
        for (key, value) in fields.0.iter().chain(&object.0) {
            match has_lines(value) {
                true => blocks.push((key, value)),
                false => {
                    add(out, " ");
                    field(&key.0, value, out);
                }
            }
        }
        for (key, value) in blocks {
            add(out, "\n    ");
            escape(&key.0, out);
            add(out, "=");
            for line in plain(value).lines() {
                add(out, "\n        ");
                escape(line, out);
            }
        }
        let length = out
            .iter()
            .rposition(|byte| *byte != b' ')
            .map_or(0, |last| last + 1);
        out.truncate(length);
        add(out, "\n");
        true
    }

    fn spans(&self, object: &mut Object<'_>, out: &mut Vec<u8>) {
        let inner = object.take("span");
        let spans = object.take("spans");
        let list = spans.and_then(|spans| serde_json::from_str::<Vec<&RawValue>>(spans.get()).ok());
        let list = list.unwrap_or_else(|| inner.into_iter().collect());
        for span in &list {
            match Object::parse(span.get()) {
                Some(mut span) => {
                    if let Some(name) = span.take("name") {
                        escape(&plain(name), out);
                    }
                    for (n, (key, value)) in span.0.iter().enumerate() {
                        add(out, if n == 0 { "{" } else { " " });
                        field(&key.0, value, out);
                    }
                    add(out, if span.0.is_empty() { "" } else { "}" });
                }
                None => escape(&plain(span), out),
            }
            add(out, ":");
        }
        add(out, if list.is_empty() { "" } else { " " });
    }
}

fn add(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn padded(level: Level) -> &'static str {
    match level {
        Level::TRACE => "TRACE",
        Level::DEBUG => "DEBUG",
        Level::INFO => " INFO",
        Level::WARN => " WARN",
        Level::ERROR => "ERROR",
    }
}

pub(crate) fn colour(level: Level) -> &'static str {
    match level {
        Level::TRACE => PURPLE,
        Level::DEBUG => "\x1b[34m",
        Level::INFO => "\x1b[32m",
        Level::WARN => "\x1b[33m",
        Level::ERROR => "\x1b[31m",
    }
}

/// Returns true if a string has several lines.
fn has_lines(value: &RawValue) -> bool {
    let text = value.get();
    text.starts_with('"') && text.contains("\\n") && plain(value).contains('\n')
}

fn field(key: &str, value: &RawValue, out: &mut Vec<u8>) {
    escape(key, out);
    add(out, "=");
    let text = plain(value);
    let is_string = value.get().starts_with('"');
    // Without quotation marks, a reader could not tell where a value with a space ends.
    match is_string && (text.is_empty() || text.contains([' ', '"', '=', '\n'])) {
        true => escape(&format!("{text:?}"), out),
        false => escape(&text, out),
    }
}

/// Returns true for a character that moves the cursor, hides text or changes its direction.
fn harms(char: char) -> bool {
    char.is_control() && char != '\t'
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends a text, with what would end the line or act on a terminal escaped.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return add(out, text);
    }
    for char in text.chars() {
        match harms(char) {
            true => out.extend(char.escape_default().map(|char| char as u8)),
            false => add(out, char.encode_utf8(&mut [0; 4])),
        }
    }
}

/// Appends what is safe for a terminal: text, and colours that do not hide it; the rest is escaped.
fn harmless(text: &[u8]) -> Cow<'_, [u8]> {
    if text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return text.into();
    }
    let mut shown = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length =
            crate::read::colour_length(rest).filter(|length| is_visible(&rest[2..length - 1]));
        if let Some(length) = length {
            shown.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        let end = rest[1..].iter().position(|byte| *byte == 0x1b);
        let (part, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        escape(&String::from_utf8_lossy(part), &mut shown);
        rest = after;
    }
    shown.into()
}

/// Returns true if the parameters of a sequence do not conceal what follows.
fn is_visible(parameters: &[u8]) -> bool {
    let mut parameters = parameters.split(|byte| *byte == b';');
    while let Some(parameter) = parameters.next() {
        let number = parameter.iter().skip_while(|byte| **byte == b'0');
        match number.copied().collect::<Vec<u8>>().as_slice() {
            b"8" => return false,
            // A colour follows, of one number or three.
            b"38" | b"48" => match parameters.next() {
                Some(b"5") => drop(parameters.next()),
                Some(b"2") => drop(parameters.nth(2)),
                _ => return false,
            },
            _ => {}
        }
    }
    true
}
