//! The lock of a file.

use std::borrow::Borrow;
use std::io;
use std::ops::Deref;
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::faults::{Op, Planted};
use super::file::{File, Handle};

/// fd-lock's lock of a real file, or that of a virtual one.
pub(crate) enum FileLock<F: AsFd> {
    Real(fd_lock::RwLock<F>),
    Virtual(F),
}

pub(crate) enum FileLockGuard<'a, F: AsFd> {
    Real(fd_lock::RwLockWriteGuard<'a, F>),
    Virtual(&'a File),
}

impl<F: AsFd + Borrow<File>> FileLock<F> {
    pub(crate) fn new(file: F) -> Self {
        match file.borrow() {
            File::Real(_) => FileLock::Real(fd_lock::RwLock::new(file)),
            File::Virtual(_) => FileLock::Virtual(file),
        }
    }

    pub(crate) fn try_write(&mut self) -> io::Result<FileLockGuard<'_, F>> {
        match self {
            FileLock::Real(lock) => lock.try_write().map(FileLockGuard::Real),
            FileLock::Virtual(file) => {
                let file = (*file).borrow();
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

    pub(crate) fn into_inner(self) -> F {
        match self {
            FileLock::Real(lock) => lock.into_inner(),
            FileLock::Virtual(file) => file,
        }
    }
}

impl<F: AsFd + Borrow<File>> Deref for FileLockGuard<'_, F> {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            FileLockGuard::Real(guard) => (**guard).borrow(),
            FileLockGuard::Virtual(file) => file,
        }
    }
}

impl<F: AsFd> Drop for FileLockGuard<'_, F> {
    fn drop(&mut self) {
        if let FileLockGuard::Virtual(File::Virtual(Handle(fd))) = self {
            let _ = File::on(*fd, Op::Other, "unlock", |state, fd| {
                state.disk.unlock(fd);
                Ok(())
            });
        }
    }
}
