//! The files of a log, as a table.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use fd_lock::RwLock;

use super::complain;
use crate::merge::{Merge, Timestamp};

struct Row {
    name: String,
    records: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    bytes: u64,
    locked: &'static str,
}

pub(crate) fn list(log: &Path) -> io::Result<ExitCode> {
    let mut rows = Vec::new();
    let mut failed = false;
    for (path, records) in Merge::of_each(log)? {
        match row(&path, records) {
            Ok(row) => rows.push(row),
            // Removed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                complain(error);
                failed = true;
            }
        }
    }
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

fn row(path: &Path, mut records: Merge) -> io::Result<Row> {
    let mut row = Row {
        name: path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        records: 0,
        first: None,
        last: None,
        bytes: path.metadata()?.len(),
        locked: locked(path),
    };
    while let Some(record) = records.advance() {
        let time = record?.timestamp;
        row.records += 1;
        row.first = row.first.or(time);
        row.last = time.or(row.last);
    }
    Ok(row)
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
