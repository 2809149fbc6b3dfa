//! A log read back, beside the tools that merge files.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tracing_fallback_file::Merge;

use crate::measure::{in_turns, ratio, timed, Effort};
use crate::place::DISK;
use crate::questions;
use crate::records::{fill, json, text, Form};
use crate::report::Report;

const MB: usize = 1_000_000;

pub fn reading(report: &mut Report, effort: Effort) {
    report.section(
        "Reading",
        "1 GB read back as one stream by time, into `/dev/null`: records of a microsecond each or \
         more, at random in one of the files. `Merge` in a process that writes its records to \
         stdout, GNU `sort -m` with `LC_ALL=C`, and, once, `lnav -n`, which knows the format. The \
         memory is the most that the process with `Merge` has had.",
    );
    let effort = Effort {
        rounds: effort.rounds.min(5),
        ..effort
    };
    for (files, each) in [(20, 50 * MB), (200, 5 * MB), (1_000, MB)] {
        let rows: Vec<String> = [("JSON", json as Form), ("text", text)]
            .into_iter()
            .map(|(kind, form)| row(report, effort, kind, form, files, each))
            .collect();
        let name = format!("{files} files of {} MB", each / MB);
        let header = "records | Merge, s | sort -m, s | Merge to sort | lnav to sort | memory, MiB";
        report.table(&name, header, rows);
    }
    questions::questions(report, effort);
}

fn row(
    report: &mut Report,
    effort: Effort,
    kind: &str,
    form: Form,
    files: usize,
    each: usize,
) -> String {
    let dir = DISK.directory();
    let files_of_log = fill(dir.path(), form, files, effort.records(each));
    let log = &files_of_log[0];
    let mut memory = 0;
    let turns = in_turns(effort, 2, |contender| {
        let took = match contender {
            0 => timed(|| memory = memory.max(merge_in_child(log))),
            _ => timed(|| {
                run(Command::new("sort")
                    .env("LC_ALL", "C")
                    .arg("-m")
                    .args(&files_of_log))
            }),
        };
        took.as_secs_f64()
    });
    let to_sort = ratio(&turns[0], &turns[1]);
    let memory = memory as f64 / 1024.0;
    let what = format!("{files} files of {kind}");
    // A thousand files are more than either reads at once with large buffers.
    let bound = if files <= 200 { 0.6 } else { 1.0 };
    report.at_most(&format!("reading {what}, to `sort -m`"), to_sort, bound);
    report.at_most(&format!("memory for {what}, in 64 MiB"), memory / 64.0, 1.0);
    let [merge, sort] = [0, 1].map(|n| crate::measure::median(turns[n].clone()));
    // It does not take a thousand files.
    let lnav = match files {
        20 => lnav(&files_of_log),
        _ => None,
    };
    let lnav = lnav.map_or("-".to_owned(), |took| {
        format!("{:.1}", took.as_secs_f64() / sort)
    });
    format!("{kind} | {merge:.2} | {sort:.2} | {to_sort:.2} | {lnav} | {memory:.1}")
}

/// Prints its maximum memory, in KiB.
fn merge_in_child(log: &Path) -> u64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("reader")
        .arg(log)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// The child.
pub fn reader(arguments: &[String]) {
    let [log] = arguments else {
        panic!("reader LOG");
    };
    let mut out = BufWriter::with_capacity(256 * 1024, io::stdout().lock());
    for record in Merge::open(log).unwrap() {
        out.write_all(record.unwrap().bytes()).unwrap();
    }
    out.flush().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    eprintln!("{}", peak.unwrap_or("0").trim());
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{status}");
}

/// `None` if it is not here.
fn lnav(files: &[PathBuf]) -> Option<Duration> {
    let home = tempfile::tempdir().unwrap();
    let lnav = || {
        let mut command = Command::new("lnav");
        command.env("HOME", home.path());
        command
    };
    let format = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lnav-tracing.json");
    let installed = lnav().args(["-i", format]).stdout(Stdio::null()).status();
    installed.ok().filter(|status| status.success())?;
    Some(timed(|| run(lnav().arg("-n").args(files))))
}
