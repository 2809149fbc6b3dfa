//! The files of a log, as a table.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use fd_lock::RwLock;

use super::complain;
use super::show::harmless;
use crate::read::{Merge, Timestamp};

struct Row {
    name: String,
    records: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    bytes: u64,
    locked: &'static str,
}

pub(crate) fn list(log: &Path) -> io::Result<ExitCode> {
    let files = match Merge::of_each(log) {
        Ok(files) => files,
        Err(error) => {
            complain(format_args!("{}: {error}", log.display()));
            return Ok(ExitCode::from(2));
        }
    };
    let mut failed = false;
    let rows: Vec<Row> = files
        .into_iter()
        .map(|(path, records)| row(&path, records, &mut failed))
        .collect();
    let width = rows.iter().map(|row| row.name.chars().count()).max();
    let width = width.unwrap_or(0).max("FILE".len());
    let mut out = io::stdout().lock();
    let head = ("FILE", "RECORDS", "FIRST", "LAST", "BYTES", "LOCKED");
    let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    writeln!(
        out,
        "{:width$}  {:>9}  {:27}  {:27}  {:>12}  {}",
        head.0, head.1, head.2, head.3, head.4, head.5
    )?;
    for row in rows {
        let (first, last) = (time(row.first), time(row.last));
        writeln!(
            out,
            "{:width$}  {:>9}  {first:27}  {last:27}  {:>12}  {}",
            row.name, row.records, row.bytes, row.locked
        )?;
    }
    Ok(ExitCode::from(if failed { 2 } else { 0 }))
}

/// As far as the file can be read.
fn row(path: &Path, mut records: Merge, failed: &mut bool) -> Row {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut row = Row {
        name: harmless(&name).into_owned(),
        records: 0,
        first: None,
        last: None,
        bytes: path.metadata().map_or(0, |found| found.len()),
        locked: locked(path),
    };
    while let Some(record) = records.advance() {
        match record {
            Ok(record) => {
                row.records += 1;
                row.first = row.first.or(record.timestamp);
                row.last = record.timestamp.or(row.last);
            }
            Err(error) => {
                complain(error);
                *failed = true;
            }
        }
    }
    row
}

/// Whether somebody has it locked.
fn locked(path: &Path) -> &'static str {
    let Ok(file) = File::open(path) else {
        return "?";
    };
    // A shared lock, and for an instant.
    let answer = match RwLock::new(file).try_read() {
        Ok(_) => "no",
        Err(error) if error.kind() == ErrorKind::WouldBlock => "yes",
        Err(_) => "?",
    };
    answer
}
