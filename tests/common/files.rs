//! A directory for each test, and what is in the files of a log.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tracing_fallback_file::Family;

/// A directory of the test's own; the log in it.
pub struct Scratch {
    pub dir: tempfile::TempDir,
    pub log: PathBuf,
}

pub fn scratch() -> Scratch {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    Scratch { dir, log }
}

impl Scratch {
    pub fn variant(&self, number: u16) -> PathBuf {
        self.dir.path().join(format!("app.{number:03}.log"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// The queue files in a directory.
pub fn queues_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut queues: Vec<PathBuf> = paths
        .filter(|path| path.extension() == Some("queue".as_ref()))
        .collect();
    queues.sort();
    queues
}

/// What is in a file, compressed or not.
pub fn contents(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if path.extension() != Some("gz".as_ref()) {
        return bytes;
    }
    let mut plain = Vec::new();
    let decoded = MultiGzDecoder::new(&*bytes).read_to_end(&mut plain);
    decoded.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    plain
}

pub fn lines(path: &Path) -> Vec<String> {
    let text = String::from_utf8(contents(path)).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "{} ends half-way",
        path.display()
    );
    text.lines().map(str::to_owned).collect()
}

/// The files of `log` that are written to: the primary, then its variants by number.
pub fn family(log: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
    let Family {
        primary, variants, ..
    } = Family::of(log)?;
    Ok(primary.into_iter().chain(variants).collect())
}

/// All lines of the family of `log`, in the order of its files.
pub fn family_lines(log: &Path) -> Vec<String> {
    family(log)
        .unwrap()
        .iter()
        .flat_map(|path| lines(path))
        .collect()
}

/// The archives of `log`, oldest first, and the files that are written to.
pub fn all_files(log: &Path) -> Vec<PathBuf> {
    let mut files = Family::of(log).unwrap().archives;
    files.extend(family(log).unwrap());
    files
}

/// Every line of the family that satisfies `is_record` is one of `expected`, and each of those is
/// there once.
pub fn assert_each_once(log: &Path, expected: impl IntoIterator<Item = String>) {
    let mut found = BTreeMap::new();
    for line in family_lines(log) {
        *found.entry(line).or_insert(0u32) += 1;
    }
    let mut missing = Vec::new();
    for record in expected {
        if found.remove(&record).is_none() {
            missing.push(record);
        } else {
            continue;
        }
    }
    assert!(
        missing.is_empty(),
        "{} missing, such as {:?}",
        missing.len(),
        missing[0]
    );
    assert!(found.is_empty(), "strangers: {found:?}");
}
