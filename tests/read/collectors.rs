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
    let appender = rotating(200_000).build(&arguments[0]).unwrap();
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

/// Runs writers that rotate and, as somebody locks their files now and then, switch.
fn storm(scratch: &Scratch, log: &Path) {
    let mut writers: Vec<Child> = (0..WRITERS)
        .map(|id| {
            Child::start(
                "collectors::logs",
                &[log.to_str().unwrap(), &id.to_string()],
            )
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
        !family.variants.is_empty() && family.archives.len() > 3,
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

#[test]
#[ignore = "needs rsyslog"]
fn rsyslog_collects_every_record_once() {
    if !is_here("rsyslogd", "rsyslog_collects_every_record_once") {
        return;
    }
    let scratch = scratch();
    let log = scratch.log.clone();
    let settings = scratch.path("rsyslog.conf");
    let collected = scratch.path("collected.log");
    let work = scratch.path("work");
    fs::create_dir(&work).unwrap();
    fs::write(&log, "").unwrap();
    let text = format!(
        "global(workDirectory=\"{}\")\n{}",
        work.display(),
        documented("rsyslog", scratch.dir.path()),
    );
    fs::write(&settings, text).unwrap();
    let mut rsyslog = Command::new("rsyslogd")
        .arg("-n")
        .args(["-i", "NONE", "-f"])
        .arg(&settings)
        .spawn()
        .unwrap();
    // It has read this one when it is there.
    common::write(
        &rotating(200_000).build(&log).unwrap(),
        r#"{"message":"start"}"#,
    );
    common::wait_until(|| fs::read_to_string(&collected).is_ok_and(|text| text.contains("start")));
    storm(&scratch, &log);
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
    rsyslog.kill().unwrap();
    rsyslog.wait().unwrap();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected);
}

#[test]
#[ignore = "needs lnav"]
fn lnav_shows_every_record_by_time() {
    if !is_here("lnav", "lnav_shows_every_record_by_time") {
        return;
    }
    let scratch = scratch();
    storm(&scratch, &scratch.log);
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
    storm(&scratch, &scratch.log);
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
