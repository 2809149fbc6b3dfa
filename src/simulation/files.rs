//! Which files of the virtual disk are the log's, by their names.

/// Files that are no files of the log, and what is in them.
pub(super) const UNRELATED: [&str; 4] = [
    "/log/app.1.log",
    "/log/app.0001.log",
    "/log/app.001.log.bak",
    "/log/other.log",
];

pub(super) fn is_archive(name: &str) -> bool {
    name.contains(".2026-11-2")
}
