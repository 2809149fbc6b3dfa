use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::{FailureScope, FileState, Identity};

#[cfg(feature = "gzip")]
mod access;
#[cfg(feature = "gzip")]
pub(crate) use access::{copy_access, owner_only};

mod owned;
pub(crate) use owned::{
    allocate, check_owner, create_owned, is_allocated, open_owned, read_at, write_at,
};

// System codes that `ErrorKind` does not distinguish.
const ERROR_TOO_MANY_OPEN_FILES: i32 = 4;
const ERROR_NOT_ENOUGH_MEMORY: i32 = 8;
const ERROR_WRITE_PROTECT: i32 = 19;
const ERROR_NOT_READY: i32 = 21;
const ERROR_CRC: i32 = 23;
const ERROR_SHARING_VIOLATION: i32 = 32;
const ERROR_LOCK_VIOLATION: i32 = 33;
const ERROR_HANDLE_DISK_FULL: i32 = 39;
const ERROR_NOT_SUPPORTED: i32 = 50;
const ERROR_DEV_NOT_EXIST: i32 = 55;
const ERROR_NETNAME_DELETED: i32 = 64;
const ERROR_DISK_FULL: i32 = 112;
const ERROR_INVALID_FUNCTION: i32 = 1;
const ERROR_IO_DEVICE: i32 = 1117;
const ERROR_DISK_QUOTA_EXCEEDED: i32 = 1295;
const ERROR_NO_SYSTEM_RESOURCES: i32 = 1450;

/// Opens a file that exists, fit for the lock and for appending.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    options().open(path)
}

/// Makes a file that does not exist, and opens it as `open` does.
pub(crate) fn create(path: &Path, _mode: Option<u32>) -> io::Result<File> {
    options().create_new(true).open(path)
}

fn options() -> OpenOptions {
    // `LockFileEx` wants a handle that may read or write data: append alone is neither. The share
    // mode is std's, everything: others may read, rename and delete the log while it is open.
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    options
}

/// Returns how many files a process may have open at once by default in the C library. Windows itself
/// sets no limit.
#[cfg(feature = "read")]
pub(crate) fn max_open_files() -> usize {
    512
}

/// Asks how large a file of this process may get: there is no such limit here.
pub(crate) fn read_size_limit() -> u64 {
    u64::MAX
}

/// Returns true if there was a limit on the size of files when it was last asked for.
pub(crate) fn has_size_limit() -> bool {
    false
}

/// Fails if a file of this process may not get that large.
pub(crate) fn check_size(_: u64) -> io::Result<()> {
    Ok(())
}

/// A handle for appending has no position of its own on Windows.
pub(crate) fn end_of_write(_: &File) -> Option<u64> {
    None
}

/// Cuts the last `written` bytes off, the start of a record that did not get whole.
///
/// A handle for appending may not set the length, so a second one does, while the first one still
/// has the lock: the system checks locked bytes when a handle reads or writes them, but not when one
/// sets the length. Another length means that it is another file by now, or that a process that takes
/// no lock has written behind us.
pub(crate) fn take_back(
    file: &File,
    path: &Path,
    _start: Option<u64>,
    written: u64,
) -> io::Result<()> {
    let end = file.metadata()?.len();
    let writable = OpenOptions::new().write(true).open(path)?;
    match end.checked_sub(written) {
        Some(start)
            if writable.metadata()?.len() == end && identity(file)? == identity(&writable)? =>
        {
            writable.set_len(start)
        }
        _ => Err(io::Error::other("it is not the file that was written")),
    }
}

/// The last write to a file. A rename does not change it, and programs can set it.
pub(crate) fn last_change(metadata: &Metadata) -> io::Result<SystemTime> {
    metadata.modified()
}

/// The state of an open file. `changed` is `None`: std does not expose NTFS's ChangeTime, and a
/// rename leaves the time of the last write as it is.
pub(crate) fn state(file: &File) -> io::Result<FileState> {
    let metadata = file.metadata()?;
    Ok(FileState {
        identity: identity(file).ok(),
        length: metadata.len(),
        modified: last_change(&metadata)?,
        changed: None,
    })
}

/// The state of the file at a path, or that a link there leads to. Without its identity if another
/// program has it open and lets nobody read it.
pub(crate) fn state_at(path: &Path) -> io::Result<FileState> {
    match File::open(path) {
        Ok(file) => state(&file),
        Err(_) => {
            let metadata = path.metadata()?;
            Ok(FileState {
                identity: None,
                length: metadata.len(),
                modified: last_change(&metadata)?,
                changed: None,
            })
        }
    }
}

/// The number of threads that run or would run if a processor were free: Windows does not say.
pub(crate) fn runnable_threads() -> Option<u32> {
    None
}

/// Returns true if no other handle of the file is open in any process: an open that shares neither
/// reading nor writing fails where there is one.
pub(crate) fn is_open_nowhere_else(path: &Path) -> bool {
    const FILE_SHARE_DELETE: u32 = 4;
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true);
    options.share_mode(FILE_SHARE_DELETE).open(path).is_ok()
}

/// Renames a file. One of the new name is never replaced: that is `AlreadyExists`.
pub(crate) fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    // std's rename replaces; this one is `MoveFileExW` without the flag for that. It also takes the
    // attributes "hidden" and "temporary" away, which no log has.
    let mut from = tempfile::TempPath::try_from_path(from)?;
    // Nor is it removed as a temporary file is.
    from.disable_cleanup(true);
    from.persist_noclobber(to).map_err(|failed| {
        let _ = failed.path.keep();
        failed.error
    })
}

/// Forces the names in a directory onto the disk.
pub(crate) fn sync_directory(_: &Path) -> io::Result<()> {
    // There is no such thing.
    Ok(())
}

/// Returns the identity that a file's metadata holds: none on Windows, where std does not expose
/// it.
pub(crate) fn identity_in(_: &Metadata) -> Option<Identity> {
    None
}

/// Returns true if an open file has no name any more, as far as the system says.
pub(crate) fn is_deleted(_: &Metadata) -> bool {
    // std does not expose the number of links.
    false
}

/// Returns true if an open file is the one at `path`.
pub(crate) fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    Ok(identity(&File::open(path)?)? == identity(file)?)
}

/// Returns which file is open, whatever its name.
pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    /// What this costs where a volume has the number 0.
    const LONGEST: Duration = Duration::from_millis(1);
    let mut found = winapi_util::file::information(file)?;
    if found.volume_serial_number() == 0 {
        // Wine looks the volume up by the name, and says 0 while the file is being renamed.
        let began = Instant::now();
        while found.volume_serial_number() == 0 && began.elapsed() < LONGEST {
            thread::yield_now();
            found = winapi_util::file::information(file)?;
        }
    }
    // An index is not given out again soon, and the time says less: a new file has that of one of
    // its name that has just gone.
    Ok((found.volume_serial_number(), found.file_index(), None))
}

/// Returns which file is at a path, or where a link there leads to.
pub(crate) fn identity_at(path: &Path) -> io::Result<Identity> {
    identity(&File::open(path)?)
}

/// Returns true if an error means that no more files can be open.
#[cfg(feature = "read")]
pub(crate) fn too_many_open(error: &io::Error) -> bool {
    error.raw_os_error() == Some(ERROR_TOO_MANY_OPEN_FILES)
}

/// Reads one byte of a file, whatever the position of the handle is.
pub(crate) fn byte_at(file: &File, offset: u64) -> io::Result<u8> {
    // The first byte is the locked one, but the lock is this handle's.
    let mut byte = [0];
    match file.seek_read(&mut byte, offset)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(byte[0]),
    }
}

/// Returns true if a new file of `bytes` may find no room in `directory`.
pub(crate) fn may_be_full(_: &Path, _: usize) -> bool {
    // std does not expose the free space: on a full disk an empty file may stay.
    false
}

/// Returns which files an error concerns.
pub(crate) fn scope(error: &io::Error) -> FailureScope {
    match error.raw_os_error() {
        Some(ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION) => FailureScope::Locked,
        Some(
            ERROR_DISK_FULL
            | ERROR_HANDLE_DISK_FULL
            | ERROR_DISK_QUOTA_EXCEEDED
            | ERROR_WRITE_PROTECT
            | ERROR_NOT_READY
            | ERROR_CRC
            | ERROR_DEV_NOT_EXIST
            | ERROR_NETNAME_DELETED
            | ERROR_IO_DEVICE,
        ) => FailureScope::Directory,
        Some(ERROR_TOO_MANY_OPEN_FILES | ERROR_NOT_ENOUGH_MEMORY | ERROR_NO_SYSTEM_RESOURCES) => {
            FailureScope::Process
        }
        Some(_) => FailureScope::File(error.kind()),
        // fd-lock's error has no system error in it.
        None if error.kind() == io::ErrorKind::WouldBlock => FailureScope::Locked,
        None => FailureScope::Directory,
    }
}

/// Returns true if the error of a lock means that this file system has none.
pub(crate) fn locks_unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(ERROR_NOT_SUPPORTED | ERROR_INVALID_FUNCTION)
    )
}

/// Returns why a file can't have that name, if the system would not say so itself.
pub(crate) fn invalid_name(name: &OsStr) -> Option<&'static str> {
    const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    if name.encode_wide().count() > 255 {
        return Some("its name is longer than 255 characters");
    }
    let name = name.to_string_lossy().to_lowercase();
    if name.contains(|char| {
        matches!(
            char,
            '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\0'..='\x1f'
        )
    }) {
        // After a colon would come the name of a stream of the file.
        return Some("a character in its name is not for file names");
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is_port = |port: &str| {
        let number = stem.strip_prefix(port).and_then(|rest| {
            let mut chars = rest.chars();
            chars.next().filter(|_| chars.next().is_none())
        });
        number.is_some_and(|number| matches!(number, '0'..='9' | '¹' | '²' | '³'))
    };
    let is_device = DEVICES.contains(&stem) || is_port("com") || is_port("lpt");
    is_device.then_some("its name is that of a device")
}

/// Returns why what is at the primary's path can't be a log file, if it can't.
pub(crate) fn no_log_file(_: &Metadata) -> Option<&'static str> {
    // A named pipe has no place in a directory here.
    None
}

/// Always an error: to make a link takes a privilege, so there is no option for it.
pub(crate) fn point_link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is no limit on the size of files on Windows.
pub(crate) fn stderr_may_grow(_: usize) -> bool {
    true
}

/// Windows has no call that says whether stderr takes bytes at once.
pub(crate) fn stderr_is_ready(_: usize) -> bool {
    true
}

/// There is no `fork` on Windows.
pub(crate) struct ForkDetector;

impl ForkDetector {
    pub(crate) fn new() -> Self {
        ForkDetector
    }

    pub(crate) fn has_forked(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lock is one on the first byte, and the length is set through a second handle.
    #[test]
    fn the_end_of_a_file_is_taken_back_while_its_lock_is_held() {
        use std::io::Write;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        for (whole, piece) in [("", "pie"), ("whole\n", "pie")] {
            std::fs::write(&path, whole).unwrap();
            let mut lock = super::super::FileLock::new(open(&path).unwrap());
            let file = lock.try_write().unwrap();
            (&*file).write_all(piece.as_bytes()).unwrap();
            take_back(&file, &path, None, piece.len() as u64).unwrap();
            drop(file);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);

            let file = lock.try_write().unwrap();
            (&*file).write_all(piece.as_bytes()).unwrap();
            std::fs::rename(&path, dir.path().join("moved.log")).unwrap();
            std::fs::write(&path, "another file").unwrap();
            take_back(&file, &path, None, piece.len() as u64).unwrap_err();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "another file");
            drop(file);
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn devices_and_streams_are_no_files() {
        for name in [
            "CON",
            "con.log",
            "nul.tar.gz",
            "Aux .log",
            "COM1",
            "lpt¹.log",
            "a:b",
            "a*.log",
        ] {
            assert!(invalid_name(name.as_ref()).is_some(), "{name}");
        }
        for name in [
            "console.log",
            "com10.log",
            "com.log",
            "app.con",
            "a b.log",
            "lpt",
            "ä.log",
        ] {
            assert_eq!(invalid_name(name.as_ref()), None, "{name}");
        }
    }
}

/// Writes nothing: with a pipe that nobody reads it would never return.
pub(crate) fn write_to_stderr(_: &[u8]) {}
