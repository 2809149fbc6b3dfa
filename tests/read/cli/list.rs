//! The list of files, and the count of records.

use std::fs;
use std::time::Duration;

use tracing_fallback_file::Family;

use super::{printed, small, JSON, TEXT};
use crate::common::{self, hold, scratch};

#[test]
fn the_files_are_a_table() {
    let scratch = small();
    fs::write(scratch.path("app.2026-11-23T07-50-01Z.log"), "").unwrap();
    let held = hold(&scratch.variant(1));
    let table = printed(&["--list"], &scratch.log);
    drop(held);
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    let (first, last) = ("2026-11-23T07:55:01Z", "2026-11-23T07:55:03Z");
    let two = "2026-11-23T07:55:02Z";
    assert_eq!(rows[0], ["FILE", "FIRST", "LAST", "SIZE", "LOCKED"]);
    let (no, yes) = match cfg!(target_os = "linux") {
        true => ("no", "yes"),
        false => ("?", "?"),
    };
    let archive = "app.2026-11-23T07-50-01Z.log";
    assert_eq!(rows[1], [archive, "-", "-", "0", "B", no]);
    let length = JSON.len().to_string();
    assert_eq!(rows[2], ["app.log", first, last, &length, "B", no]);
    let length = TEXT.len().to_string();
    assert_eq!(rows[3], ["app.001.log", two, two, &length, "B", yes]);
    assert_eq!(rows.len(), 4);
    let json = printed(&["--list", "--output", "json"], &scratch.log);
    let rows: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1]["bytes"], JSON.len());
    assert_eq!(rows[1]["first"], first);
}

/// The list of files takes no lock, so it makes no writer switch, not even one that does not wait.
#[test]
fn a_list_disturbs_no_writer() {
    let scratch = scratch();
    let appender = common::with_lock_wait(&scratch.log, Duration::ZERO);
    common::write(&appender, "2026-11-23T07:55:01Z x");
    let log = scratch.log.clone();
    let lists = std::thread::spawn(move || {
        for _ in 0..20 {
            printed(&["--list"], &log);
        }
    });
    while !lists.is_finished() {
        for _ in 0..100 {
            common::write(&appender, "2026-11-23T07:55:01Z x");
        }
    }
    lists.join().unwrap();
    assert_eq!(Family::of(&scratch.log).unwrap().variants.len(), 0);
}

#[test]
fn records_are_counted() {
    let scratch = small();
    let text = printed(&["--stats"], &scratch.log);
    for line in ["INFO            2", "WARN            1", "         3  app"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let json = printed(&["--stats", "--output", "json"], &scratch.log);
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["info"], &last["targets"]["app"]),
        (&2.into(), &3.into())
    );
}
