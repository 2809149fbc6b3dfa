//! A value as a format or the environment has it, and what it may mean.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Integer(u64),
    Text(String),
    /// Of the environment, not UTF-8.
    Bytes(OsString),
    /// A value that no key allows, as the error shows it.
    Other(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::Integer(value) => value.fmt(f),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Bytes(bytes) => write!(f, "{bytes:?}"),
            Value::Other(text) => f.write_str(text),
        }
    }
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        match self {
            Value::Text(text) if !text.is_empty() => Some(text.into()),
            Value::Bytes(bytes) => Some(bytes.into()),
            _ => None,
        }
    }

    /// A number, also as a text: the environment has nothing else.
    pub(super) fn integer<T: TryFrom<u64>>(&self) -> Option<T> {
        let integer = match self {
            Value::Integer(integer) => *integer,
            Value::Text(text) if starts_with_digit(text) => text.parse().ok()?,
            _ => return None,
        };
        integer.try_into().ok()
    }

    /// A number of bytes.
    pub(super) fn size<T: TryFrom<u64>>(&self) -> Option<T> {
        let size = match self {
            Value::Integer(bytes) => *bytes,
            Value::Text(text) if starts_with_digit(text) => text.parse::<ByteSize>().ok()?.as_u64(),
            _ => return None,
        };
        size.try_into().ok()
    }

    pub(super) fn span(&self) -> Option<Duration> {
        humantime::parse_duration(self.text()?).ok()
    }

    /// Permissions. A number would be ambiguous: formats differ in what they take `0640` for.
    pub(super) fn octal(&self) -> Option<u32> {
        let text = self.text()?;
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let is_octal = starts_with_digit(digits);
        let mode = u32::from_str_radix(digits, 8).ok()?;
        (is_octal && mode <= 0o777).then_some(mode)
    }
}

/// No sign stands before the number.
fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}
