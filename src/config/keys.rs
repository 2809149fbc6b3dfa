//! The keys: how each is read into a [`Config`], and written from one.

use std::path::Path;
use std::time::Duration;

use super::error::ConfigError;
use super::value::Value;
use super::Config;
use crate::file::{PeriodError, SyncPolicy};
use crate::names::MAX_VARIANTS;
use crate::retention::Compression;

pub(super) struct Key {
    pub(super) name: &'static str,
    /// What its value may be.
    allowed: &'static str,
    /// Returns `None` if it is not allowed.
    set: fn(&mut Config, &Value) -> Option<()>,
    pub(super) get: fn(&Config) -> Option<Value>,
}

const PATH: &str = "a path";
const SIZE: &str = "a number of bytes that is not zero, or a size such as \"10 MB\" or \"64 KiB\"";
const SPAN: &str = "a time span such as \"30d\", \"12h\" or \"10ms\"";

/// In the order of the documentation.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "path",
        allowed: PATH,
        set: |config, value| set(&mut config.path, value.path()),
        get: |config| path(config.path.as_deref()),
    },
    Key {
        name: "rotate",
        allowed: PeriodError::ALLOWED,
        set: |config, value| set(&mut config.rotate, value.text()?.parse().ok()),
        get: |config| Some(Value::Text(config.rotate?.to_string())),
    },
    #[cfg(feature = "local-time")]
    Key {
        name: "time_zone",
        allowed: "utc, local, or the name of a time zone such as Europe/Berlin",
        set: |config, value| {
            let zone = value.text().filter(|name| !name.is_empty());
            set(&mut config.time_zone, zone?.parse().ok())
        },
        get: |config| Some(Value::Text(config.time_zone.as_ref()?.to_string())),
    },
    #[cfg(not(feature = "local-time"))]
    Key {
        name: "time_zone",
        allowed:
            "utc; for others, the program has to turn on the feature local-time of tracing-fallback-file",
        set: |_, value| (value.text()? == "utc").then_some(()),
        get: |_| None,
    },
    Key {
        name: "rotate_on_start",
        allowed: "true or false",
        set: |config, value| set(&mut config.rotate_on_start, value.flag()),
        get: |config| config.rotate_on_start.map(Value::Bool),
    },
    Key {
        name: "max_file_size",
        allowed: SIZE,
        set: |config, value| set(&mut config.max_file_size, value.size().filter(|n| *n > 0)),
        get: |config| config.max_file_size.map(Value::Integer),
    },
    Key {
        name: "max_files",
        allowed: "a number that is not zero",
        set: |config, value| set(&mut config.max_files, value.integer().filter(|n| *n > 0)),
        get: |config| config.max_files.map(|n| Value::Integer(n as u64)),
    },
    Key {
        name: "max_age",
        allowed: SPAN,
        set: |config, value| set(&mut config.max_age, value.span()),
        get: |config| span(config.max_age),
    },
    Key {
        name: "max_total_size",
        allowed: SIZE,
        set: |config, value| set(&mut config.max_total_size, value.size().filter(|n| *n > 0)),
        get: |config| config.max_total_size.map(Value::Integer),
    },
    Key {
        name: "compress",
        #[cfg(feature = "gzip")]
        allowed: "none or gzip",
        #[cfg(not(feature = "gzip"))]
        allowed:
            "none; for gzip, the program has to turn on the feature gzip of tracing-fallback-file",
        set: |config, value| set(&mut config.compress, compression(value.text()?)),
        get: |config| {
            Some(Value::Text(match config.compress? {
                Compression::None => "none".to_owned(),
                #[cfg(feature = "gzip")]
                Compression::Gzip => "gzip".to_owned(),
            }))
        },
    },
    Key {
        name: "lock_wait",
        allowed: SPAN,
        set: |config, value| set(&mut config.lock_wait, value.span()),
        get: |config| span(config.lock_wait),
    },
    Key {
        name: "max_variants",
        allowed: "a number from 0 to 999",
        set: |config, value| {
            let number = value.integer().filter(|n| *n <= MAX_VARIANTS);
            set(&mut config.max_variants, number)
        },
        get: |config| config.max_variants.map(|n| Value::Integer(n.into())),
    },
    Key {
        name: "return_to_primary",
        allowed: SPAN,
        set: |config, value| set(&mut config.return_to_primary, value.span()),
        get: |config| span(config.return_to_primary),
    },
    Key {
        name: "backlog_limit",
        allowed: "a number of bytes, or a size such as \"10 MB\" or \"64 KiB\"",
        set: |config, value| set(&mut config.backlog_limit, value.size()),
        get: |config| config.backlog_limit.map(|n| Value::Integer(n as u64)),
    },
    Key {
        name: "queue_size",
        allowed: SIZE,
        set: |config, value| set(&mut config.queue_size, value.size().filter(|n| *n > 0)),
        get: |config| config.queue_size.map(|n| Value::Integer(n as u64)),
    },
    Key {
        name: "queue_dir",
        allowed: PATH,
        set: |config, value| set(&mut config.queue_dir, value.path()),
        get: |config| path(config.queue_dir.as_deref()),
    },
    Key {
        name: "lossy",
        allowed: "true or false",
        set: |config, value| set(&mut config.lossy, value.flag()),
        get: |config| config.lossy.map(Value::Bool),
    },
    Key {
        name: "sync",
        allowed: "never or every_commit",
        set: |config, value| {
            let policy = match value.text()? {
                "never" => SyncPolicy::Never,
                "every_commit" => SyncPolicy::EveryCommit,
                _ => return None,
            };
            set(&mut config.sync, Some(policy))
        },
        get: |config| {
            Some(Value::Text(match config.sync? {
                SyncPolicy::Never => "never".to_owned(),
                SyncPolicy::EveryCommit => "every_commit".to_owned(),
            }))
        },
    },
    Key {
        name: "mode",
        allowed: "an octal number in quotes, such as \"0640\"",
        set: |config, value| set(&mut config.mode, value.octal()),
        get: |config| Some(Value::Text(format!("{:04o}", config.mode?))),
    },
    Key {
        name: "latest_symlink",
        allowed: PATH,
        set: |config, value| set(&mut config.latest_symlink, value.path()),
        get: |config| path(config.latest_symlink.as_deref()),
    },
];

impl Key {
    pub(super) fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Sets the key, which an error calls `name`.
    pub(super) fn set(
        &self,
        config: &mut Config,
        name: &str,
        value: &Value,
    ) -> Result<(), ConfigError> {
        (self.set)(config, value).ok_or_else(|| ConfigError::value(name, value, self.allowed))
    }
}

fn set<T>(field: &mut Option<T>, value: Option<T>) -> Option<()> {
    *field = Some(value?);
    Some(())
}

fn compression(name: &str) -> Option<Compression> {
    match name {
        "none" => Some(Compression::None),
        #[cfg(feature = "gzip")]
        "gzip" => Some(Compression::Gzip),
        _ => None,
    }
}

fn path(path: Option<&Path>) -> Option<Value> {
    let path = path?;
    Some(match path.to_str() {
        Some(text) => Value::Text(text.to_owned()),
        None => Value::Bytes(path.as_os_str().to_owned()),
    })
}

fn span(span: Option<Duration>) -> Option<Value> {
    Some(Value::Text(humantime::format_duration(span?).to_string()))
}
