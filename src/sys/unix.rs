use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Seek};
use std::os::unix::fs::{
    symlink, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use forkguard::{atfork, pid};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{FailureScope, FileState, Identity};

#[cfg(feature = "gzip")]
mod access;
#[cfg(feature = "gzip")]
pub(crate) use access::{copy_access, owner_only};

/// Opens a file that exists, fit for the lock and for appending.
///
/// Without `O_CREAT`: with `fs.protected_regular=2` Linux refuses that for a file that exists and is
/// another user's, in a directory that all may write to.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    options().open(path)
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
        // No effect on a regular file, but two on others: opening a file under a lease (Samba)
        // answers at once rather than after the lease's 45 s, and a full FIFO can't hold us up. And
        // a terminal does not become that of a daemon.
        .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    options
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

/// Fails if a file of this process may not get that large.
pub(crate) fn check_size(length: u64) -> io::Result<()> {
    // The limit may have been raised since.
    match length > SIZE_LIMIT.load(Ordering::Relaxed) && length > read_size_limit() {
        true => Err(Errno::FBIG.into()),
        false => Ok(()),
    }
}

/// Cuts the last `written` bytes off, the start of a record that did not get whole.
///
/// After a write with `O_APPEND` the handle's position is the end of what it wrote. Where the file
/// is longer, a process that takes no lock has written behind us: its bytes stay, and so do ours.
pub(crate) fn take_back(mut file: &File, _path: &Path, written: u64) -> io::Result<()> {
    let end = file.stream_position()?;
    if file.metadata()?.len() != end {
        return Err(io::Error::other(
            "another process wrote behind the unfinished record",
        ));
    }
    file.set_len(end - written)
}

/// The last change of a file, its name or its permissions, by the file system's clock.
pub(crate) fn last_change(metadata: &Metadata) -> io::Result<SystemTime> {
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
    state_of(&path.metadata()?)
}

fn state_of(metadata: &Metadata) -> io::Result<FileState> {
    Ok(FileState {
        identity: Some(identity_of(metadata)),
        length: metadata.len(),
        modified: metadata.modified()?,
        changed: Some(last_change(metadata)?),
    })
}

/// Returns true if no other handle of the file is open in any process. Always false on Unix, which
/// does not say.
pub(crate) fn is_open_nowhere_else(_: &Path) -> bool {
    false
}

/// Renames a file. One of the new name is never replaced: that is `AlreadyExists`.
///
/// Where the system has no such rename (NFS, other Unixes) the file gets a second name and loses
/// the first one; where it has no second names either (some FUSE file systems), it keeps its own.
pub(crate) fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{renameat_with, RenameFlags, CWD};
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not on this file system, or not in this kernel.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            renamed => return Ok(renamed?),
        }
    }
    fs::hard_link(from, to)?;
    // Another program may have put a new file there.
    let (new, old) = (to.symlink_metadata()?, from.symlink_metadata());
    let removed = match old {
        Ok(old) if (old.dev(), old.ino()) == (new.dev(), new.ino()) => fs::remove_file(from),
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
    };
    if removed.is_err() {
        fs::remove_file(to)?;
    }
    removed
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

/// Returns true if an open file has no name any more, as far as the system tells.
pub(crate) fn is_deleted(metadata: &Metadata) -> bool {
    metadata.nlink() == 0
}

/// Returns true if an open file is the one at `path`.
pub(crate) fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let (here, there) = (file.metadata()?, path.metadata()?);
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// Returns which file is open, whatever its name.
pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    Ok(identity_of(&file.metadata()?))
}

fn identity_of(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino(), metadata.created().ok())
}

/// Returns true if an error means that no more files can be open.
pub(crate) fn too_many_open(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
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
    rustix::fs::statvfs(directory).is_ok_and(|found| {
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        // Some file systems do not count blocks.
        found.f_blocks > 0 && free < bytes as u64
    })
}

/// Returns which files an error concerns.
pub(crate) fn scope(error: &io::Error) -> FailureScope {
    match Errno::from_io_error(error) {
        // From open: a lease. From write: a mandatory lock (CIFS), a full FIFO.
        Some(Errno::AGAIN) => FailureScope::Locked,
        Some(
            Errno::NOSPC
            | Errno::DQUOT
            | Errno::ROFS
            | Errno::IO
            | Errno::NODEV
            // The parent is no directory; of the file itself it is EISDIR and the like.
            | Errno::NOTDIR
            // A network or FUSE file system that went away, or an NFS handle to be opened anew.
            | Errno::STALE
            | Errno::NOTCONN
            | Errno::TIMEDOUT
            | Errno::HOSTDOWN,
        ) => FailureScope::Directory,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => FailureScope::Process,
        Some(_) => FailureScope::File(error.kind()),
        // No system error, but one of this crate's.
        None if error.kind() == ErrorKind::WouldBlock => FailureScope::Locked,
        // Or one of std's: a write that took nothing, a NUL in the path.
        None => FailureScope::Directory,
    }
}

/// Returns true if the error of a lock means that this file system has none.
pub(crate) fn locks_unsupported(error: &io::Error) -> bool {
    // ENOTSUP and EOPNOTSUPP are one number on Linux and two elsewhere. EBADF is what NFS answers
    // where its server does no locking, EINVAL some FUSE file systems; EACCES and EPERM a security
    // module that grants everything but the lock.
    let unsupported = [
        Errno::NOLCK,
        Errno::NOTSUP,
        Errno::OPNOTSUPP,
        Errno::NOSYS,
        Errno::BADF,
        Errno::INVAL,
        Errno::ACCESS,
        Errno::PERM,
    ];
    Errno::from_io_error(error).is_some_and(|errno| unsupported.contains(&errno))
}

/// Returns why a file can't have that name, if the system would not say so itself.
pub(crate) fn invalid_name(_: &OsStr) -> Option<&'static str> {
    // What can't be opened is told by the system.
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

/// Points the symbolic link `link` at `file`, and replaces nothing but a symbolic link.
///
/// Linux and Apple systems exchange two names in one step, so there is a link at any time. Other
/// systems, and file systems that can't exchange names (NFS), move the old link away first: for a
/// moment there is none.
///
/// # Errors
///
/// `AlreadyExists` if there is something at `link` that is no symbolic link.
pub(crate) fn point_link(link: &Path, file: &Path) -> io::Result<()> {
    point_link_with(link, file, exchange)
}

fn point_link_with(
    link: &Path,
    file: &Path,
    exchange: fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    // Other processes may make and remove the link at the same time.
    const MAX_ATTEMPTS: u32 = 100;
    let directory = link.parent().unwrap_or(link);
    // A relative link stays right when the directory is renamed.
    let target = match file.file_name() {
        Some(name) if file.parent() == Some(directory) => Path::new(name),
        _ => file,
    };
    for _ in 0..MAX_ATTEMPTS {
        let done = match link.read_link() {
            Ok(found) if found == target => return Ok(()),
            Ok(_) => replace_link(link, target, directory, exchange),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(directory)?;
                symlink(target, link)
            }
            Err(_) => return Err(io::Error::new(ErrorKind::AlreadyExists, "it is no link")),
        };
        match done.as_ref().map_err(io::Error::kind) {
            Err(ErrorKind::NotFound | ErrorKind::AlreadyExists) => {}
            _ => return done,
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Replaces what is at `link` by a link to `target`, or puts it back if it is no symbolic link.
fn replace_link(
    link: &Path,
    target: &Path,
    directory: &Path,
    exchange: fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let aside = tempfile::Builder::new()
        .prefix(".latest")
        .make_in(directory, |path| symlink(target, path))?
        .into_temp_path();
    let exchanged = match exchange(&aside, link) {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            fs::rename(link, &aside)?;
            false
        }
        done => done.map(|()| true)?,
    };
    if aside.is_symlink() {
        return match exchanged {
            true => Ok(()),
            false => symlink(target, link),
        };
    }
    let put_back = match exchanged {
        true => exchange(&aside, link),
        false => Err(ErrorKind::Unsupported.into()),
    };
    let _ = put_back.or_else(|_| rename_to_new(&aside, link));
    if !aside.is_symlink() {
        // A second file has taken the link's place meanwhile. This one keeps the temporary name.
        let _ = aside.keep();
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Exchanges two names in one step; `Unsupported` where the system or the file system can't.
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{renameat_with, RenameFlags, CWD};
        match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            done => return Ok(done?),
        }
    }
    let _ = (one, other);
    Err(ErrorKind::Unsupported.into())
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

/// Writes to stderr, without the lock of [`io::stderr`]: a thread may hold that for as long as it
/// waits for the reader of a pipe.
pub(crate) fn write_to_stderr(line: &[u8]) {
    // Nobody is left who could be told of an error.
    let _ = rustix::io::write(io::stderr(), line);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    /// One thread moves the link all the time. Another one removes it and puts a file in its place,
    /// and finds that file there until it removes it itself.
    fn a_file_put_in_the_link_s_place_stays(point: fn(&Path, &Path) -> io::Result<()>) {
        const ROUNDS: u32 = 500;
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("latest");
        let files = ["app.log", "app.001.log"].map(|name| dir.path().join(name));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for file in files.iter().cycle() {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let _ = point(&link, file);
                }
            });
            let mut found = Vec::new();
            for round in 0..ROUNDS {
                let text = round.to_string();
                while OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(&link)
                    .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
                    .is_err()
                {
                    let _ = fs::remove_file(&link);
                }
                // It may be away for a moment, and keeps another name if a second file comes.
                found.push((0..1_000).any(|_| {
                    thread::yield_now();
                    fs::read_dir(dir.path()).unwrap().any(|entry| {
                        let path = entry.unwrap().path();
                        !path.is_symlink()
                            && fs::read_to_string(path).is_ok_and(|read| read == text)
                    })
                }));
                let _ = fs::remove_file(&link);
            }
            over.store(true, Ordering::Relaxed);
            let lost = found.iter().filter(|found| !**found).count();
            assert_eq!(lost, 0, "of {ROUNDS}");
        });
        let _ = fs::remove_file(&link);
        let links = fs::read_dir(dir.path()).unwrap();
        let links = links.filter(|entry| entry.as_ref().unwrap().path().is_symlink());
        assert_eq!(links.count(), 0, "left behind");
    }

    #[test]
    fn a_link_never_replaces_a_file() {
        a_file_put_in_the_link_s_place_stays(point_link);
    }

    #[test]
    fn nor_does_it_where_names_can_t_be_exchanged() {
        fn cannot(_: &Path, _: &Path) -> io::Result<()> {
            Err(ErrorKind::Unsupported.into())
        }
        a_file_put_in_the_link_s_place_stays(|link, file| point_link_with(link, file, cannot));
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("latest");
        for file in ["app.log", "app.001.log"].map(|name| dir.path().join(name)) {
            point_link_with(&link, &file, cannot).unwrap();
            assert_eq!(
                Some(link.read_link().unwrap().as_os_str()),
                file.file_name()
            );
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
