//! Files that may be mapped. Their bytes lie in memory that outlives a virtual process.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use rustix::io::{Errno, Result};

use super::disk::{Content, Disk, Fd, Inode};
use super::faults::Op;
use super::file::{File, Handle};
use super::operate;

pub(crate) fn allocate(file: &File, length: u64) -> io::Result<()> {
    match file {
        File::Real(_) => crate::sys::unix::allocate(file, length),
        File::Virtual(Handle(fd)) => {
            let what = format_args!("allocate {length} bytes for {fd}");
            operate(Op::Create, what, |state| state.disk.allocate(*fd, length))
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn memory() -> io::Result<fs::File> {
    use rustix::fs::{memfd_create, MemfdFlags};
    Ok(memfd_create("queue", MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn memory() -> io::Result<fs::File> {
    tempfile::tempfile()
}

pub(super) fn unknown(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

impl Inode {
    pub(crate) fn is_memory(&self) -> bool {
        self.memory.is_some()
    }
}

impl Disk {
    /// Gives an empty file that length, and memory to be mapped.
    fn allocate(&mut self, fd: Fd, length: u64) -> Result<()> {
        let ino = self.opened(fd)?.ino;
        if self.capacity.saturating_sub(self.used) < length {
            return Err(Errno::NOSPC);
        }
        let memory = memory().map_err(unknown)?;
        memory.set_len(length).map_err(unknown)?;
        self.truncate(fd, length)?;
        self.inodes[ino].memory = Some(Rc::new(memory));
        Ok(())
    }

    /// The memory of an open file, which it has once it is allocated.
    pub(super) fn memory_of(&self, fd: Fd) -> Option<Rc<fs::File>> {
        let ino = self.ino(fd).ok()?;
        self.inodes[ino].memory.clone()
    }

    /// Writes within the file.
    pub(super) fn write_at(&mut self, fd: Fd, bytes: &[u8], offset: u64) -> Result<usize> {
        let ino = self.ino(fd)?;
        let inode = &mut self.inodes[ino];
        let Content::File(content) = &mut inode.content else {
            return Err(Errno::BADF);
        };
        if let Some(memory) = &inode.memory {
            return memory.write_at(bytes, offset).map_err(unknown);
        }
        let start = offset as usize;
        let there = content.get_mut(start..start + bytes.len());
        there.ok_or(Errno::FBIG)?.copy_from_slice(bytes);
        Ok(bytes.len())
    }
}
