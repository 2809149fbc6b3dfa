//! Processes that share one path.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tracing_fallback_file::{Family, FileAppender};

use crate::guard::record;
use crate::logs::{ours, OURS, TRACING_APPENDER};
use crate::measure::{in_turns, ratio, Effort};
use crate::place::DISK;
use crate::report::Report;

const COUNTS: [usize; 4] = [1, 2, 8, 32];

pub fn processes(report: &mut Report, effort: Effort) {
    let time = Duration::from_secs(1) / effort.divisor as u32;
    report.section(
        "Processes",
        "Processes that write 200-byte records on one path flat out, on the disk. The ratio is of \
         the records a second of all of them to those of one process. The files are those left, in \
         the fewest and the most of the runs.",
    );
    for (kind, name) in [
        ("default", "tracing-fallback-file"),
        ("ZERO", "tracing-fallback-file, `lock_wait(Duration::ZERO)`"),
        ("tracing-appender", "tracing-appender"),
    ] {
        let turns = in_turns(effort, COUNTS.len(), |n| {
            let dir = DISK.directory();
            let path = dir.path().join("app.log");
            together(&path, kind, COUNTS[n], time)
        });
        let rates: Vec<Vec<f64>> = turns
            .iter()
            .map(|turns| turns.iter().map(|turn| turn.0).collect())
            .collect();
        let rows = COUNTS.iter().zip(&rates).zip(&turns);
        let rows = rows.map(|((count, rates_of_count), turns)| {
            let ratio = ratio(rates_of_count, &rates[0]);
            let files = || turns.iter().map(|turn| turn.1);
            let (fewest, most) = (files().min().unwrap_or(0), files().max().unwrap_or(0));
            match (kind, count) {
                ("default", 8) => report.at_least("8 processes to one, default", ratio, 0.85),
                ("ZERO", 8) => report.at_least("8 processes to one, `lock_wait` zero", ratio, 1.5),
                _ => {}
            }
            format!("{count} | {ratio:.2} | {fewest}–{most}")
        });
        let rows: Vec<String> = rows.collect();
        report.table(name, "processes | ratio | files", rows);
    }
}

/// Records a second, and the files that they are in.
fn together(path: &Path, kind: &str, count: usize, time: Duration) -> (f64, usize) {
    let mut children: Vec<Child> = (0..count)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["writer", path.to_str().unwrap(), kind])
                .arg(time.as_millis().to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                // Notices of switches, of which there are many with a wait of zero.
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut outputs: Vec<_> = children
        .iter_mut()
        .map(|child| BufReader::new(child.stdout.take().unwrap()).lines())
        .collect();
    for output in &mut outputs {
        output.next().unwrap().unwrap();
    }
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
    let written: u64 = outputs
        .iter_mut()
        .map(|output| output.next().unwrap().unwrap().parse::<u64>().unwrap())
        .sum();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let Family {
        primary, variants, ..
    } = Family::of(path).unwrap();
    let files = primary.iter().chain(&variants).count();
    (written as f64 / time.as_secs_f64(), files)
}

/// The child.
pub fn writer(arguments: &[String]) {
    let [path, kind, time] = arguments else {
        panic!("writer PATH KIND TIME");
    };
    let path = Path::new(path);
    let log = match kind.as_str() {
        "tracing-appender" => (TRACING_APPENDER.open)(path),
        "ZERO" => ours(path, FileAppender::builder().lock_wait(Duration::ZERO)),
        _ => (OURS.open)(path),
    };
    let record = record(200);
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let time = Duration::from_millis(time.parse().unwrap());
    let start = Instant::now();
    let mut written = 0_u64;
    while start.elapsed() < time {
        log(&record);
        written += 1;
    }
    println!("{written}");
}
