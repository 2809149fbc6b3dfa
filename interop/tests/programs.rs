//! The code blocks of the pages and the examples, run as a user would run them: each leaves a log,
//! without escape codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// In the place of the crate `tempfile`: the directory stays.
mod kept {
    use std::io;
    use std::path::Path;

    pub(crate) struct Directory;

    impl Directory {
        pub(crate) fn path(&self) -> &Path {
            Path::new("kept")
        }
    }

    pub(crate) fn tempdir() -> io::Result<Directory> {
        std::fs::create_dir_all("kept").map(|()| Directory)
    }
}

include!(concat!(env!("OUT_DIR"), "/programs.rs"));

const PROGRAM: &str = "INTEROP_TEST_PROGRAM";

#[test]
#[ignore = "a child of another one"]
fn program() {
    let Ok(name) = std::env::var(PROGRAM) else {
        return;
    };
    let (.., run) = PROGRAMS
        .iter()
        .find(|(program, ..)| *program == name)
        .unwrap();
    run();
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// What a program has written to its files.
fn written(name: &str) -> Vec<(PathBuf, String)> {
    let dir = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "program", "--ignored", "--nocapture"])
        .env(PROGRAM, name)
        .env("TMPDIR", dir.path())
        .env_remove("RUST_LOG")
        .env_remove("NO_COLOR")
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&child.stderr)
    );
    let mut found = Vec::new();
    files(dir.path(), &mut found);
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    found.into_iter().map(read).collect()
}

#[test]
fn every_program_logs_and_writes_no_escape_code_to_a_file() {
    let mut logged = 0;
    for (name, from, _) in PROGRAMS {
        for (path, text) in written(name) {
            assert!(
                !text.contains('\x1b'),
                "{from}: {}: {text:?}",
                path.display()
            );
            assert!(text.ends_with('\n'), "{from}: {}: {text:?}", path.display());
            logged += 1;
        }
    }
    assert!(
        PROGRAMS.len() >= 10 && logged >= 10,
        "{logged} of {}",
        PROGRAMS.len()
    );
}

#[test]
fn other_loggers_write_whole_records() {
    for logger in ["tracing-log", "env_logger", "fern", "slog", "log4rs"] {
        let log = format!("{logger}.log");
        let record = format!("from {}\n", logger.trim_start_matches("tracing-"));
        let mut found = Vec::new();
        for (name, ..) in PROGRAMS
            .iter()
            .filter(|(_, from, _)| *from == "docs/other-loggers.md")
        {
            found.extend(
                written(name)
                    .into_iter()
                    .filter(|(path, _)| path.ends_with(&log)),
            );
        }
        let [(_, text)] = &found[..] else {
            panic!("{found:?}")
        };
        let record = record.trim_end();
        assert!(
            text.contains(record) && text.lines().count() == 1,
            "{logger}: {text:?}"
        );
    }
}
