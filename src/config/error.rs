//! What is wrong with a key or its value.

use std::error::Error;
use std::fmt;

use super::value::Value;

/// Why a [`Config`](super::Config) could not be read: it names the key, its value if the key exists,
/// and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    key: String,
    value: Option<String>,
    allowed: String,
}

impl ConfigError {
    pub(super) fn unknown(key: impl Into<String>, keys: &[String]) -> Self {
        ConfigError {
            key: key.into(),
            value: None,
            allowed: keys.join(", "),
        }
    }

    pub(super) fn value(key: impl Into<String>, value: &Value, allowed: &str) -> Self {
        ConfigError {
            key: key.into(),
            value: Some(value.to_string()),
            allowed: allowed.to_owned(),
        }
    }

    /// The key, or the environment's variable.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its value, as it was written; `None` if there is no such key.
    pub fn found(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What the value may be, or which keys there are.
    pub fn allowed(&self) -> &str {
        &self.allowed
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError {
            key,
            value,
            allowed,
        } = self;
        match value {
            Some(value) => write!(f, "{key} = {value} is not allowed; allowed is {allowed}"),
            None => write!(f, "there is no key {key}; the keys are {allowed}"),
        }
    }
}

impl Error for ConfigError {}
