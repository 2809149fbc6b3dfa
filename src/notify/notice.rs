//! The notices and their text.

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
    /// [`lock_wait`](crate::Builder::lock_wait), or held it again and again, so that most calls had
    /// to wait.
    Locked,
    /// The file could not be opened or written for a reason of its own: permissions, a directory
    /// in its place.
    Inaccessible(ErrorKind),
    /// The primary was free again after
    /// [`return_to_primary`](crate::Builder::return_to_primary).
    Returned,
}

/// A file that has been rotated, or compressed after that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rotated {
    /// The path that it was written at: the primary or a numbered variant.
    pub original: PathBuf,
    /// Where it is now.
    pub archive: PathBuf,
    /// False when it has just been rotated; true when it has been compressed, which takes another
    /// name.
    pub compressed: bool,
}

#[derive(Debug)]
pub(crate) enum Notice {
    Switched(Switch),
    /// A switch for which only `on_switch` is called, because a newer one or a summary is
    /// announced.
    Superseded(Switch),
    /// The switches since the last notice of one, where many came within a second.
    Summary {
        newest: Switch,
        count: u64,
    },
    /// A problem with a file that loses no record.
    Warning {
        what: Warning,
        path: PathBuf,
        cause: io::Error,
    },
    /// Only `on_rotate` is called for this.
    Rotated(Rotated),
    /// Records dropped since the last report of them.
    Dropped {
        path: PathBuf,
        records: u64,
        cause: io::Error,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Warning {
    NoLocks,
    NotRotated,
    NotRemoved,
    NotCompressed,
    NotLinked,
    QueueOnHeap,
}

impl Warning {
    fn message(self) -> &'static str {
        match self {
            Warning::NoLocks => message::NO_LOCKS,
            Warning::NotRotated => message::NOT_ROTATED,
            Warning::NotRemoved => message::NOT_REMOVED,
            Warning::NotCompressed => message::NOT_COMPRESSED,
            Warning::NotLinked => message::NOT_LINKED,
            Warning::QueueOnHeap => message::QUEUE_ON_HEAP,
        }
    }
}

/// The messages of the events. None has a character that a format escapes, so that they are the same
/// bytes in text and in JSON.
mod message {
    pub(super) const SWITCHED: &str = "File locked, switched to numbered variant:";
    pub(super) const SUMMARY: &str = "File switched more times within a second:";
    pub(super) const RETURNED: &str = "Primary free again, returned to it:";
    pub(super) const NO_LOCKS: &str = "File system without locks, appending without:";
    pub(super) const NOT_ROTATED: &str = "Log not rotated, writing on:";
    pub(super) const NOT_REMOVED: &str = "Old log not removed:";
    pub(super) const NOT_COMPRESSED: &str = "Old log not compressed:";
    pub(super) const NOT_LINKED: &str = "Link to the log not made:";

    pub(super) const QUEUE_ON_HEAP: &str = "Queue in memory, as there can be no file for it:";

    pub(super) const ALL: [&str; 9] = [
        SWITCHED,
        SUMMARY,
        RETURNED,
        NO_LOCKS,
        NOT_ROTATED,
        NOT_REMOVED,
        NOT_COMPRESSED,
        NOT_LINKED,
        QUEUE_ON_HEAP,
    ];
}

/// Returns true if every one of the records, which end at `ends`, is the record of a notice.
///
/// A record counts as one if it has the message of one, because a queue's worker learns nothing
/// else about the record that it writes.
pub(crate) fn are_notices(records: &[u8], ends: &[usize]) -> bool {
    let mut start = 0;
    !ends.is_empty()
        && ends.iter().all(|&end| {
            let record = &records[start..end];
            start = end;
            message::ALL.iter().any(|message| {
                let message = message.as_bytes();
                record.windows(message.len()).any(|part| part == message)
            })
        })
}

impl Notice {
    /// Takes the event from a switch.
    pub(crate) fn superseded(self) -> Self {
        match self {
            Notice::Switched(switch) => Notice::Superseded(switch),
            other => other,
        }
    }

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
            }) => message::RETURNED,
            // One text for every reason, so that it can be searched for; `on_switch` has the reason.
            Notice::Switched(_) | Notice::Superseded(_) => message::SWITCHED,
            Notice::Summary { .. } => message::SUMMARY,
            Notice::Warning { what, .. } => what.message(),
            Notice::Rotated(_) => "Log rotated:",
            Notice::Dropped { .. } => "Records dropped, no file takes any:",
        }
    }

    pub(crate) fn is_rotation(&self) -> bool {
        matches!(self, Notice::Rotated(_))
    }

    pub(crate) fn is_drop_report(&self) -> bool {
        matches!(self, Notice::Dropped { .. })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.message())?;
        match self {
            Notice::Switched(switch) | Notice::Superseded(switch) => Fields(switch).fmt(f),
            Notice::Summary { newest, count } => write!(f, "{} count={count}", Fields(newest)),
            Notice::Rotated(Rotated {
                original, archive, ..
            }) => {
                write!(f, "original={} archive={}", Shown(original), Shown(archive))
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

/// The fields of the event of a switch.
struct Fields<'a>(&'a Switch);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (original, fallback) = (Shown(&self.0.original), Shown(&self.0.fallback));
        write!(f, "original={original} fallback={fallback}")
    }
}

/// Displays a path with its line breaks escaped, so that it stays on one line.
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

    /// What `fmt` layers of three formats write for two notices and an ordinary event.
    fn formatted(target: bool) -> Vec<Vec<String>> {
        use std::sync::{Arc, Mutex};
        use tracing_subscriber::{fmt, layer::Layer, layer::SubscriberExt, registry};

        #[derive(Clone, Default)]
        struct Output(Arc<Mutex<Vec<String>>>);
        impl io::Write for Output {
            fn write(&mut self, record: &[u8]) -> io::Result<usize> {
                let text = String::from_utf8(record.to_vec()).unwrap();
                self.0.lock().unwrap().push(text);
                Ok(record.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let outputs = [Output::default(), Output::default(), Output::default()];
        let [text, json, pretty] = outputs.clone();
        let layers = vec![
            fmt::layer()
                .with_target(target)
                .with_writer(move || text.clone())
                .boxed(),
            fmt::layer()
                .json()
                .with_target(target)
                .with_writer(move || json.clone())
                .boxed(),
            fmt::layer()
                .pretty()
                .with_target(target)
                .with_writer(move || pretty.clone())
                .boxed(),
        ];
        tracing::subscriber::with_default(registry().with(layers), || {
            for message in message::ALL {
                tracing::info!(target: TARGET, original = %"a \"b\"", "{message}");
            }
            tracing::info!("an ordinary event about File locked");
        });
        outputs
            .map(|output| output.0.lock().unwrap().clone())
            .into()
    }

    #[test]
    fn records_of_notices_are_recognised_in_every_format() {
        for target in [true, false] {
            for mut records in formatted(target) {
                let ends = |records: &[String]| -> (Vec<u8>, Vec<usize>) {
                    let mut end = 0;
                    let ends = records.iter().map(|record| {
                        end += record.len();
                        end
                    });
                    let ends = ends.collect();
                    (records.concat().into_bytes(), ends)
                };
                let ordinary = records.pop().unwrap();
                assert_eq!(records.len(), message::ALL.len());
                let (bytes, at) = ends(&records);
                assert!(are_notices(&bytes, &at), "{records:?}");
                for record in &records {
                    assert!(are_notices(record.as_bytes(), &[record.len()]), "{record}");
                }
                assert!(!are_notices(ordinary.as_bytes(), &[ordinary.len()]));
                for place in [0, 3, records.len()] {
                    let mut records = records.clone();
                    records.insert(place, ordinary.clone());
                    let (bytes, at) = ends(&records);
                    assert!(!are_notices(&bytes, &at), "{place}: {records:?}");
                }
            }
        }
        assert!(!are_notices(b"", &[]));
    }

    #[test]
    fn the_record_of_a_summary_is_recognised() {
        let newest = Switch {
            original: "/app.log".into(),
            fallback: "/app.001.log".into(),
            reason: SwitchReason::Locked,
        };
        let record = Notice::Summary { newest, count: 30 }.to_string();
        assert!(are_notices(record.as_bytes(), &[record.len()]), "{record}");
    }

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
