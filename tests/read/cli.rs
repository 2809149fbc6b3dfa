//! The command `fallback-log`, as a shell runs it.

#![cfg(feature = "cli")]

use crate::common;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child as Process, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use flate2::write::GzEncoder;
use flate2::Compression;

use common::{arguments, hold, lines, rotating, say, scratch, Child, Scratch};
use tracing_fallback_file::{Family, FileAppender, Merge};

fn command(arguments: &[&str], log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fallback-log"));
    command.args(arguments).arg(log).env_remove("NO_COLOR");
    command
}

fn run(arguments: &[&str], log: &Path) -> Output {
    command(arguments, log).output().unwrap()
}

/// What it prints, if all is well.
fn printed(arguments: &[&str], log: &Path) -> String {
    let output = run(arguments, log);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line with which it says what is wrong.
fn refused(arguments: &[&str], log: &Path) -> String {
    let output = run(arguments, log);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty());
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("fallback-log: "), "{stderr}");
    stderr
}

const JSON: &str = concat!(
    r#"{"timestamp":"2026-11-23T07:55:01Z","level":"INFO","fields":{"message":"one","n":1},"target":"app"}"#,
    "\n",
    r#"{"timestamp":"2026-11-23T07:55:03Z","level":"WARN","fields":{"message":"three"},"target":"app"}"#,
    "\n",
);
const TEXT: &str = "2026-11-23T07:55:02Z  INFO app: two\n    at src/main.rs:1\n";

fn small() -> Scratch {
    let scratch = scratch();
    fs::write(&scratch.log, JSON).unwrap();
    fs::write(scratch.variant(1), TEXT).unwrap();
    scratch
}

#[test]
fn the_merged_stream_is_as_it_is_or_readable() {
    let scratch = small();
    let (one, three) = JSON.split_once('\n').unwrap();
    let raw = format!("{one}\n{TEXT}{three}");
    assert_eq!(printed(&[], &scratch.log), raw);
    assert_eq!(printed(&["--output", "raw"], &scratch.log), raw);
    let text = "2026-11-23T07:55:01Z  INFO app: one n=1\n".to_owned()
        + TEXT
        + "2026-11-23T07:55:03Z  WARN app: three\n";
    assert_eq!(printed(&["--output", "text"], &scratch.log), text);
    let with_source = printed(&["--source", "--output", "text"], &scratch.log);
    let sources: Vec<_> = with_source.lines().map(|line| &line[..12]).collect();
    let expected = [
        "app.log: 202",
        "app.001.log:",
        "app.001.log:",
        "app.log: 202",
    ];
    assert_eq!(sources, expected);
}

#[test]
fn options_leave_out_records() {
    let scratch = small();
    let said = |arguments: &[&str]| -> String {
        let arguments = [arguments, &["--output", "text"]].concat();
        let text = printed(&arguments, &scratch.log);
        let records = text.lines().filter(|line| line.starts_with("2026"));
        records
            .map(|line| line.split("app: ").nth(1).unwrap().chars().next().unwrap())
            .collect()
    };
    for (arguments, expected) in [
        (&["--level", "WARN"][..], "t"),
        (&["-l", "info"], "ott"),
        (&["--since", "2026-11-23T07:55:02Z"], "tt"),
        (&["--until", "2026-11-23T08:55:02+01:00"], "ot"),
        (&["--since", "2026-11-23T07:55:02Z", "--level", "warn"], "t"),
        (&["--grep", "o[ne]"], "o"),
        (&["--grep", "src/main"], "t"),
        (&["--grep", "rs:1$"], "t"),
        (&["--grep", "^    at"], "t"),
        (&["-n", "2"], "tt"),
        (&["-n2", "--grep", "e"], "ot"),
        (&["--lines", "100"], "ott"),
        (&["--since", "-999999h"], "ott"),
    ] {
        assert_eq!(said(arguments), expected, "{arguments:?}");
    }
    assert_eq!(printed(&["-n", "0"], &scratch.log), "");
    assert_eq!(printed(&["-n", "2"], &scratch.log).lines().count(), 3);
    for arguments in [
        ["--grep", "nowhere"],
        ["--level", "error"],
        ["--since", "now"],
    ] {
        let output = run(&arguments, &scratch.log);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    }
}

#[test]
fn the_last_records_are_those_of_the_whole() {
    let scratch = scratch();
    let appender = rotating(3_000).build(&scratch.log).unwrap();
    let mut held = None;
    for n in 0..600 {
        if n % 100 == 50 {
            held = Some(hold(&appender.current_path()));
        }
        let time = format!("2026-11-23T07:{:02}:{:02}Z", n / 60, n % 60);
        common::write(&appender, &format!("{time} {n}\n  more"));
    }
    drop(held);
    let archives = Family::of(&scratch.log).unwrap().archives;
    assert!(archives.len() > 3);
    // One of them compressed, and one that ends half-way.
    let name = format!("{}.gz", archives[2].display());
    let mut file = GzEncoder::new(fs::File::create(name).unwrap(), Compression::fast());
    file.write_all(&fs::read(&archives[2]).unwrap()).unwrap();
    file.finish().unwrap();
    fs::remove_file(&archives[2]).unwrap();
    let mut half = OpenOptions::new().append(true).open(&archives[1]).unwrap();
    half.write_all(b"half").unwrap();
    let whole: Vec<Vec<u8>> = Merge::open(&scratch.log)
        .unwrap()
        .map(|record| record.unwrap().bytes().to_vec())
        .collect();
    for n in [1, 2, 10, 57, 300, 599, 1_000] {
        let mut expected = whole[whole.len().saturating_sub(n)..].concat();
        expected.retain(|byte| *byte != b'\n');
        let mut found = printed(&["-n", &n.to_string()], &scratch.log).into_bytes();
        found.retain(|byte| *byte != b'\n');
        assert_eq!(
            String::from_utf8_lossy(&found),
            String::from_utf8_lossy(&expected),
            "{n}"
        );
    }
}

/// Whether an archive is young or old makes no difference.
#[test]
fn of_equal_times_the_archive_comes_first() {
    let scratch = scratch();
    let record = |text: &str| format!("2026-11-23T07:55:01Z {text}\n");
    fs::write(scratch.path("app.2026-11-23T07-55-01Z.log"), record("old")).unwrap();
    fs::write(&scratch.log, record("new")).unwrap();
    fs::write(scratch.variant(1), record("variant")).unwrap();
    let expected = ["old", "new", "variant"].map(record).concat();
    assert_eq!(printed(&[], &scratch.log), expected);
    let mut follower = Follower::start(&["-n", "all"], &scratch.log);
    for line in expected.lines() {
        assert_eq!(follower.line(), line);
    }
}

#[cfg(unix)]
#[test]
fn more_files_than_descriptors_are_no_matter() {
    let scratch = scratch();
    for n in 0..150 {
        let path = match n {
            0 => scratch.log.clone(),
            n => scratch.variant(n),
        };
        fs::write(
            path,
            format!("2026-11-23T07:{:02}:{:02}Z x\n", n / 60, n % 60),
        )
        .unwrap();
        let archive = format!("app.2026-11-23T06-{:02}-{:02}Z.log", n / 60, n % 60);
        fs::write(scratch.path(&archive), "2026-11-23T06:55:01Z x\n").unwrap();
    }
    for arguments in ["", "-n 1000"] {
        let command = format!("ulimit -n 40; exec \"$0\" {arguments} \"$1\"");
        let output = Command::new("sh")
            .args(["-c", &command, env!("CARGO_BIN_EXE_fallback-log")])
            .arg(&scratch.log)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout.split(|byte| *byte == b'\n').count(), 301);
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_has_archives_all_the_same() {
    let scratch = scratch();
    fs::create_dir(scratch.path("real")).unwrap();
    std::os::unix::fs::symlink("real/other.log", &scratch.log).unwrap();
    fs::write(scratch.path("real/other.2026-11-23T07-55-01Z.log"), TEXT).unwrap();
    assert_eq!(printed(&[], &scratch.log), TEXT);
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

/// One that was stopped between its look at the clock and its lock writes late.
#[test]
fn a_late_record_at_the_end_hides_no_other() {
    let scratch = scratch();
    let records = |from: u32, to: u32| -> String {
        let record = |n| format!("2026-11-23T07:{:02}:{:02}Z {n}\n", n / 60, n % 60);
        (from..to).map(record).collect()
    };
    fs::write(
        &scratch.log,
        records(500, 700) + "2026-11-23T05:00:00Z late\n",
    )
    .unwrap();
    fs::write(scratch.variant(1), records(0, 400)).unwrap();
    let all = printed(&[], &scratch.log);
    let last: Vec<&str> = all.lines().rev().take(10).collect();
    let found = printed(&["-n", "10"], &scratch.log);
    assert_eq!(found.lines().rev().collect::<Vec<_>>(), last);
    let since = printed(&["--since", "2026-11-23T07:10:00Z"], &scratch.log);
    assert_eq!(since.lines().count(), 100);
}

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
fn what_is_wrong_is_one_line_and_2() {
    let scratch = small();
    for (arguments, part) in [
        (&["--since", "someday"][..], "--since"),
        (&["--since", "2h", "--until", "3h"], "after --until"),
        (&["--field", "x"], "--field"),
        (&["--field", "x>y"], "not a number"),
        (&["--output", "json"], "--list"),
        (&["--assume-tz", "Nowhere"], "--assume-tz"),
        (&["--sinse", "2h"], "a similar argument exists: '--since'"),
        (&["--grep", "("], "unclosed group"),
        (&["-n", "x"], "--lines"),
        (&["--level", "loud"], "loud"),
        (&["-n", "+5"], "--lines"),
        (&["--list", "--follow"], "--follow"),
        (&["--until", "now", "--follow"], "--follow"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let said = refused(arguments, &scratch.log);
        assert!(said.contains(part), "{said}");
    }
    assert!(refused(&[], &scratch.path("none.log")).contains("none.log"));
    assert!(refused(&["--list"], &scratch.path("none.log")).contains("none.log"));
    assert!(refused(&[], Path::new("/")).contains('/'));
    assert!(refused(&[], scratch.dir.path()).contains("a directory"));
}

#[test]
fn a_file_that_can_t_be_read_is_said_and_the_others_are_read() {
    let scratch = small();
    let archive = scratch.path("app.2026-11-23T07-50-01Z.log.gz");
    fs::write(&archive, "this is not gzip").unwrap();
    let output = run(&[], &scratch.log);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout.len(), JSON.len() + TEXT.len());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("07-50-01Z") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn colours_are_asked_for_or_not() {
    let scratch = small();
    let coloured = |arguments: &[&str]| {
        let arguments = [arguments, &["--output", "text", "--source"]].concat();
        printed(&arguments, &scratch.log).contains('\x1b')
    };
    assert!(!coloured(&[]), "a pipe");
    assert!(!coloured(&["--color", "never"]));
    assert!(coloured(&["--color", "always"]));
}

#[test]
fn a_pipe_that_closes_early_ends_it_quietly() {
    let scratch = scratch();
    let line = format!("2026-11-23T07:55:01Z {}\n", "x".repeat(1_000));
    fs::write(&scratch.log, line.repeat(5_000)).unwrap();
    // More than a pipe holds: on Windows a program finds out only at its next write that nobody
    // reads.
    for arguments in [&[][..], &["--follow", "-n", "all"], &["--help"]] {
        let mut child = command(arguments, &scratch.log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", output.status);
        assert!(output.stderr.is_empty(), "{output:?}");
    }
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

#[test]
fn completions_and_a_man_page() {
    for (arguments, part) in [
        (&["--completions", "bash"][..], "complete -F"),
        (&["--completions", "zsh"], "#compdef fallback-log"),
        (&["--completions", "fish"], "complete -c fallback-log"),
        (&["--man"], ".TH fallback-log"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["--help"], "Examples:"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_fallback-log"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
}

struct Follower {
    process: Process,
    output: Option<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(arguments: &[&str], log: &Path) -> Follower {
        Follower::run(&mut command(arguments, log))
    }

    fn run(command: &mut Command) -> Follower {
        let mut process = command
            .arg("--follow")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Some(BufReader::new(process.stdout.take().unwrap()));
        Follower { process, output }
    }

    /// The next line that is printed, without its newline.
    fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.output.as_mut().unwrap();
        assert!(output.read_line(&mut line).unwrap() > 0, "it has ended");
        assert_eq!(line.pop(), Some('\n'));
        line
    }

    fn await_line(&mut self, part: &str) {
        while !self.line().contains(part) {}
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn following_goes_on_through_whatever_happens_to_the_files() {
    let scratch = scratch();
    let log = &scratch.log;
    let append = |path: &Path, text: &str| {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
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
        .map(|id| Child::start("cli::logs_on_and_on", &[log, &id.to_string()]))
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

#[test]
fn raw_lines_are_those_of_the_files() {
    let scratch = small();
    let mut all: Vec<String> = common::all_files(&scratch.log)
        .iter()
        .flat_map(|file| lines(file))
        .collect();
    let mut found: Vec<String> = printed(&[], &scratch.log)
        .lines()
        .map(str::to_owned)
        .collect();
    all.sort();
    found.sort();
    assert_eq!(found, all);
}

/// Runs it on what a shell would give it, with more arguments or none.
fn shell(script: &str, directory: &Path) -> Output {
    Command::new("sh")
        .args(["-c", script])
        .current_dir(directory)
        .env("FL", env!("CARGO_BIN_EXE_fallback-log"))
        .output()
        .unwrap()
}

#[test]
fn times_of_each_timer_and_format_are_known() {
    use tracing_subscriber::fmt::format::Writer;
    use tracing_subscriber::fmt::time::FormatTime;
    /// Writes one time in one form.
    #[derive(Clone)]
    struct Timer(&'static str);
    impl FormatTime for Timer {
        fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
            writer.write_str(self.0)
        }
    }
    const BERLIN: &[&str] = &["--assume-tz", "+01:00"];
    for (timer, arguments, is_known) in [
        ("2026-11-21T07:55:01.123456Z", &[][..], true),
        // chrono
        ("2026-11-21T08:55:01.123456+01:00", &[], true),
        ("2026-11-21 08:55:01.123", BERLIN, true),
        ("2026-11-21 07:55:01.123456789 UTC", &[], true),
        ("2026-11-21 08:55:01.123 +01:00", &[], true),
        ("Sat, 21 Nov 2026 07:55:01 +0000", &[], true),
        // time
        ("2026-11-21 7:55:01.0 +00:00:00", &[], true),
        // jiff
        ("2026-11-21T08:55:01.5+01:00[Europe/Berlin]", &[], true),
        ("2026-11-21T08:55:01", BERLIN, true),
        ("1795247701", &[], true),
        ("1795247701.25", &[], true),
        ("1795247701250", &[], true),
        // Uptime
        ("   0.000123456s", &[], false),
        ("07:55:01.123", &[], false),
    ] {
        for format in ["full", "compact", "pretty", "json"] {
            let scratch = scratch();
            let file = fs::File::create(&scratch.log).unwrap();
            let builder = tracing_subscriber::fmt()
                .with_timer(Timer(timer))
                .with_ansi(false)
                .with_writer(std::sync::Mutex::new(file));
            let log = || {
                tracing::info!("one\n    two");
                tracing::warn!(n = 1, "three");
            };
            match format {
                "full" => tracing::subscriber::with_default(builder.finish(), log),
                "compact" => tracing::subscriber::with_default(builder.compact().finish(), log),
                "pretty" => tracing::subscriber::with_default(builder.pretty().finish(), log),
                _ => tracing::subscriber::with_default(builder.json().finish(), log),
            }
            let run = |more: &[&str]| run(&[arguments, more].concat(), &scratch.log);
            let what = format!("{timer} {format}");
            let all = fs::read(&scratch.log).unwrap();
            let second = "2026-11-21T07:55:01Z";
            let output = run(&["--since", second, "--until", "2026-11-21T07:55:02Z"]);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            if is_known {
                assert_eq!(output.stdout, all, "{what}: {told}");
                assert_eq!(told, "", "{what}");
                let output = run(&["--since", "2026-11-21T07:55:02Z"]);
                assert_eq!(output.status.code(), Some(1), "{what}");
                let output = run(&["--level", "warn"]);
                let text = String::from_utf8(output.stdout).unwrap();
                assert!(
                    text.contains("three") && !text.contains("one"),
                    "{what}: {text}"
                );
            } else {
                assert_eq!(
                    (output.status.code(), &*output.stdout),
                    (Some(1), &b""[..]),
                    "{what}"
                );
                assert_eq!(told.lines().count(), 1, "{what}: {told}");
                assert!(told.contains("no time is known"), "{what}: {told}");
                let output = run(&[]);
                assert_eq!(output.stdout, all, "{what}");
                let last = run(&["-n", "1"]);
                let mut lines = all.split_inclusive(|byte| *byte == b'\n');
                assert_eq!(last.stdout, lines.next_back().unwrap(), "{what}");
            }
        }
    }
}

/// On another day than today.
#[test]
fn a_date_with_a_time_is_of_that_date() {
    let scratch = scratch();
    fs::write(
        &scratch.log,
        "2026-11-20T07:30:00Z a\n2026-11-21T06:30:00Z b\n2026-11-21T07:30:00Z c\n",
    )
    .unwrap();
    let run = |since: &str| {
        let output = command(&["--since", since], &scratch.log)
            .env("TZ", "UTC")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    assert_eq!(run("2026-11-21 07:00"), 1);
    assert_eq!(run("2026-11-21T06:00"), 2);
    assert_eq!(run("2026-11-21"), 2);
    assert_eq!(run("@1795160000"), 2);
}

#[test]
fn a_json_line_is_a_record_of_its_own() {
    let scratch = scratch();
    let panic = "thread 'main' panicked at src/main.rs:1:1:\nboom\n";
    let no_time = "{\"message\":\"no time\",\"level\":\"ERROR\"}\n";
    let info = "{\"timestamp\":\"2026-11-23T07:55:01Z\",\"level\":\"INFO\"}\n";
    let text = format!("banner\n{no_time}{no_time}{info}{panic}{info}");
    fs::write(&scratch.log, &text).unwrap();
    assert_eq!(printed(&[], &scratch.log), text);
    let output = run(&["--level", "error"], &scratch.log);
    let expected = format!("banner\n{no_time}{no_time}{panic}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("1 of these records have no level"), "{told}");
    let output = run(&["-n", "2"], &scratch.log);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("{panic}{info}")
    );
    // It happened after that record.
    let output = run(&["--since", "2026-11-23T07:55:01Z"], &scratch.log);
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(found.ends_with(&format!("{info}{panic}{info}")), "{found}");
}

#[test]
fn nothing_in_a_record_passes_for_another_one() {
    let scratch = scratch();
    let record = concat!(
        r#"{"timestamp":"2026-11-23T07:55:01Z","level":"INFO","target":"a\n2026-11-23T07:55:09Z ERROR forged","threadName":"t\nx","#,
        r#""fields":{"k\ney":1,"k\ney":2,"big":123456789012345678901234567890,"message":"m\n2026-11-23T07:55:09Z ERROR no","bidi":"\u202e"},"z":1,"a":2}"#,
        "\n"
    );
    fs::write(&scratch.log, record).unwrap();
    let text = printed(&["--output", "text"], &scratch.log);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].starts_with("2026-11-23T07:55:01Z  INFO t\\nx a\\n2026"),
        "{text}"
    );
    assert_eq!(
        lines[1],
        "    2026-11-23T07:55:09Z ERROR no k\\ney=1 k\\ney=2 \
         big=123456789012345678901234567890 bidi=\\u{202e} z=1 a=2"
    );
}

#[test]
fn levels_have_several_names() {
    let scratch = scratch();
    let records = [
        r#"{"time":1795420501000,"level":50,"msg":"pino"}"#,
        r#"{"time":"2026-11-23T07:55:01Z","severity":"ERROR"}"#,
        r#"{"time":"2026-11-23T07:55:01Z","lvl":"eror","level":"fatal"}"#,
        "2026-11-23T08:55:01+01:00[Europe/Berlin] error x",
        "[2026-11-23T07:55:01Z ERROR x]",
        "2026-11-23 07:55:01 UTC Error: x",
    ];
    let others = [
        r#"{"time":1795420501000,"level":30}"#,
        r#"{"time":"2026-11-23T07:55:01Z","severity":"info"}"#,
        "2026-11-23T08:55:01+01:00[Europe/Berlin] info error",
    ];
    fs::write(
        &scratch.log,
        records.join("\n") + "\n" + &others.join("\n") + "\n",
    )
    .unwrap();
    assert_eq!(
        printed(&["-l", "error"], &scratch.log),
        records.join("\n") + "\n"
    );
}

#[cfg(unix)]
#[test]
fn it_takes_what_people_give_it() {
    let scratch = small();
    let archive = scratch.path("app.2026-11-23T07-50-01Z.log");
    fs::write(&archive, "2026-11-23T07:50:00Z archived\n").unwrap();
    let file = fs::File::create(scratch.path("app.2026-11-23T07-40-01Z.log.gz")).unwrap();
    let mut file = GzEncoder::new(file, Compression::fast());
    file.write_all(b"2026-11-23T07:40:00Z zipped\n").unwrap();
    file.finish().unwrap();
    std::os::unix::fs::symlink("app.001.log", scratch.path("latest")).unwrap();
    fs::create_dir(scratch.path("other")).unwrap();
    fs::write(scratch.path("other/web.log"), "2026-11-23T07:55:00Z web\n").unwrap();
    let all = printed(&[], &scratch.log);
    let web = "2026-11-23T07:55:00Z web\n";
    for (script, expected) in [
        ("$FL app.log/", all.clone()),
        ("$FL ./app.log", all.clone()),
        ("$FL latest", all.clone()),
        ("$FL app*.log app*.gz", all.clone()),
        ("$FL app.001.log", TEXT.to_owned()),
        (
            "$FL app.2026-11-23T07-50-01Z.log",
            "2026-11-23T07:50:00Z archived\n".into(),
        ),
        (
            "$FL app.2026-11-23T07-40-01Z.log.gz",
            "2026-11-23T07:40:00Z zipped\n".into(),
        ),
        ("cat app.001.log | $FL -", TEXT.to_owned()),
        ("$FL /dev/stdin < app.001.log", TEXT.to_owned()),
        (
            "cat app.*.gz | $FL -",
            "2026-11-23T07:40:00Z zipped\n".into(),
        ),
        (
            "cat app.log | $FL -n 1 -",
            JSON.lines().nth(1).unwrap().to_owned() + "\n",
        ),
        (
            "mkfifo pipe; cat app.001.log > pipe & $FL pipe",
            TEXT.to_owned(),
        ),
    ] {
        let output = shell(script, scratch.dir.path());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            expected,
            "{script}"
        );
    }
    let output = shell("$FL app.log other/web.log --source", scratch.dir.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(&format!("web.log: {web}")) && text.contains("app.log: {"),
        "{text}"
    );
    let output = shell("cat app.log | $FL - app.log", scratch.dir.path());
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_it_quietly() {
    let scratch = small();
    // A shell's background job, which the tests may be, inherits an ignored SIGINT.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_fallback-log")]);
    let mut follower = Follower::run(command.arg(&scratch.log));
    follower.await_line("three");
    let pid = follower.process.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    // A shell calls that 130.
    let status = follower.process.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(2)
    );
}

/// A line that a program of little memory can't hold.
#[cfg(target_os = "linux")]
#[test]
fn a_line_without_end_does_not_end_the_command() {
    let scratch = small();
    let sparse = fs::File::create(scratch.variant(2)).unwrap();
    sparse.set_len(1 << 26).unwrap();
    let zipped = scratch.path("app.2026-11-23T07-40-01Z.log.gz");
    let mut file = GzEncoder::new(fs::File::create(zipped).unwrap(), Compression::fast());
    for _ in 0..64 {
        file.write_all(&vec![0; 1 << 20]).unwrap();
    }
    file.finish().unwrap();
    for arguments in [
        "",
        "-n 10000000",
        "-n 3",
        "--grep nothing",
        "-r",
        "--output text",
    ] {
        let script = format!("ulimit -v 150000; $FL {arguments} app.log | tail -c 1 | wc -c");
        let output = shell(&script, scratch.dir.path());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            told.lines().all(|line| line.contains("no time is known")),
            "{arguments}: {told}"
        );
    }
    let output = shell("$FL app.log | wc -c", scratch.dir.path());
    let length: usize = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    // Each piece ends with a newline of its own.
    let bytes = (1 << 27) + JSON.len() + TEXT.len();
    assert!((bytes..bytes + 1_000).contains(&length), "{length}");
}

#[test]
fn context_and_order_and_fields() {
    let scratch = scratch();
    let record = |n: u32| format!("2026-11-23T07:55:{n:02}Z  INFO s{{id={n}}}: app: m n={n}\n");
    fs::write(&scratch.log, (0..30).map(record).collect::<String>()).unwrap();
    let numbers = |arguments: &[&str]| -> Vec<String> {
        let arguments = [arguments, &["--output", "text"]].concat();
        let text = printed(&arguments, &scratch.log);
        let number = |line: &str| line.rsplit('=').next().unwrap().to_owned();
        text.lines().map(number).collect()
    };
    assert_eq!(numbers(&["--grep", "n=7$", "-A", "1"]), ["7", "8"]);
    assert_eq!(numbers(&["--grep", "n=7$", "-B", "2"]), ["5", "6", "7"]);
    assert_eq!(
        numbers(&["--grep", "n=(7|9)$", "-C", "1"]),
        ["6", "7", "8", "9", "10"]
    );
    let apart = ["6", "7", "8", "--", "19", "20", "21"];
    assert_eq!(numbers(&["--grep", "n=(7|20)$", "-C", "1"]), apart);
    assert_eq!(numbers(&["-r", "--grep", "n=7$", "-A", "1"]), ["8", "7"]);
    assert_eq!(numbers(&["-r", "-n", "3"]), ["29", "28", "27"]);
    let with = |more: &[&str]| numbers(&[&["--grep", "n=(2|7|9|20)$", "-C", "1"], more].concat());
    assert_eq!(with(&["-n", "1"]), ["19", "20", "21"]);
    assert_eq!(with(&["-n", "2"]), ["8", "9", "10", "--", "19", "20", "21"]);
    let three = ["6", "7", "8", "9", "10", "--", "19", "20", "21"];
    assert_eq!(with(&["-n", "3"]), three);
    let all = [&["1", "2", "3", "--"][..], &three].concat();
    assert_eq!(with(&["-n", "9"]), all);
    assert_eq!(with(&[]), all);
    let reversed: Vec<&str> = all.iter().copied().rev().collect();
    assert_eq!(with(&["-r"]), reversed);
    assert_eq!(with(&["-r", "-n", "2"]), reversed[..7]);
    assert_eq!(numbers(&["--grep", "n=29", "-n", "1", "-A", "9"]), ["29"]);
    assert_eq!(numbers(&["-n", "2", "--grep", "n=1"]), ["18", "19"]);
    assert_eq!(numbers(&["--grep", "N=7$", "-i"]), ["7"]);
    assert_eq!(numbers(&["--grep", "n=2", "-v", "-n", "2"]), ["18", "19"]);
    assert_eq!(numbers(&["--field", "n>27"]), ["28", "29"]);
    assert_eq!(numbers(&["--field", "id=3"]), ["3"]);
    assert_eq!(numbers(&["--field", "target=app", "-n", "1"]), ["29"]);
}

#[test]
fn times_are_shown_in_another_zone() {
    let scratch = small();
    for (zone, expected) in [
        ("UTC", "2026-11-23T07:55:02Z  INFO app: two"),
        ("Asia/Kolkata", "2026-11-23T13:25:02+05:30  INFO app: two"),
    ] {
        let output = command(&["--local", "--output", "text"], &scratch.log)
            .env("TZ", zone)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().nth(1).unwrap(), expected);
    }
    let text = printed(&["--utc", "--output", "text"], &scratch.log);
    assert!(
        text.starts_with("2026-11-23T07:55:01Z  INFO app: one"),
        "{text}"
    );
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

/// On a terminal: the last ten first, each record when it is found, nothing that harms it.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal() {
    let scratch = scratch();
    let record = |n: u32| format!("2026-11-23T07:55:{n:02}Z  INFO {n} \x1b[8mhid\x1b[0m\u{202e}\n");
    fs::write(&scratch.log, (0..30).map(record).collect::<String>()).unwrap();
    let terminal = |command: &str| {
        let script = format!("script -qec '{command}' /dev/null < /dev/null");
        let output = shell(&script, scratch.dir.path());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    if !terminal("echo here").contains("here") {
        eprintln!("SKIPPED: there is no script");
        return;
    }
    let text = terminal("$FL --color never --paging never app.log");
    assert_eq!(text.lines().count(), 30, "{text}");
    assert!(
        !text.contains('\x1b') && !text.contains('\u{202e}'),
        "{text}"
    );
    let text = terminal("$FL --color always --paging never -n 1 app.log");
    assert!(
        !text.contains("\x1b[8m") && text.contains("\\u{1b}[8mhid"),
        "{text}"
    );
    let text = terminal("PAGER=\"sed s/^/paged:/\" $FL app.log");
    assert_eq!(text.matches("paged:").count(), 30, "{text}");
    let text = terminal("timeout -s INT 1 $FL -f --color never app.log");
    assert_eq!(text.matches("INFO").count(), 10, "{text}");
}

/// Every record once, whatever happens to the files between two runs.
#[test]
fn a_cursor_file_goes_on_where_the_last_run_ended() {
    let scratch = scratch();
    let log = &scratch.log;
    let cursor = scratch.path("cursor");
    let arguments = ["--cursor-file", cursor.to_str().unwrap()];
    let mut second = 0;
    let append = |path: &Path, text: &str| {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let mut record = |path: &Path, text: &str| {
        second += 1;
        let line = format!(
            "2026-11-23T07:{:02}:{:02}Z  INFO {text}\n",
            second / 60,
            second % 60
        );
        append(path, &line);
    };
    let new = |more: &[&str]| -> String {
        let output = run(&[&arguments[..], more].concat(), log);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(told, "");
        let text = String::from_utf8(output.stdout).unwrap();
        let expected = if text.is_empty() { 1 } else { 0 };
        assert_eq!(output.status.code(), Some(expected));
        let last = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
        text.lines().map(last).collect::<Vec<_>>().join(" ")
    };
    let gzip = |path: &Path| {
        let file = fs::File::create(format!("{}.gz", path.display())).unwrap();
        let mut file = GzEncoder::new(file, Compression::fast());
        file.write_all(&fs::read(path).unwrap()).unwrap();
        file.finish().unwrap();
        fs::remove_file(path).unwrap();
    };
    let archive = |second: u32| scratch.path(&format!("app.2026-11-23T08-00-{second:02}Z.log"));
    assert!(refused(&arguments, log).contains("no such log"));
    assert!(!cursor.exists());
    record(log, "a");
    record(&scratch.variant(1), "b");
    assert_eq!(new(&[]), "a b");
    assert_eq!(new(&[]), "");
    // Rotated.
    record(log, "c");
    fs::rename(log, archive(1)).unwrap();
    record(log, "d");
    assert_eq!(new(&[]), "c d");
    assert_eq!(new(&[]), "");
    // Rotated and compressed, and another file in its place; what was read is compressed too.
    record(log, "e");
    fs::rename(log, archive(2)).unwrap();
    gzip(&archive(2));
    gzip(&archive(1));
    record(log, "f");
    record(&scratch.variant(2), "g");
    assert_eq!(new(&[]), "e f g");
    // One that has been read to its end, then more rotated than is remembered by name.
    fs::rename(log, archive(3)).unwrap();
    gzip(&archive(3));
    for n in 4..20 {
        record(log, &n.to_string());
        fs::rename(log, archive(n)).unwrap();
        if n % 2 == 0 {
            gzip(&archive(n));
        }
    }
    let numbers: Vec<String> = (4..20).map(|n| n.to_string()).collect();
    assert_eq!(new(&[]), numbers.join(" "));
    assert_eq!(new(&[]), "");
    // Half a record waits for the other half.
    append(log, "2026-11-23T07:59:00Z  INFO ha");
    record(&scratch.variant(1), "h");
    assert_eq!(new(&[]), "h");
    append(log, "lf\n");
    assert_eq!(new(&[]), "half");
    // Cut off, and written again.
    fs::write(log, "").unwrap();
    record(log, "i");
    assert_eq!(new(&[]), "i");
    // What a filter leaves out is not shown later.
    record(log, "j");
    record(log, "k");
    record(log, "l");
    assert_eq!(new(&["-n", "1"]), "l");
    record(log, "m");
    record(log, "n");
    assert_eq!(new(&["--grep", "m$"]), "m");
    assert_eq!(new(&[]), "");
    record(log, "o");
    record(log, "p");
    assert_eq!(new(&["-r"]), "p o");
    // An interrupted run shows its records again.
    let before = fs::read(&cursor).unwrap();
    record(log, "q");
    assert_eq!(new(&[]), "q");
    fs::write(&cursor, &before).unwrap();
    assert_eq!(new(&[]), "q");
    record(log, "r");
    let mut follower = Follower::start(&arguments, log);
    follower.await_line("INFO r");
    record(log, "s");
    follower.await_line("INFO s");
    // Windows does not replace a file while somebody reads it, as this does.
    if !cfg!(windows) {
        let read = format!(" {} ", fs::metadata(log).unwrap().len());
        common::wait_until(|| fs::read_to_string(&cursor).unwrap().contains(&read));
        drop(follower);
        assert_eq!(new(&[]), "");
    }
}

#[test]
fn a_cursor_file_that_is_none_is_refused() {
    let scratch = small();
    let cursor = scratch.path("cursor");
    let arguments = ["--cursor-file", cursor.to_str().unwrap()];
    fs::write(&cursor, "fallback-log cursor 1\nlog app.log\n").unwrap();
    assert!(refused(&arguments, &scratch.log).contains("not a cursor"));
    fs::remove_file(&cursor).unwrap();
    printed(&arguments, &scratch.log);
    fs::write(scratch.path("web.log"), TEXT).unwrap();
    assert!(refused(&arguments, &scratch.path("web.log")).contains("another log"));
    let until = [&arguments[..], &["--until", "now"]].concat();
    assert!(refused(&until, &scratch.log).contains("--cursor-file"));
    let two = [&arguments[..], &["other.log"]].concat();
    assert!(refused(&two, &scratch.log).contains("name one"));
}

/// `/dev/stdin` is a stream whatever it is, but not all in `/dev` is.
#[cfg(target_os = "linux")]
#[test]
fn a_log_in_shared_memory_is_a_log() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let log = dir.path().join("app.log");
    fs::write(&log, JSON).unwrap();
    fs::write(dir.path().join("app.001.log"), TEXT).unwrap();
    assert_eq!(printed(&[], &log).lines().count(), 4);
}

/// On a terminal that belongs to it, in the middle of a file that it would read for a long time.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_loses_nothing_that_was_found() {
    let scratch = scratch();
    let found = "2026-11-23T07:55:01Z  INFO found\n";
    fs::write(&scratch.log, found).unwrap();
    let file = OpenOptions::new().write(true).open(&scratch.log).unwrap();
    file.set_len(1 << 36).unwrap();
    // A shell's background job, which the tests may be, inherits an ignored SIGINT.
    let command = "env --default-signal=INT $FL --grep found --paging never --color never app.log";
    let script = format!("script -qec \"{command}\" /dev/null");
    let child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(scratch.dir.path())
        .env("FL", env!("CARGO_BIN_EXE_fallback-log"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    if line.is_empty() {
        eprintln!("SKIPPED: there is no script");
        child.wait().unwrap();
        return;
    }
    assert_eq!(line.trim_end(), found.trim_end());
    assert!(child.try_wait().unwrap().is_none(), "it is still reading");
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"\x03").unwrap();
    keys.flush().unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert_eq!(rest.replace("^C", "").trim(), "");
}

/// A search skips records; which ones are found, and their order, is as without it.
#[test]
fn what_a_search_finds_is_what_is_there() {
    let scratch = scratch();
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for file in 0..3 {
        let mut text = String::from("a rare line before all\n");
        for n in 0..20_000_u64 {
            let late = if random(50) == 0 { random(300) } else { 0 };
            let millis = n * 20 + file - late.min(n * 20);
            let time = format!(
                "2026-11-23T{:02}:{:02}:{:02}.{:03}Z",
                millis / 3_600_000,
                millis / 60_000 % 60,
                millis / 1_000 % 60,
                millis % 1_000
            );
            let what = if random(3_000) == 0 { "rare" } else { "usual" };
            text += &match random(40) {
                0 => format!("{{\"message\":\"{what} {n}\"}}\n"),
                1 => format!("{{\"n\":{n},\"message\":\"{what}\",\"timestamp\":\"{time}\"}}\n"),
                2 => format!("{time} INFO {n}\n    {what}\n    and more\n"),
                3 => format!("thread 'main' panicked at {n}\n{what}\n"),
                _ => format!("{time} INFO {what} {n}\n"),
            };
        }
        let path = if file == 0 {
            scratch.log.clone()
        } else {
            scratch.variant(file as u16)
        };
        fs::write(path, text).unwrap();
    }
    let mut whole = Merge::open(&scratch.log).unwrap();
    let mut expected = Vec::new();
    while let Some(record) = whole.next_ref() {
        let bytes = record.unwrap().bytes();
        if bytes.windows(4).any(|part| part == b"rare") {
            expected.extend_from_slice(bytes);
        }
    }
    let expected = String::from_utf8(expected).unwrap();
    assert!(expected.lines().count() > 10, "{expected}");
    assert_eq!(printed(&["--grep", "rare"], &scratch.log), expected);
    assert_eq!(printed(&["--grep", "r[a]re"], &scratch.log), expected);
    assert_eq!(printed(&["--grep", "(?-u)rare"], &scratch.log), expected);
}
