//! What has been measured, as Markdown.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::measure::micros;

#[derive(Default)]
pub struct Report {
    targets: String,
    sections: String,
}

impl Report {
    pub fn section(&mut self, name: &str, text: &str) {
        eprintln!("{name} …");
        writeln!(self.sections, "\n## {name}\n\n{text}").unwrap();
    }

    /// Cells are separated by ` | `; the first column is text, the others are figures.
    pub fn table(&mut self, name: &str, header: &str, rows: impl IntoIterator<Item = String>) {
        let columns = header.split(" | ").count();
        let rule = "---:|".repeat(columns - 1);
        write!(self.sections, "\n{name}\n\n| {header} |\n|---|{rule}\n").unwrap();
        for row in rows {
            assert_eq!(row.split(" | ").count(), columns, "{row}");
            writeln!(self.sections, "| {row} |").unwrap();
        }
    }

    /// A bound that a ratio has to keep.
    pub fn at_most(&mut self, what: &str, measured: f64, bound: f64) {
        let kept = measured <= bound;
        self.target(
            what,
            &format!("≤ {bound} ×"),
            &format!("{measured:.2} ×"),
            kept,
        );
    }

    pub fn at_least(&mut self, what: &str, measured: f64, bound: f64) {
        let kept = measured >= bound;
        self.target(
            what,
            &format!("≥ {bound} ×"),
            &format!("{measured:.2} ×"),
            kept,
        );
    }

    pub fn within(&mut self, what: &str, measured: Duration, bound: Duration) {
        let [shown, limit] = [measured, bound].map(|time| format!("{} µs", micros(time)));
        self.target(what, &format!("≤ {limit}"), &shown, measured <= bound);
    }

    /// A bound on another figure.
    pub fn no_more(&mut self, what: &str, measured: f64, bound: f64, unit: &str) {
        let [shown, limit] = [measured, bound].map(|figure| format!("{figure:.0}{unit}"));
        self.target(what, &format!("≤ {limit}"), &shown, measured <= bound);
    }

    fn target(&mut self, what: &str, bound: &str, measured: &str, kept: bool) {
        let verdict = if kept { "kept" } else { "**missed**" };
        writeln!(
            self.targets,
            "| {what} | {bound} | {measured} | {verdict} |"
        )
        .unwrap();
    }

    pub fn finish(self) -> String {
        let today = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        format!(
            "# Benchmarks\n\n\
             Made by one command:\n\n```sh\ncargo run --release -p benches -- BENCHMARKS.md\n```\n\n\
             On {}, {}. {}\n\n\
             Ratios are medians over rounds in which the things compared take turns, so that what \
             else the machine does meets all of them; those of the callers' p50 and p99 are of the \
             calls of all rounds. They carry over to another machine better \
             than the microseconds do. Times of single calls have the pauses of the machine in \
             them and the reading of the clock, about 0.04 µs.\n\n\
             ## Bounds\n\n| what | bound | measured | |\n|---|---:|---:|---|\n{}{}",
            &today[..10],
            machine(),
            versions(),
            self.targets,
            self.sections,
        )
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|info| {
            let line = info.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(": ")?.1.to_owned())
        })
        .unwrap_or_else(|| "an unknown processor".to_owned());
    let disk = first_line(
        "stat",
        &["-f", "-c", "%T", &std::env::temp_dir().to_string_lossy()],
    );
    let system = first_line("uname", &["-sr"]);
    // What follows names the machine's own build.
    let system = system.split('-').next().unwrap_or_default();
    let rustc = first_line("rustc", &["--version"]);
    format!("{model}, {cores} cores, {system}, disk: {disk}, {rustc}")
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |error| format!("{program}: {error}"),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Of what was built, from the lock file.
fn versions() -> String {
    let lock = include_str!("../../Cargo.lock");
    let names = [
        "tracing-fallback-file",
        "tracing-appender",
        "logroller",
        "tracing-rolling-file",
        "file-rotate",
        "flexi_logger",
        "tracing-subscriber",
    ];
    let versions = names.map(|name| {
        let entry = format!("name = \"{name}\"\nversion = \"");
        let (_, rest) = lock.split_once(&entry).expect("a package of the lock file");
        format!("{name} {}", rest.split('"').next().unwrap_or_default())
    });
    format!("{}.", versions.join(", "))
}
