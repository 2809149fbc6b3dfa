//! The files of a log, as a table.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use super::say::complain;
use super::settings::Settings;
use super::show::escape;
use crate::Family;

struct Row {
    path: PathBuf,
    first: Option<SystemTime>,
    last: Option<SystemTime>,
    bytes: u64,
    /// `None` where it can't be known without a lock of our own.
    is_locked: Option<bool>,
}

pub(crate) fn list(settings: &Settings, logs: &[PathBuf], as_json: bool) -> io::Result<ExitCode> {
    let mut failed = false;
    let (mut archives, mut others) = (Vec::new(), Vec::new());
    for log in logs {
        let mut family = match Family::of(log) {
            Ok(family) => family,
            Err(error) => {
                complain(format_args!("{}: {error}", log.display()));
                return Ok(ExitCode::from(2));
            }
        };
        let current = family.primary.into_iter().chain(family.variants);
        let found = others.len() + archives.len();
        others.extend(current);
        archives.append(&mut family.archives);
        if others.len() + archives.len() == found {
            complain(format_args!("{}: there is no such log", log.display()));
            return Ok(ExitCode::from(2));
        }
    }
    let mut seen = HashSet::new();
    let files = archives.into_iter().chain(others);
    let files = files.filter(|path: &PathBuf| seen.insert(path.clone()));
    let locks = Locks::read();
    let rows: Vec<Row> = files
        .map(|path| row(settings, path, &locks, &mut failed))
        .collect();
    let out = io::stdout().lock();
    match as_json {
        true => write_json(&rows, out)?,
        false => write_table(settings, &rows, out)?,
    }
    Ok(ExitCode::from(if failed { 2 } else { 0 }))
}

/// As far as the file can be read.
fn row(settings: &Settings, path: PathBuf, locks: &Locks, failed: &mut bool) -> Row {
    let mut time = |newest_first: bool| {
        let builder = settings.builder().newest_first(newest_first);
        // In the order of the file the first one is known at once.
        let builder = builder.window(Duration::ZERO);
        let mut records = match builder.open_file(&path) {
            Ok(records) => records,
            Err(error) => {
                complain(format_args!("{}: {error}", path.display()));
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
    Row {
        first,
        // Of a file without any time nothing more can be said.
        last: first.and_then(|_| time(true)),
        bytes: path.metadata().map_or(0, |found| found.len()),
        is_locked: locks.has(&path),
        path,
    }
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
        writeln!(
            out,
            "{name:width$}  {first:long$}  {last:long$}  {size:>9}  {locked}"
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
        let line = serde_json::json!({
            "file": row.path.to_string_lossy(),
            "first": time(row.first),
            "last": time(row.last),
            "bytes": row.bytes,
            "locked": row.is_locked,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A number of bytes with three digits or four.
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

/// The files that somebody has locked, by what the system says: to try a lock would be one.
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
