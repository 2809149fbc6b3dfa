use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{self, ErrorKind, Seek};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use forkguard::{atfork, pid};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{File, FileState, Identity, Metadata, OpenOptions};

#[cfg(feature = "gzip")]
mod access;
#[cfg(feature = "gzip")]
pub(crate) use access::{copy_access, owner_only};

mod errors;
#[cfg(feature = "read")]
pub(crate) use errors::too_many_open;
pub(crate) use errors::{locks_unsupported, scope};

mod owned;
pub(crate) use owned::{
    allocate, check_owner, create_owned, is_allocated, open_owned, read_at, write_at,
};

mod point_link;
mod rename;
pub(crate) use point_link::point_link;
pub(crate) use rename::rename_to_new;

/// Opens a file that exists, fit for the lock and for appending.
///
/// Without `O_CREAT`: with `fs.protected_regular=2` Linux refuses that for a file that exists and is
/// another user's, in a directory that all may write to.
///
/// # Errors
///
/// `EAGAIN`, as of a file that is locked, for one that another process is just making and has no rights
/// to yet: see `create`.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    match options().open(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => match is_being_made(path) {
            true => Err(Errno::AGAIN.into()),
            // It may have been, until that look.
            false => options().open(path),
        },
        opened => opened,
    }
}

/// Returns true if the file at a path was made within the last second without the owner's rights, and
/// nothing was written to it.
#[cold]
fn is_being_made(path: &Path) -> bool {
    const MAX_AGE: Duration = Duration::from_secs(1);
    super::metadata(path).is_ok_and(|found| {
        let is_new = || {
            let changed = last_change(&found).ok()?;
            // A time to come is that of another clock.
            let age = super::now().duration_since(changed).unwrap_or_default();
            Some(age < MAX_AGE)
        };
        found.len() == 0 && found.permissions().mode() & OWNER != OWNER && is_new() == Some(true)
    })
}

/// Makes a file that does not exist, and opens it as `open` does. A link is not followed.
pub(crate) fn create(path: &Path, mode: Option<u32>) -> io::Result<File> {
    let file = options()
        .create_new(true)
        // std's own default, less what the umask takes.
        .mode(mode.unwrap_or(0o666))
        .open(path)?;
    // A umask or a default ACL may take the owner's own rights, and this handle is the last one
    // that the file can be reached by.
    if let Ok(found) = file.metadata() {
        let mode = found.permissions().mode();
        if mode & OWNER != OWNER {
            // Where the system refuses it, the file is left as it is.
            let _ = file.set_permissions(Permissions::from_mode(mode | OWNER));
        }
    }
    Ok(file)
}

/// What the owner needs so that `open` can open the file: to read and to write.
pub(crate) const OWNER: u32 = 0o600;

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .append(true)
        // `O_NONBLOCK` changes nothing for a regular file. The open of a file under a lease (Samba)
        // answers at once rather than after the lease's 45 s, and a write to a full FIFO does not
        // wait. With `O_NOCTTY` a terminal does not become that of a daemon.
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    options
}

/// Returns how many files this process may have open at once (`RLIMIT_NOFILE`).
#[cfg(feature = "read")]
pub(crate) fn max_open_files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = limit.current.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The last answer of `read_size_limit`.
static SIZE_LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Asks how large a file of this process may get (`RLIMIT_FSIZE`).
///
/// The system ends a process that writes beyond it, unless SIGXFSZ is handled or ignored.
pub(crate) fn read_size_limit() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    let limit = limit.current.unwrap_or(u64::MAX);
    SIZE_LIMIT.store(limit, Ordering::Relaxed);
    limit
}

/// Returns true if there was a limit on the size of files when it was last asked for.
pub(crate) fn has_size_limit() -> bool {
    SIZE_LIMIT.load(Ordering::Relaxed) < u64::MAX
}

/// Fails if a file of this process may not get that large.
pub(crate) fn check_size(length: u64) -> io::Result<()> {
    match length > read_size_limit() {
        true => Err(Errno::FBIG.into()),
        false => Ok(()),
    }
}

/// Where the last write to a handle with `O_APPEND` has ended.
pub(crate) fn end_of_write(mut file: &File) -> Option<u64> {
    file.stream_position().ok()
}

/// Cuts the last `written` bytes off, the start of a record that did not get whole.
///
/// After a write with `O_APPEND` the handle's position is the end of what it wrote. Where the file
/// is longer, a process that takes no lock has written behind us: its bytes stay, and so do ours.
///
/// Of bytes that were written in several parts, `start` is where the first one begins. If the last
/// one ends elsewhere than the others would have it, the process has written between two parts.
pub(crate) fn take_back(
    mut file: &File,
    _path: &Path,
    start: Option<u64>,
    written: u64,
) -> io::Result<()> {
    let end = file.stream_position()?;
    let is_contiguous = start.is_none_or(|start| start + written == end);
    if file.metadata()?.len() != end || !is_contiguous {
        return Err(io::Error::other(
            "another process wrote behind the unfinished record",
        ));
    }
    file.set_len(end - written)
}

/// The last change of a file, its name or its permissions, by the file system's clock.
pub(crate) fn last_change(metadata: &impl MetadataExt) -> io::Result<SystemTime> {
    // ctime: on most file systems a rename changes it, and no program can set it.
    let (seconds, nanos) = (metadata.ctime(), metadata.ctime_nsec());
    let nanos = Duration::from_nanos(nanos.try_into().unwrap_or(0));
    let seconds = Duration::from_secs(seconds.try_into().unwrap_or(0));
    Ok(SystemTime::UNIX_EPOCH + seconds + nanos)
}

/// The state of an open file.
pub(crate) fn state(file: &File) -> io::Result<FileState> {
    state_of(&file.metadata()?)
}

/// The state of the file at a path, or that a link there leads to.
pub(crate) fn state_at(path: &Path) -> io::Result<FileState> {
    state_of(&super::metadata(path)?)
}

fn state_of(metadata: &Metadata) -> io::Result<FileState> {
    Ok(FileState {
        identity: Some(identity_of(metadata)),
        length: metadata.len(),
        modified: metadata.modified()?,
        changed: Some(last_change(metadata)?),
    })
}

/// Returns the number of threads of the machine that run or would run if a processor were free.
/// `None` where the system does not say: only Linux does, in `/proc/loadavg`.
pub(crate) fn runnable_threads() -> Option<u32> {
    let load = std::fs::read_to_string("/proc/loadavg").ok()?;
    let (runnable, _) = load.split(' ').nth(3)?.split_once('/')?;
    runnable.parse().ok()
}

/// Returns true if no other handle of the file is open in any process. Always false on Unix, which
/// does not say.
pub(crate) fn is_open_nowhere_else(_: &Path) -> bool {
    false
}

/// Forces the names in a directory onto the disk.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    let synced = match File::open(directory) {
        // To sync it, it has to be open for reading; to make a file in it takes no such right.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
        opened => opened?.sync_all(),
    };
    match synced {
        // Some file systems have nothing to sync there.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Returns true if an open file has no name any more, as far as the system says.
pub(crate) fn is_deleted(metadata: &Metadata) -> bool {
    metadata.nlink() == 0
}

/// Returns true if an open file is the one at `path`.
pub(crate) fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let (here, there) = (file.metadata()?, super::metadata(path)?);
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// Returns which file is open, whatever its name.
pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    Ok(identity_of(&file.metadata()?))
}

/// Returns which file is at a path, or where a link there leads to.
pub(crate) fn identity_at(path: &Path) -> io::Result<Identity> {
    Ok(identity_of(&super::metadata(path)?))
}

/// Returns the identity that a file's metadata holds: on Unix, without another system call.
pub(crate) fn identity_in(metadata: &Metadata) -> Option<Identity> {
    Some(identity_of(metadata))
}

fn identity_of(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino(), metadata.created().ok())
}

/// Reads one byte of a file, whatever the position of the handle is.
pub(crate) fn byte_at(file: &File, offset: u64) -> io::Result<u8> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).map(|()| byte[0])
}

/// Returns true if a new file of `bytes` may find no room in `directory`.
///
/// A hint: a part of the free blocks is for some users only, and what btrfs reports may be zero
/// although there is room.
pub(crate) fn may_be_full(directory: &Path, bytes: usize) -> bool {
    // Some file systems do not count blocks.
    super::free_space(directory).is_ok_and(|(blocks, free)| blocks > 0 && free < bytes as u64)
}

/// Returns why a file can't have that name, if the system would not say so itself.
pub(crate) fn invalid_name(_: &OsStr) -> Option<&'static str> {
    // If it can't be opened, the system says why.
    None
}

/// Returns why what is at the primary's path can't be a log file, if it can't.
pub(crate) fn no_log_file(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_fifo() {
        Some("it is a FIFO")
    } else if kind.is_socket() {
        Some("it is a socket")
    } else if kind.is_block_device() {
        Some("it is a block device")
    } else {
        None
    }
}

/// Returns true if stderr takes `bytes` bytes at once.
pub(crate) fn stderr_is_ready(bytes: usize) -> bool {
    use rustix::event::{poll, PollFd, PollFlags, Timespec};
    // A pipe that is ready has room for this: 4 KiB on Linux, and 512 bytes by POSIX.
    const PIPE_BUF: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };
    let stderr = io::stderr();
    let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    bytes < PIPE_BUF && poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// Returns false if stderr is a file that would get larger than files may be: SIGXFSZ would end the
/// process.
pub(crate) fn stderr_may_grow(bytes: usize) -> bool {
    use rustix::fs::{fstat, FileType};
    let Ok(found) = fstat(io::stderr()) else {
        return true;
    };
    let length = u64::try_from(found.st_size).unwrap_or(0) + bytes as u64;
    !FileType::from_raw_mode(found.st_mode).is_file() || length <= read_size_limit()
}

/// Writes to stderr, without the lock of [`io::stderr`]: a thread may hold that for as long as it
/// waits for the reader of a pipe.
pub(crate) fn write_to_stderr(line: &[u8]) {
    if stderr_may_grow(line.len()) {
        // An error has no place left to be reported to.
        let _ = rustix::io::write(io::stderr(), line);
    }
}

/// Detects that this process is a forked child of the one that made the detector.
pub(crate) enum ForkDetector {
    /// A handler of `pthread_atfork` counts: an atomic load. It does not see a bare `clone` system
    /// call, which no C library lets a program with threads make anyway.
    Handler(atfork::Guard),
    /// The pid is compared: a system call. It does not see a child that is process 1 of a PID
    /// namespace of its own as its parent is of another one.
    Pid(pid::Guard),
}

impl ForkDetector {
    pub(crate) fn new() -> Self {
        const REGISTERED: u32 = u32::MAX;
        // The process whose thread registers the handler. A child that is forked in that moment
        // must not wait for a thread that it does not have.
        static REGISTERING: AtomicU32 = AtomicU32::new(0);
        let here = process::id();
        let begun = REGISTERING.compare_exchange(0, here, Ordering::AcqRel, Ordering::Acquire);
        if begun.is_err_and(|by| by != here && by != REGISTERED) {
            return ForkDetector::Pid(pid::Guard::default());
        }
        match atfork::Guard::try_new() {
            Ok(guard) => {
                REGISTERING.store(REGISTERED, Ordering::Release);
                ForkDetector::Handler(guard)
            }
            Err(_) => ForkDetector::Pid(pid::Guard::default()),
        }
    }

    #[inline]
    pub(crate) fn has_forked(&self) -> bool {
        match self {
            ForkDetector::Handler(guard) => guard.clone().detected_fork(),
            ForkDetector::Pid(guard) => guard.clone().detected_fork(),
        }
    }
}
