//! A child under strace: what it asks the system for, and calls that the system refuses.

use std::path::Path;
use std::process::Command;

use super::{child_command, wrapped, Child};

/// Starts the child `name` under strace with these options, its trace in `trace`; `None`, said,
/// where there is no strace.
pub fn start(name: &str, arguments: &[&str], trace: &Path, options: &[&str]) -> Option<Child> {
    let version = Command::new("strace").arg("-V").output();
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED {name}: there is no strace here");
        return None;
    }
    let mut strace = vec!["strace", "-f", "-y", "-o", trace.to_str().unwrap()];
    strace.extend(options);
    let child = child_command(name, arguments);
    Some(Child::from_command(&mut wrapped(&strace, &child)))
}

/// The calls between the child's words "begin" and "end", one a line.
///
/// The trace has to have the `write` calls in it.
pub fn between_words(trace: &Path) -> Vec<String> {
    let trace = std::fs::read_to_string(trace).unwrap();
    trace
        .lines()
        .skip_while(|line| !line.contains("@ begin"))
        .skip(1)
        .take_while(|line| !line.contains("@ end"))
        .map(str::to_owned)
        .collect()
}
