//! The write path asks the operating system through `sys` alone, so that a test can put another
//! system in its place.

use std::fs;
use std::path::{Path, PathBuf};

/// The write path in `src`: files, and folders with all that is in them. What stands in `sys` itself
/// is the part of it that a simulation runs as it is.
const WRITE_PATH: &[&str] = &[
    "appender",
    "appender.rs",
    "builder",
    "builder.rs",
    "family.rs",
    "file",
    "gathered.rs",
    "layer.rs",
    "names.rs",
    "notify",
    "queue",
    "retention",
    "sink",
    "sys/background.rs",
    "sys/canonical.rs",
    "sys/fork.rs",
    "writers.rs",
];

/// What names the system by another way.
const PAST_SYS: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::process",
    "std::sync::mpsc",
    "std::thread",
    "std::time::Instant",
    "std::time::{Duration, Instant",
    "std::time::{Instant",
    "io::stderr",
    "SystemTime::now",
    "fd_lock",
    "rustix",
    "tempfile",
    "fmt::time",
    ".canonicalize()",
    ".exists()",
    ".is_symlink())",
    "path.is_dir()",
    "path.is_file()",
    "path.is_symlink()",
    "path.metadata()",
    ".read_dir()",
    ".read_link()",
    ".symlink_metadata()",
    ".try_exists()",
];

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    } else if !path.to_string_lossy().ends_with("_tests.rs") {
        found.push(path.to_owned());
    }
}

/// What stands in `code`, without its comments and tests, that passes `sys` by.
fn passed_by(code: &str) -> Vec<String> {
    let code = code.lines().take_while(|line| *line != "mod tests {");
    let code = code.filter(|line| !line.trim_start().starts_with("//"));
    let is_one = |line: &str| {
        PAST_SYS.iter().any(|name| line.contains(name))
            || line.trim_start().starts_with("thread_local!")
    };
    code.filter(|line| is_one(line))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_write_path_reaches_the_system_through_sys_alone() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for room in WRITE_PATH {
        files(&src.join(room), &mut found);
    }
    assert!(found.len() >= 30, "{found:?}");
    for file in found {
        let past = passed_by(&fs::read_to_string(&file).unwrap());
        assert!(past.is_empty(), "{}: {past:#?}", file.display());
    }
}

#[test]
fn a_call_past_sys_is_found() {
    for line in [
        "use std::fs::{self, File};",
        "    std::thread::sleep(pause);",
        "use std::time::{Duration, Instant, SystemTime};",
        "    let now = SystemTime::now();",
        "use fd_lock::RwLock;",
        "thread_local! {",
        "    let real = path.canonicalize()?;",
    ] {
        assert_eq!(passed_by(line), [line]);
    }
    for line in [
        "use std::time::{Duration, SystemTime};",
        "    let now = sys::now();",
        "sys::thread_local! {",
        "    // `std::fs` gives no such time.",
        "mod tests {\n    use std::fs;",
    ] {
        assert!(passed_by(line).is_empty(), "{line}");
    }
}
