//! What is said of a switch, and in which words.

use std::fmt::{self, Write};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The target of the events that this crate emits, for filters.
///
/// `RUST_LOG=myapp=debug` hides them, `RUST_LOG=myapp=debug,tracing_fallback_file=info` does not.
pub const TARGET: &str = "tracing_fallback_file";

/// A move from one file of the family to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Switch {
    /// The primary: the path that the appender was built with, made absolute.
    pub original: PathBuf,
    /// The numbered variant: the file that takes the records from now on, or, if the reason is
    /// [`Returned`](SwitchReason::Returned), the one that took them until now.
    pub fallback: PathBuf,
    /// Why.
    pub reason: SwitchReason,
}

/// Why an appender moved to another file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SwitchReason {
    /// Somebody else held the lock of the file for longer than
    /// [`lock_wait`](crate::Builder::lock_wait), or held it so often that most calls had to wait.
    Locked,
    /// The file could not be opened or written for a reason of its own: permissions, a directory
    /// in its place.
    Inaccessible(ErrorKind),
    /// The primary was free again after
    /// [`return_to_primary`](crate::Builder::return_to_primary).
    Returned,
}

#[derive(Debug)]
pub(crate) enum Notice {
    Switched(Switch),
    /// Something about a file that costs no record.
    Warning {
        what: Warning,
        path: PathBuf,
        cause: io::Error,
    },
    /// Records dropped since this was said last.
    Dropped {
        path: PathBuf,
        records: u64,
        cause: String,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Warning {
    NoLocks,
    NotRotated,
    NotRemoved,
    #[cfg(feature = "gzip")]
    NotCompressed,
    NotLinked,
}

impl Warning {
    fn message(self) -> &'static str {
        match self {
            Warning::NoLocks => "File system without locks, appending without:",
            Warning::NotRotated => "Log not rotated, writing on:",
            Warning::NotRemoved => "Old log not removed:",
            #[cfg(feature = "gzip")]
            Warning::NotCompressed => "Old log not compressed:",
            Warning::NotLinked => "Link to the log not made:",
        }
    }
}

impl Notice {
    pub(crate) fn warning(what: Warning, path: &Path, cause: io::Error) -> Self {
        Notice::Warning {
            what,
            path: path.to_owned(),
            cause,
        }
    }

    pub(crate) fn message(&self) -> &'static str {
        match self {
            Notice::Switched(Switch {
                reason: SwitchReason::Returned,
                ..
            }) => "Primary free again, returned to it:",
            // The one text whatever the reason, for those who look for it; `on_switch` tells it.
            Notice::Switched(_) => "File locked, switched to numbered variant:",
            Notice::Warning { what, .. } => what.message(),
            Notice::Dropped { .. } => "Records dropped, no file takes any:",
        }
    }

    pub(crate) fn is_complaint(&self) -> bool {
        matches!(self, Notice::Dropped { .. })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.message())?;
        match self {
            Notice::Switched(Switch {
                original, fallback, ..
            }) => {
                write!(
                    f,
                    "original={} fallback={}",
                    Shown(original),
                    Shown(fallback)
                )
            }
            Notice::Warning { path, cause, .. } => {
                write!(f, "path={} error={cause}", Shown(path))
            }
            Notice::Dropped {
                path,
                records,
                cause,
            } => {
                write!(f, "path={} dropped={records} error={cause}", Shown(path))
            }
        }
    }
}

/// A path as it is, but that a line break in it breaks no line.
pub(crate) struct Shown<'a>(pub(crate) &'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.to_string_lossy().chars() {
            if char.is_control() {
                write!(f, "{}", char.escape_default())?;
            } else {
                f.write_char(char)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_line_whatever_the_path() {
        let notice = Notice::Switched(Switch {
            original: "/var/log/a\nb\x1b[1m ü.log".into(),
            fallback: "/x".into(),
            reason: SwitchReason::Locked,
        });
        assert_eq!(
            notice.to_string(),
            "File locked, switched to numbered variant: \
             original=/var/log/a\\nb\\u{1b}[1m ü.log fallback=/x"
        );
    }
}
