//! A log that is followed.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use tracing_fallback_file::{Family, FileAppender, Merge};

use super::{append, command, small, Follower, TEXT};
use crate::common::{self, arguments, rotating, say, scratch, Child};

#[test]
fn following_goes_on_through_whatever_happens_to_the_files() {
    let scratch = scratch();
    let log = &scratch.log;
    append(log, "2026-11-23T07:55:01Z a\n");
    append(&scratch.variant(1), "2026-11-23T07:55:02Z b\n");
    append(&scratch.variant(1), "2026-11-23T07:55:03Z c\n");
    let mut follower = Follower::start(&["-n", "2"], log);
    let mut expect = |line: &str| assert_eq!(follower.line(), format!("2026-11-23T07:55:{line}"));
    expect("02Z b");
    expect("03Z c");
    append(log, "2026-11-23T07:55:04Z d");
    append(&scratch.variant(1), "2026-11-23T07:55:05Z e\n");
    expect("05Z e");
    append(log, ", not half of it\n");
    expect("04Z d, not half of it");
    append(&scratch.variant(2), "2026-11-23T07:55:06Z new variant\n");
    expect("06Z new variant");
    let archive = scratch.path("app.2026-11-23T07-55-07Z.log");
    fs::rename(log, &archive).unwrap();
    append(log, "2026-11-23T07:55:08Z rotated\n");
    expect("08Z rotated");
    append(&archive, "2026-11-23T07:55:07Z late\n");
    expect("07Z late");
    fs::remove_file(log).unwrap();
    append(log, "2026-11-23T07:55:09Z made again\n");
    expect("09Z made again");
    fs::write(log, "2026-11-23T07:55:10Z cut off\n").unwrap();
    expect("10Z cut off");
    // Rotated twice before anybody looks.
    append(log, "2026-11-23T07:55:11Z x\n");
    fs::rename(log, scratch.path("app.2026-11-23T07-55-11Z.log")).unwrap();
    append(log, "2026-11-23T07:55:12Z y\n");
    fs::rename(log, scratch.path("app.2026-11-23T07-55-12Z.log")).unwrap();
    append(log, "2026-11-23T07:55:13Z z\n");
    expect("11Z x");
    expect("12Z y");
    expect("13Z z");
    if cfg!(unix) {
        // Elsewhere nobody replaces a file that is open.
        fs::rename(log, scratch.path("away")).unwrap();
        append(log, "2026-11-23T07:55:14Z in its place\n");
        expect("14Z in its place");
        fs::rename(scratch.path("away"), log).unwrap();
        append(log, "2026-11-23T07:55:15Z back again\n");
        expect("15Z back again");
    }
    let long = format!(
        "2026-11-23T07:55:16Z {}\n    and more\n",
        "x".repeat(300_000)
    );
    append(log, &long);
    assert_eq!(follower.line().len(), 300_021);
    assert_eq!(follower.line(), "    and more");
}

#[test]
fn a_log_that_is_not_there_yet_is_waited_for() {
    let scratch = scratch();
    let log = scratch.path("later/app.log");
    let mut process = command(&["--follow"], &log)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(process.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert!(said.contains("no such log yet"), "{said}");
    let output = Some(BufReader::new(process.stdout.take().unwrap()));
    let mut follower = Follower { process, output };
    let appender = FileAppender::new(&log).unwrap();
    common::write(&appender, "2026-11-23T07:55:01Z here it is");
    follower.await_line("here it is");
}

#[cfg(unix)]
#[test]
fn it_notices_that_nobody_reads_though_nothing_comes() {
    let scratch = small();
    let mut follower = Follower::start(&["-n", "all"], &scratch.log);
    follower.await_line("three");
    drop(follower.output.take());
    common::wait_until(|| follower.process.try_wait().unwrap().is_some());
}

#[cfg(unix)]
#[test]
fn it_does_not_read_what_it_writes() {
    let scratch = small();
    let out = OpenOptions::new()
        .append(true)
        .open(scratch.variant(1))
        .unwrap();
    let output = command(&["--follow"], &scratch.log)
        .stdout(out)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(scratch.variant(1)).unwrap(), TEXT);
}

#[test]
#[ignore = "a child of another one"]
fn logs_on_and_on() {
    let Some(arguments) = arguments() else { return };
    let appender = common::compressing(rotating(50_000))
        .lock_wait(Duration::ZERO)
        .return_to_primary(Duration::from_millis(50))
        .build(&arguments[0])
        .unwrap();
    say("ready");
    common::hear();
    let (sent, stops) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        common::hear();
        let _ = sent.send(());
    });
    let mut n = 0;
    while stops.try_recv().is_err() {
        let time = jiff::Timestamp::now();
        common::write(
            &appender,
            &format!(
                "{{\"timestamp\":\"{time}\",\"id\":\"{}-{n}\"}}",
                arguments[1]
            ),
        );
        n += 1;
        if n % 20 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    appender.flush(Duration::from_secs(10)).unwrap();
    say(&n.to_string());
}

/// Eight processes that switch, rotate and compress: who follows sees what is in the files
/// afterwards, no more and no less.
fn follow_a_storm(time: Duration) {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let mut writers: Vec<Child> = (0..8)
        .map(|id| Child::start("cli::follow::logs_on_and_on", &[log, &id.to_string()]))
        .collect();
    writers.iter_mut().for_each(|writer| writer.expect("ready"));
    let mut follower = Follower::start(&["-n", "all"], &scratch.log);
    let output = follower.output.take().unwrap();
    let (found, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in output.lines() {
            let _ = found.send(line.unwrap());
        }
    });
    writers.iter_mut().for_each(|writer| writer.tell("go"));
    std::thread::sleep(time);
    writers.iter_mut().for_each(|writer| writer.tell("stop"));
    let mut written = 0;
    for mut writer in writers {
        written += writer.hear().parse::<usize>().unwrap();
        writer.end();
    }
    let mut followed: Vec<String> = Vec::new();
    while followed.len() < written {
        let line = hears.recv_timeout(Duration::from_secs(20));
        followed.push(line.unwrap_or_else(|_| panic!("{} of {written}", followed.len())));
    }
    // Whatever is too much comes within a look or two.
    let more = hears.recv_timeout(Duration::from_millis(500));
    assert!(more.is_err(), "{more:?}");
    let merged: Vec<String> = Merge::open(&scratch.log)
        .unwrap()
        .map(|record| String::from_utf8(record.unwrap().bytes().to_vec()).unwrap())
        .collect();
    assert_eq!(merged.len(), written);
    let merged: BTreeSet<_> = merged.iter().map(|record| record.trim_end()).collect();
    let found: BTreeSet<_> = followed.iter().map(String::as_str).collect();
    assert_eq!(merged.len(), written, "each once");
    assert!(found == merged);
    let family = Family::of(&scratch.log).unwrap();
    println!(
        "{written} records, {} variants, {} archives",
        family.variants.len(),
        family.archives.len()
    );
    // Wine is slow.
    assert!(cfg!(windows) || !family.variants.is_empty() && family.archives.len() > 3);
}

#[test]
fn who_follows_a_storm_sees_each_record_once() {
    follow_a_storm(Duration::from_secs(2));
}

#[test]
#[ignore = "a storm"]
fn who_follows_a_long_storm_sees_each_record_once() {
    follow_a_storm(Duration::from_secs(10));
}
