//! The files of a log, as a table.

use std::collections::HashSet;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::messages::complain;
use super::settings::Settings;
use super::show::escape;
use crate::family::Family;
use crate::queue::orphans;
use crate::read::{Merge, MergeBuilder};

struct Row {
    path: PathBuf,
    first: Option<SystemTime>,
    last: Option<SystemTime>,
    bytes: u64,
    /// `None` where the system does not say it: this process would have to try the lock.
    is_locked: Option<bool>,
    /// For an orphaned queue, the number of its records that are in no file.
    queued: Option<u64>,
}

pub(crate) fn list(settings: &Settings, logs: &[PathBuf], as_json: bool) -> io::Result<ExitCode> {
    let mut failed = false;
    let (mut archives, mut others) = (Vec::new(), Vec::new());
    let mut queues: Vec<Row> = Vec::new();
    for log in logs {
        let mut family = match Family::of(log) {
            Ok(family) => family,
            Err(error) => {
                complain(format_args!("{}: {error}", log.display()));
                return Ok(ExitCode::from(2));
            }
        };
        let current = family.primary.into_iter().chain(family.variants);
        let found = others.len() + archives.len() + queues.len();
        queues.extend(queue_rows(settings, log, &mut failed)?);
        others.extend(current);
        archives.append(&mut family.archives);
        if others.len() + archives.len() + queues.len() == found {
            complain(format_args!("{}: there is no such log", log.display()));
            return Ok(ExitCode::from(2));
        }
    }
    let mut seen = HashSet::new();
    let mut seen_queues = HashSet::new();
    let queues = queues.into_iter();
    let files = archives.into_iter().chain(others);
    let files = files.filter(|path: &PathBuf| seen.insert(path.clone()));
    let locks = Locks::read();
    let rows: Vec<Row> = files
        .map(|path| row(settings, path, &locks, &mut failed))
        .chain(queues.filter(|row| seen_queues.insert(row.path.clone())))
        .collect();
    let out = io::stdout().lock();
    match as_json {
        true => write_json(&rows, out)?,
        false => write_table(settings, &rows, out)?,
    }
    Ok(ExitCode::from(if failed { 2 } else { 0 }))
}

/// The row of a file; what can't be read of it is empty.
fn row(settings: &Settings, path: PathBuf, locks: &Locks, failed: &mut bool) -> Row {
    let open = |builder: MergeBuilder| {
        let opened = builder.open_file(&path);
        opened.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    let [first, last] = times(settings, open, failed);
    Row {
        first,
        last,
        bytes: path.metadata().map_or(0, |found| found.len()),
        is_locked: locks.has(&path),
        queued: None,
        path,
    }
}

/// The queues of processes that are gone.
fn queue_rows(settings: &Settings, log: &Path, failed: &mut bool) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (path, queue) in orphans(log, settings.queue_dir.as_deref())? {
        let mut queue = match queue {
            Ok(queue) => queue,
            // It is no queue, or another user's: not a part of the log.
            Err(error) => {
                complain(format_args!("{}: {error}", path.display()));
                continue;
            }
        };
        let mut copy = tempfile::tempfile()?;
        queue.copy_lines(&mut copy)?;
        let queued = Some(queue.records());
        drop(queue);
        let range = 0..copy.stream_position()?;
        let copy = Arc::new(copy);
        let open = |builder: MergeBuilder| Ok(builder.part(&path, &copy, range.clone()));
        let [first, last] = times(settings, open, failed);
        rows.push(Row {
            first,
            last,
            bytes: path.metadata().map_or(0, |found| found.len()),
            is_locked: Some(false),
            queued,
            path,
        });
    }
    Ok(rows)
}

/// The first and the last time in a file.
fn times(
    settings: &Settings,
    open: impl Fn(MergeBuilder) -> io::Result<Merge>,
    failed: &mut bool,
) -> [Option<SystemTime>; 2] {
    let mut time = |newest_first: bool| {
        let builder = settings.builder().newest_first(newest_first);
        // Without a reorder window, the first record is known at once.
        let mut records = match open(builder.window(Duration::ZERO)) {
            Ok(records) => records,
            Err(error) => {
                complain(error);
                *failed = true;
                return None;
            }
        };
        let mut time = None;
        while let (None, Some(record)) = (time, records.next_ref()) {
            match record {
                Ok(record) => time = record.timestamp(),
                Err(error) => {
                    complain(error);
                    *failed = true;
                }
            }
        }
        time
    };
    let first = time(false);
    // Without a first time there is no last one.
    [first, first.and_then(|_| time(true))]
}

fn write_table(settings: &Settings, rows: &[Row], mut out: impl Write) -> io::Result<()> {
    let name = |row: &Row| {
        let mut name = Vec::new();
        let file = row.path.file_name().unwrap_or_default();
        escape(&file.to_string_lossy(), &mut name);
        String::from_utf8_lossy(&name).into_owned()
    };
    let names: Vec<String> = rows.iter().map(name).collect();
    let width = names.iter().map(|name| name.chars().count()).max();
    let width = width.unwrap_or(0).max("FILE".len());
    let time = |time: Option<SystemTime>| time.map_or("-".to_owned(), |time| settings.time(time));
    let times = |row: &Row| [time(row.first), time(row.last)];
    let lengths = rows.iter().flat_map(times).map(|time| time.len());
    let long = lengths.max().unwrap_or(0).max("FIRST".len());
    let head = ("FILE", "FIRST", "LAST", "SIZE", "LOCKED");
    writeln!(
        out,
        "{:width$}  {:long$}  {:long$}  {:>9}  {}",
        head.0, head.1, head.2, head.3, head.4
    )?;
    for (row, name) in rows.iter().zip(names) {
        let [first, last] = times(row);
        let locked = match row.is_locked {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        let size = human(row.bytes);
        let queued = match row.queued {
            Some(records) => format!("  orphaned queue, {records} records"),
            None => String::new(),
        };
        writeln!(
            out,
            "{name:width$}  {first:long$}  {last:long$}  {size:>9}  {locked}{queued}"
        )?;
    }
    Ok(())
}

fn write_json(rows: &[Row], mut out: impl Write) -> io::Result<()> {
    for row in rows {
        let time = |time: Option<SystemTime>| {
            let time = time.and_then(|time| jiff::Timestamp::try_from(time).ok());
            time.map(|time| time.to_string())
        };
        let mut line = serde_json::json!({
            "file": row.path.to_string_lossy(),
            "first": time(row.first),
            "last": time(row.last),
            "bytes": row.bytes,
            "locked": row.is_locked,
        });
        if let Some(records) = row.queued {
            line["queued"] = records.into();
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A number of bytes, rounded to three or four digits.
fn human(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut size = bytes as f64;
    let mut unit = "B";
    for larger in units {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{bytes} B"),
        unit => format!("{size:.1} {unit}"),
    }
}

/// The files that a process has locked, as the system lists them. To try a lock is to take it,
/// which could make a writer switch.
struct Locks(Option<Vec<String>>);

impl Locks {
    #[cfg(target_os = "linux")]
    fn read() -> Self {
        // `1: FLOCK  ADVISORY  WRITE 123 fe:00:4711 0 EOF`
        let table = std::fs::read_to_string("/proc/locks").ok();
        let file = |line: &str| line.split_whitespace().nth(5).map(str::to_owned);
        Locks(table.map(|table| table.lines().filter_map(file).collect()))
    }

    #[cfg(not(target_os = "linux"))]
    fn read() -> Self {
        Locks(None)
    }

    #[cfg(target_os = "linux")]
    fn has(&self, path: &Path) -> Option<bool> {
        use std::os::unix::fs::MetadataExt;
        let found = path.metadata().ok()?;
        let (major, minor) = (
            rustix::fs::major(found.dev()),
            rustix::fs::minor(found.dev()),
        );
        let name = format!("{major:02x}:{minor:02x}:{}", found.ino());
        self.0.as_ref().map(|locked| locked.contains(&name))
    }

    #[cfg(not(target_os = "linux"))]
    fn has(&self, _: &Path) -> Option<bool> {
        self.0.as_ref().map(|_| false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_500_000, "1.4 MiB"),
            (10_000_000_000, "9.3 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(human(bytes), expected);
        }
    }
}
