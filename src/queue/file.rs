//! The file that a queue lies in: its name, its lock, its end.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::mem;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::format::{self, HEADER};
use crate::fnv::fnv_1a;
use crate::sys::{self, FailureScope, File, FileLock, Mapping};

const SUFFIX: &str = ".queue";

/// Maximum number of names that are tried, if there is a file of the name, or if another process
/// has locked the new file before its owner.
const MAX_ATTEMPTS: u32 = 10;

/// The file of a queue in use, locked for as long as this is open.
///
/// A forked child has the handle and the lock as well until it closes it: a queue is not recovered
/// while a child of its owner lives that has not logged.
#[derive(Debug)]
pub(super) struct QueueFile {
    path: PathBuf,
    file: File,
}

/// A new queue file: empty, mapped.
#[derive(Debug)]
pub(super) struct NewFile {
    pub(super) file: QueueFile,
    pub(super) header: Mapping,
    pub(super) segments: [Mapping; 2],
}

impl QueueFile {
    /// Makes the queue file of the log `primary` in `directory`, with two segments of `segment` bytes.
    pub(super) fn create(
        primary: &Path,
        directory: &Path,
        mode: Option<u32>,
        segment: usize,
    ) -> io::Result<NewFile> {
        let length = HEADER as u64 + 2 * segment as u64;
        sys::check_size(length)?;
        for _ in 0..MAX_ATTEMPTS {
            let path = directory.join(name(primary, directory, &unique()));
            let file = match sys::create_owned(&path, mode) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            match QueueFile::init(&path, file, length, segment) {
                Ok(Some(new)) => return Ok(new),
                Ok(None) => {}
                Err(error) => {
                    // No record is in it.
                    let _ = sys::remove_file(&path);
                    return Err(error);
                }
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// `None` if another process has locked it first, as an orphan.
    fn init(path: &Path, file: File, length: u64, segment: usize) -> io::Result<Option<NewFile>> {
        let Some(file) = lock(file)?.filter(|file| sys::is_at(path, file).unwrap_or(false)) else {
            return Ok(None);
        };
        sys::allocate(&file, length)?;
        let mut header = sys::map(&file, 0, HEADER)?;
        let map = |n: u64| sys::map(&file, HEADER as u64 + n * segment as u64, segment);
        let segments = [map(0)?, map(1)?];
        format::write_header(&mut header, segment);
        format::write_magic(&mut header);
        let path = path.to_owned();
        Ok(Some(NewFile {
            file: QueueFile { path, file },
            header,
            segments,
        }))
    }
}

impl QueueFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it. All its lines are in a log, and nothing maps it any more.
    pub(super) fn remove(self) {
        remove(&self.path, self.file);
    }
}

/// Removes the file at `path` if that is the open one, whose lock this process has. A file that stays
/// is removed by the next process that looks for orphans.
pub(super) fn remove(path: &Path, file: File) {
    if !cfg!(windows) {
        // While it is locked, no other process takes it for an orphan.
        if sys::is_at(path, &file).unwrap_or(false) {
            let _ = sys::remove_file(path);
        }
        return;
    }
    // Windows removes an open file only when its last handle is closed.
    drop(file);
    let _ = sys::remove_file(path);
}

/// Takes the lock of a queue file for as long as the handle is open; `None` if another process has
/// it. A child that is forked has it as well until it closes the handle.
pub(super) fn lock(file: File) -> io::Result<Option<File>> {
    let mut lock = FileLock::new(file);
    let refused = loop {
        match lock.try_write() {
            Ok(guard) => {
                // Dropping the guard would unlock the file; in a forked child, also for the parent.
                mem::forget(guard);
                break None;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Some(error),
        }
    };
    match refused {
        None => Ok(Some(lock.into_inner())),
        Some(error) if sys::scope(&error) == FailureScope::Locked => Ok(None),
        Some(error) => Err(error),
    }
}

/// `.app.log.1a2b-3c4d.queue`. In another directory than the log's, which several logs of the same
/// name may share, it contains the hash of the log's path: `.app.log.5e6f-1a2b-3c4d.queue`.
fn name(primary: &Path, directory: &Path, unique: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(primary.file_name().unwrap_or_default());
    name.push(".");
    if primary.parent() != Some(directory) {
        name.push(hash(primary));
        name.push("-");
    }
    name.push(unique);
    name.push(SUFFIX);
    name
}

/// The hash of the log's canonical path.
fn hash(primary: &Path) -> String {
    let path = sys::canonical(primary);
    format!("{:x}", fnv_1a(path.as_os_str().as_encoded_bytes()))
}

/// Returns true if a file of that name in `directory` is a queue of the log `primary`.
pub(super) fn is_name_of(primary: &Path, directory: &Path, name: &OsStr) -> bool {
    let unique = || {
        let log = primary.file_name()?.as_encoded_bytes();
        let rest = name.as_encoded_bytes().strip_prefix(b".")?;
        let rest = rest.strip_prefix(log)?.strip_prefix(b".")?;
        rest.strip_suffix(SUFFIX.as_bytes())
    };
    let is_hex = |part: &[u8]| {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        !part.is_empty() && part.iter().all(is_digit)
    };
    unique().is_some_and(|unique| {
        let parts: Vec<&[u8]> = unique.split(|byte| *byte == b'-').collect();
        parts.iter().all(|part| is_hex(part))
            && match parts[..] {
                [_, _] => primary.parent() == Some(directory),
                [log, _, _] => log == hash(primary).as_bytes(),
                _ => false,
            }
    })
}

/// A number that no other queue of this machine has, and one of another machine or PID namespace is
/// unlikely to have.
fn unique() -> String {
    let n = sys::next_number();
    let now = sys::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_nanos() as u64);
    format!("{:x}-{:x}", sys::process_id(), now.wrapping_add(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_queue_is_recognised_and_no_other() {
        let log = Path::new("/var/log/app.log");
        let own = Path::new("/var/log");
        let shared = Path::new("/var/queues");
        for directory in [own, shared] {
            assert!(is_name_of(log, directory, &name(log, directory, &unique())));
        }
        let of_another_log = name(Path::new("/srv/app.log"), shared, &unique());
        assert!(!is_name_of(log, shared, &of_another_log));
        assert!(!is_name_of(log, shared, OsStr::new(".app.log.1-a.queue")));
        for (other, is_queue) in [
            (".app.log.1-a.queue", true),
            ("app.log.1-a.queue", false),
            (".app.log.1-a-b.queue", false),
            (".app.log.1.queue", false),
            (".app.log.-.queue", false),
            (".app.log.1-A.queue", false),
            (".app.log.1-a.queue.1-a.queue", false),
            (".app.log..queue", false),
            (".app.log.queue", false),
            (".app.log.1-a.queue~", false),
            (".app.001.log.1-a.queue", false),
            (".other.log.1-a.queue", false),
        ] {
            assert_eq!(is_name_of(log, own, OsStr::new(other)), is_queue, "{other}");
        }
    }
}
