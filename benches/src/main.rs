//! Measures tracing-fallback-file beside the bare system calls and its peers.
//!
//! `benches [--quick] [FILE] [CASE…]` runs the cases, all of them by default, and writes the report
//! to the file, or to stdout for `-`, the default. `--quick` shows only that they run.

mod events;
mod foreign;
mod guard;
mod logs;
mod measure;
mod off_thread;
mod place;
mod processes;
mod questions;
mod queue;
mod reading;
mod records;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use measure::Effort;
use report::Report;

type Case = fn(&mut Report, Effort);

const CASES: [(&str, Case); 10] = [
    ("guard", guard::one_thread),
    ("rotation", guard::rotation),
    ("threads", guard::threads),
    ("events", events::events),
    ("off-thread", off_thread::off_thread),
    ("queue", queue::queue),
    ("processes", processes::processes),
    ("held", foreign::held),
    ("scan", foreign::scan),
    ("reading", reading::reading),
];

fn main() -> ExitCode {
    let name = std::env::args_os().next().map(PathBuf::from);
    if name.is_some_and(|name| name.ends_with(questions::COMMAND)) {
        return tracing_fallback_file::cli::main();
    }
    measure_cases();
    ExitCode::SUCCESS
}

fn measure_cases() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("writer") => return processes::writer(&arguments[1..]),
        Some("holder") => return foreign::holder(&arguments[1..]),
        Some("reader") => return reading::reader(&arguments[1..]),
        Some("commits") => return guard::commits(&arguments[1..]),
        _ => {}
    }
    let mut effort = Effort {
        rounds: 9,
        divisor: 1,
    };
    if arguments
        .first()
        .is_some_and(|argument| argument == "--quick")
    {
        arguments.remove(0);
        effort = Effort {
            rounds: 1,
            divisor: 10,
        };
    }
    let file = arguments.first().map_or("-", String::as_str);
    let wanted = arguments.get(1..).unwrap_or_default();
    let is_case = |name: &String| CASES.iter().any(|case| case.0 == name);
    if file.starts_with("--") || is_case(&file.to_owned()) || !wanted.iter().all(is_case) {
        let cases = CASES.map(|case| case.0).join(", ");
        eprintln!("benches [--quick] [FILE|-] [CASE…], the cases being {cases}");
        std::process::exit(2);
    }
    let mut report = Report::default();
    for (name, case) in CASES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            case(&mut report, effort);
        }
    }
    let text = report.finish();
    match file {
        "-" => print!("{text}"),
        file => std::fs::write(file, text).unwrap(),
    }
}
