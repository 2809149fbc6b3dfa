//! A file of one process's own, which another one takes over only after its end.

use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::OWNER;
use crate::sys::{self, File, Metadata, OpenOptions};

/// Makes a file that does not exist, open for reading and writing, for this user alone unless `mode`
/// says otherwise.
pub(crate) fn create_owned(path: &Path, mode: Option<u32>) -> io::Result<File> {
    let file = options()
        .create_new(true)
        .mode(mode.unwrap_or(OWNER))
        .open(path)?;
    // The umask may take the owner's own rights.
    let mode = file.metadata()?.permissions().mode();
    if mode & OWNER != OWNER {
        file.set_permissions(Permissions::from_mode(mode | OWNER))?;
    }
    Ok(file)
}

/// Opens such a file. A link is not followed, and a FIFO or a device in its place does not make the
/// open wait.
pub(crate) fn open_owned(path: &Path) -> io::Result<File> {
    options().open(path)
}

fn options() -> OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(flags.bits() as i32);
    options
}

/// Fails unless an open file is a regular one with one name whose owner is this user; or, where this
/// user is root, the owner of the log at `log`, or of its directory while there is no log.
pub(crate) fn check_owner(file: &File, log: &Path) -> io::Result<()> {
    let found = file.metadata()?;
    let here = rustix::process::geteuid();
    let is_ours = || {
        let of_log = || sys::metadata(log).or_else(|_| sys::metadata(log.parent().unwrap_or(log)));
        found.uid() == here.as_raw()
            || here.is_root() && of_log().is_ok_and(|log| log.uid() == found.uid())
    };
    match found.is_file() && found.nlink() == 1 && is_ours() {
        true => Ok(()),
        false => Err(ErrorKind::PermissionDenied.into()),
    }
}

/// Gives a file that length, every byte of which is zero and has its place on the disk: a store to a
/// hole of a mapped file ends the process when the disk is full.
///
/// Fails where the file system does not keep the place, or does not say so.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn allocate(file: &File, length: u64) -> io::Result<()> {
    use rustix::fs::{fallocate, fstatfs, FallocateFlags};
    use rustix::io::Errno;
    // They write changed blocks to where the old ones are. Others (btrfs, ZFS) look for a new place
    // each time, and network disks may be full at their server.
    const EXT: i64 = 0xef53;
    const XFS: i64 = 0x5846_5342;
    const TMPFS: i64 = 0x0102_1994;
    const F2FS: i64 = 0xf2f5_2010;
    // On overlayfs the blocks of a new file are on the file system of the upper directory.
    const OVERLAYFS: i64 = 0x794c_7630;
    #[allow(clippy::unnecessary_cast)]
    let system = fstatfs(file)?.f_type as i64;
    if ![EXT, XFS, TMPFS, F2FS, OVERLAYFS].contains(&system) {
        let cause = "the file system may move changed blocks";
        return Err(io::Error::new(ErrorKind::Unsupported, cause));
    }
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, length) {
            Err(Errno::INTR) => {}
            allocated => return Ok(allocated?),
        }
    }
}

/// Fails: nobody has tried whether the blocks of a file keep their place here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn allocate(_: &File, _: u64) -> io::Result<()> {
    let cause = "not tried on this system whether allocated blocks keep their place";
    Err(io::Error::new(ErrorKind::Unsupported, cause))
}

/// Returns true if all of a file has its place on the disk.
pub(crate) fn is_allocated(metadata: &Metadata) -> bool {
    const BLOCK: u64 = 512;
    metadata.blocks().saturating_mul(BLOCK) >= metadata.len()
}

/// Fills `bytes` from `offset` on, as far as the file reaches; how many there are.
pub(crate) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let length = bytes.len();
    while !bytes.is_empty() {
        match file.read_at(bytes, offset) {
            Ok(0) => break,
            Ok(n) => {
                bytes = &mut bytes[n..];
                offset += n as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length - bytes.len())
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}
