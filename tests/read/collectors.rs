//! Programs that read the files of a log, with the settings in `docs/reading.md`.
//!
//! They are not on every machine, so these tests are asked for.

#![cfg(target_os = "linux")]

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{arguments, hold, rotating, say, scratch, Child, Scratch};
use tracing_fallback_file::{Family, FileAppender, Merge};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

const WRITERS: usize = 4;

#[test]
#[ignore = "a child of the others"]
fn logs() {
    let Some(arguments) = arguments() else { return };
    let size = arguments[2].parse().unwrap();
    // Shorter than the stranger's lock, on an overloaded machine too.
    let builder = rotating(size).lock_wait(Duration::from_millis(1));
    let appender = builder.build(&arguments[0]).unwrap();
    say("ready");
    common::hear();
    for n in 0..5_000 {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time)).unwrap();
        let id = &arguments[1];
        let record = format!(
            r#"{{"timestamp":"{time}","level":"INFO","fields":{{"message":"{id}-{n}."}},"target":"app"}}"#
        );
        common::write(&appender, &record);
        std::thread::sleep(Duration::from_micros(500));
    }
    say("done");
    common::hear();
}

/// The size in bytes at which files are rotated: several times a second, or not at all.
const SMALL: u64 = 200_000;
const LARGE: u64 = 200_000_000;

/// Runs writers that rotate and, as somebody locks their files now and then, switch.
fn storm(scratch: &Scratch, log: &Path, size: u64) {
    let mut writers: Vec<Child> = (0..WRITERS)
        .map(|id| {
            let arguments = [log.to_str().unwrap(), &id.to_string(), &size.to_string()];
            Child::start("collectors::logs", &arguments)
        })
        .collect();
    writers.iter_mut().for_each(|writer| writer.expect("ready"));
    writers.iter_mut().for_each(|writer| writer.tell("go"));
    for _ in 0..3 {
        let held = common::hold_when_free(log);
        std::thread::sleep(Duration::from_millis(50));
        drop(held);
        std::thread::sleep(Duration::from_millis(300));
    }
    for mut writer in writers {
        writer.expect("done");
        writer.end();
    }
    let family = Family::of(log).unwrap();
    assert!(
        !family.variants.is_empty() && (family.archives.len() > 3) == (size == SMALL),
        "{family:?} {}",
        scratch.log.display()
    );
}

fn expected() -> Vec<String> {
    let mut all: Vec<String> = (0..WRITERS)
        .flat_map(|id| (0..5_000).map(move |n| format!("{id}-{n}.")))
        .collect();
    all.sort();
    all
}

/// The messages of records, in order of their names.
fn messages(text: &str) -> Vec<String> {
    let message = |line: &str| {
        let rest = line.split_once(r#""message":""#)?.1;
        rest.split_once('"').map(|(message, _)| message.to_owned())
    };
    let mut found: Vec<String> = text.lines().filter_map(message).collect();
    found.sort();
    found
}

fn is_here(program: &str, test: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_err() {
        eprintln!("SKIPPED {test}: there is no {program}");
    }
    found.is_ok()
}

/// The settings that the documentation shows, for this directory.
fn documented(language: &str, directory: &Path) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reading.md")).unwrap();
    let block = page.split_once(&format!("```{language}\n")).unwrap().1;
    let (settings, _) = block.split_once("```").unwrap();
    settings.replace("/var/log/app/", &format!("{}/", directory.display()))
}

/// Runs a collector, whose command is for the settings and a directory to work in, and checks that it
/// has collected each record once.
fn collects_every_record_once(
    language: &str,
    before: &str,
    size: u64,
    command: impl FnOnce(&Path, &Path) -> Command,
) {
    let scratch = scratch();
    let log = scratch.log.clone();
    let settings = scratch.path("collector.conf");
    let collected = scratch.path("collected.log");
    let work = scratch.path("work");
    fs::create_dir(&work).unwrap();
    fs::write(&log, "").unwrap();
    let before = before.replace("WORK", work.to_str().unwrap());
    let text = before + &documented(language, scratch.dir.path());
    fs::write(&settings, text).unwrap();
    let mut collector = Running(command(&settings, &work).spawn().unwrap());
    // It has read this one when it is there.
    common::write(
        &rotating(size).build(&log).unwrap(),
        r#"{"message":"start"}"#,
    );
    common::wait_until(|| fs::read_to_string(&collected).is_ok_and(|text| text.contains("start")));
    storm(&scratch, &log, size);
    let deadline = Instant::now() + Duration::from_secs(20);
    let expected = expected();
    let found = || {
        let mut found = messages(&fs::read_to_string(&collected).unwrap());
        found.retain(|message| message != "start");
        found
    };
    while found().len() < expected.len() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_millis(500));
    let found = found();
    collector.0.kill().unwrap();
    collector.0.wait().unwrap();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected);
}

struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs rsyslog"]
fn rsyslog_collects_every_record_once() {
    if !is_here("rsyslogd", "rsyslog_collects_every_record_once") {
        return;
    }
    let before = "global(workDirectory=\"WORK\")\n";
    collects_every_record_once("rsyslog", before, SMALL, |settings, _| {
        let mut command = Command::new("rsyslogd");
        command.args(["-n", "-i", "NONE", "-f"]).arg(settings);
        command
    });
}

#[test]
#[ignore = "needs syslog-ng"]
fn syslog_ng_collects_every_record_once() {
    if !is_here("syslog-ng", "syslog_ng_collects_every_record_once") {
        return;
    }
    collects_every_record_once("syslog-ng", "", LARGE, |settings, work| {
        let mut command = Command::new("syslog-ng");
        command.args(["--foreground", "--no-caps", "--stderr"]);
        command.arg("--cfgfile").arg(settings);
        for (option, file) in [
            ("--persist-file", "persist"),
            ("--pidfile", "pid"),
            ("--control", "control"),
        ] {
            command.arg(option).arg(work.join(file));
        }
        command
    });
}

#[test]
#[ignore = "needs DuckDB"]
fn duckdb_counts_the_records_of_all_files() {
    let python = |script: &str| Command::new("python3").args(["-c", script]).output();
    let is_here = python("import duckdb").is_ok_and(|output| output.status.success());
    if !is_here {
        eprintln!("SKIPPED duckdb_counts_the_records_of_all_files: there is no duckdb");
        return;
    }
    let scratch = scratch();
    storm(&scratch, &scratch.log, SMALL);
    let archive = Family::of(&scratch.log).unwrap().archives.remove(0);
    let zipped = Command::new("gzip").arg(archive).status().unwrap();
    assert!(zipped.success());
    // A line that is no record, as a killed writer leaves it.
    let mut text = fs::read_to_string(&scratch.log).unwrap();
    text.push_str("{\"timestamp\":\n");
    fs::write(&scratch.log, text).unwrap();
    let query = documented("sql", scratch.dir.path());
    let script = format!("import duckdb\nprint(duckdb.sql({query:?}).fetchall())");
    let output = python(&script).unwrap();
    assert!(output.status.success(), "{output:?}");
    let rows = String::from_utf8(output.stdout).unwrap();
    let expected = format!("[('INFO', {}, ", expected().len());
    assert!(rows.starts_with(&expected), "{rows}");
}

#[test]
#[ignore = "needs lnav"]
fn lnav_shows_every_record_by_time() {
    if !is_here("lnav", "lnav_shows_every_record_by_time") {
        return;
    }
    let scratch = scratch();
    storm(&scratch, &scratch.log, SMALL);
    let home = scratch.path("home");
    fs::create_dir(&home).unwrap();
    let lnav = |arguments: &[&str], files: &[PathBuf]| {
        let output = Command::new("lnav")
            .env("HOME", &home)
            .args(arguments)
            .args(files)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let format = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lnav-tracing.json");
    lnav(&["-i", format], &[]);
    let text = lnav(&["-n"], &common::all_files(&scratch.log));
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("INFO app: "))
        .collect();
    assert!(lines.windows(2).all(|two| two[0][..23] <= two[1][..23]));
    let mut found: Vec<String> = lines
        .iter()
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    found.sort();
    assert!(found == expected(), "{}", found.len());
}

#[test]
#[ignore = "needs logrotate"]
fn what_logrotate_renames_stays_in_the_family() {
    if !is_here("logrotate", "what_logrotate_renames_stays_in_the_family") {
        return;
    }
    let scratch = scratch();
    let settings = scratch.path("logrotate.conf");
    fs::write(&settings, documented("logrotate", scratch.dir.path())).unwrap();
    let rotate = || {
        let output = Command::new("logrotate")
            .env("TZ", "UTC")
            .arg("--force")
            .arg("--state")
            .arg(scratch.path("state"))
            .arg(&settings)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let appender = FileAppender::new(&scratch.log).unwrap();
    common::write(&appender, r#"{"message":"1"}"#);
    let held = hold(&scratch.log);
    common::write(&appender, r#"{"message":"2"}"#);
    drop(held);
    rotate();
    common::write(&appender, r#"{"message":"3"}"#);
    // Two in one second would have one name.
    std::thread::sleep(Duration::from_millis(1_100));
    rotate();
    common::write(&appender, r#"{"message":"4"}"#);
    let family = Family::of(&scratch.log).unwrap();
    assert_eq!((family.primary, family.variants.len()), (None, 1));
    let compressed = |file: &&PathBuf| file.extension() == Some("gz".as_ref());
    assert_eq!(family.archives.len(), 3, "{:?}", family.archives);
    assert_eq!(family.archives.iter().filter(compressed).count(), 1);
    let text: Vec<String> = common::all_files(&scratch.log)
        .iter()
        .flat_map(|file| common::lines(file))
        .collect();
    assert_eq!(messages(&text.join("\n")), ["1", "2", "3", "4"]);
}

#[test]
#[ignore = "needs sort"]
fn sort_merges_records_of_one_form() {
    let scratch = scratch();
    storm(&scratch, &scratch.log, SMALL);
    let output = Command::new("sort")
        .env("LC_ALL", "C")
        .arg("-m")
        .args(common::all_files(&scratch.log))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(messages(&text) == expected());
    assert_eq!(
        text.lines().count(),
        Merge::open(&scratch.log).unwrap().count()
    );
}
