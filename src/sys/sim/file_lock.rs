//! The lock of a file.

use std::io;
use std::ops::Deref;

use rustix::io::Errno;

use super::faults::{Op, Planted};
use super::file::{File, Handle};

/// fd-lock's lock of a real file, or that of a virtual one.
pub(crate) enum FileLock {
    Real(fd_lock::RwLock<File>),
    Virtual(File),
}

pub(crate) enum FileLockGuard<'a> {
    Real(fd_lock::RwLockWriteGuard<'a, File>),
    Virtual(&'a File),
}

impl FileLock {
    pub(crate) fn new(file: File) -> Self {
        match file {
            File::Real(_) => FileLock::Real(fd_lock::RwLock::new(file)),
            File::Virtual(_) => FileLock::Virtual(file),
        }
    }

    pub(crate) fn try_write(&mut self) -> io::Result<FileLockGuard<'_>> {
        match self {
            FileLock::Real(lock) => lock.try_write().map(FileLockGuard::Real),
            FileLock::Virtual(file) => {
                if let File::Virtual(Handle(fd)) = file {
                    File::on(*fd, Op::Lock, "lock", |state, fd| {
                        match state.disk.lock(fd) {
                            Err(Errno::WOULDBLOCK)
                                if state.planted == Some(Planted::LockIgnored) =>
                            {
                                Ok(())
                            }
                            locked => locked,
                        }
                    })?;
                }
                Ok(FileLockGuard::Virtual(file))
            }
        }
    }

    pub(crate) fn into_inner(self) -> File {
        match self {
            FileLock::Real(lock) => lock.into_inner(),
            FileLock::Virtual(file) => file,
        }
    }
}

impl Deref for FileLockGuard<'_> {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            FileLockGuard::Real(guard) => guard,
            FileLockGuard::Virtual(file) => file,
        }
    }
}

impl Drop for FileLockGuard<'_> {
    fn drop(&mut self) {
        if let FileLockGuard::Virtual(File::Virtual(Handle(fd))) = self {
            let _ = File::on(*fd, Op::Other, "unlock", |state, fd| {
                state.disk.unlock(fd);
                Ok(())
            });
        }
    }
}
