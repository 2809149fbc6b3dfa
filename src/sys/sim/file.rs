//! Open files, their options and what is known of a file: of the real disk, or of the virtual one on
//! a virtual thread.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
#[cfg(feature = "gzip")]
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::disk::{Fd, OpenFlags};
use super::faults::{Op, Planted};
use super::machine::{machine, State};
use super::metadata::Metadata;
use super::operate;

/// A file of either disk.
#[derive(Debug)]
pub(crate) enum File {
    Real(fs::File),
    Virtual(Handle),
}

/// An open description of the virtual disk, closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Handle(pub(super) Fd);

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(machine) = machine() else { return };
        if machine.step() {
            let mut state = machine.state.borrow_mut();
            state.trace(format_args!("close {}", self.0));
            state.disk.close(self.0);
        }
    }
}

impl File {
    pub(crate) fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Runs one operation on the virtual file.
    pub(super) fn on<T: fmt::Debug>(
        fd: Fd,
        op: Op,
        name: &str,
        work: impl FnOnce(&mut State, Fd) -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        operate(op, format_args!("{name} {fd}"), |state| work(state, fd))
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        match self {
            File::Real(file) => file.metadata().map(Metadata::Real),
            File::Virtual(Handle(fd)) => File::on(*fd, Op::Stat, "fstat", |state, fd| {
                Ok(Metadata::Virtual(state.disk.stat_of(state.disk.ino(fd)?)))
            }),
        }
    }

    pub(crate) fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        match self {
            File::Real(file) => file.set_permissions(permissions),
            File::Virtual(Handle(fd)) => File::on(*fd, Op::Stat, "fchmod", |state, fd| {
                state.disk.set_mode(fd, permissions.mode())
            }),
        }
    }

    #[cfg(feature = "gzip")]
    pub(crate) fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        match self {
            File::Real(file) => file.set_modified(time),
            File::Virtual(Handle(fd)) => File::on(*fd, Op::Stat, "futimens", |state, fd| {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                state.disk.set_modified(fd, since.as_nanos() as u64)
            }),
        }
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.set_len(length),
            File::Virtual(Handle(fd)) => {
                let what = format_args!("truncate to {length} {fd}");
                operate(Op::Truncate, what, |state| {
                    match state.planted == Some(Planted::NoRollback) && !state.disk.stranger {
                        true => Ok(()),
                        false => state.disk.truncate(*fd, length),
                    }
                })
            }
        }
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        match self {
            File::Real(file) => file.sync_all(),
            File::Virtual(Handle(fd)) => File::on(*fd, Op::Sync, "fsync", |_, _| Ok(())),
        }
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        match self {
            File::Real(file) => file.sync_data(),
            File::Virtual(Handle(fd)) => File::on(*fd, Op::Sync, "fdatasync", |_, _| Ok(())),
        }
    }

    pub(super) fn of(fd: Fd) -> File {
        File::Virtual(Handle(fd))
    }
}

impl Read for &File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            File::Real(file) => (&mut &*file).read(buffer),
            File::Virtual(Handle(fd)) => File::on(*fd, Op::Read, "read", |state, fd| {
                state.disk.read(fd, buffer)
            }),
        }
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            File::Real(file) => (&mut &*file).write(bytes),
            File::Virtual(Handle(fd)) => {
                let mut dies = false;
                let (lines, n) = (Summary(bytes), bytes.len());
                let what = format_args!("write {lines:?}, {n} bytes, to {fd}");
                let written = operate(Op::Write, what, |state| {
                    let cut = state.cut(n);
                    let length = cut.map_or(n, |(length, _)| length);
                    dies = cut.is_some_and(|(_, dies)| dies);
                    state.disk.write(*fd, &bytes[..length])
                });
                if dies {
                    if let Some(machine) = machine() {
                        machine.die();
                    }
                }
                written
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has the header of a queue say that nothing was about to be written.
fn forget_intent(header: &mut [u8], offset: u64) {
    if offset == 0 && header.starts_with(b"tffqueue") {
        for slot in [64, 256] {
            header[slot] &= !1;
        }
    }
}

/// Shows the first word of each line.
struct Summary<'a>(&'a [u8]);

impl fmt::Debug for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.0);
        let words = text
            .lines()
            .map(|line| line.split(' ').next().unwrap_or(""));
        f.debug_list().entries(words).finish()
    }
}

impl Seek for &File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            File::Real(file) => (&mut &*file).seek(to),
            File::Virtual(Handle(fd)) => File::on(*fd, Op::Other, "lseek", |state, fd| {
                let (base, by) = match to {
                    SeekFrom::Start(offset) => (offset, 0),
                    SeekFrom::End(by) => (state.disk.stat_of(state.disk.ino(fd)?).length, by),
                    SeekFrom::Current(by) => (state.disk.offset(fd)?, by),
                };
                let offset = base.checked_add_signed(by).ok_or(Errno::INVAL)?;
                state.disk.seek_to(fd, offset);
                Ok(offset)
            }),
        }
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        (&mut &*self).seek(to)
    }
}

impl FileExt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            File::Real(file) => file.read_at(buffer, offset),
            File::Virtual(Handle(fd)) => File::on(*fd, Op::Read, "pread", |state, fd| {
                let planted = state.planted;
                state.disk.read_at(fd, buffer, offset).inspect(|_| {
                    if planted == Some(Planted::IntentIgnored) {
                        forget_intent(buffer, offset);
                    }
                })
            }),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match self {
            File::Real(file) => file.write_at(bytes, offset),
            File::Virtual(Handle(fd)) => {
                let what = format_args!("pwrite {} bytes at {offset} to {fd}", bytes.len());
                operate(Op::Write, what, |state| {
                    state.disk.write_at(*fd, bytes, offset)
                })
            }
        }
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        let memory = match self {
            File::Real(file) => Some(file.as_raw_fd()),
            File::Virtual(Handle(fd)) => machine()
                .and_then(|machine| machine.state.borrow().disk.memory_of(*fd))
                .map(|memory| memory.as_raw_fd()),
        };
        memory.expect("a virtual file has a descriptor only where its blocks are allocated")
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            File::Real(file) => file.as_fd(),
            File::Virtual(_) => panic!("a virtual file has no descriptor"),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct OpenOptions {
    real: fs::OpenOptions,
    flags: OpenFlags,
}

impl OpenOptions {
    pub(crate) fn new() -> Self {
        let flags = OpenFlags {
            mode: 0o666,
            ..OpenFlags::default()
        };
        OpenOptions {
            real: fs::OpenOptions::new(),
            flags,
        }
    }

    pub(crate) fn read(&mut self, yes: bool) -> &mut Self {
        self.real.read(yes);
        self.flags.read = yes;
        self
    }

    pub(crate) fn write(&mut self, yes: bool) -> &mut Self {
        self.real.write(yes);
        self.flags.write = yes;
        self
    }

    pub(crate) fn append(&mut self, yes: bool) -> &mut Self {
        self.real.append(yes);
        self.flags.append = yes;
        self
    }

    pub(crate) fn create(&mut self, yes: bool) -> &mut Self {
        self.real.create(yes);
        self.flags.create = yes;
        self
    }

    pub(crate) fn create_new(&mut self, yes: bool) -> &mut Self {
        self.real.create_new(yes);
        self.flags.create_new = yes;
        self
    }

    pub(crate) fn truncate(&mut self, yes: bool) -> &mut Self {
        self.real.truncate(yes);
        self.flags.truncate = yes;
        self
    }

    pub(crate) fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        if machine().is_none() {
            return self.real.open(path).map(File::Real);
        }
        let mut flags = self.flags;
        let (op, name) = match flags.create || flags.create_new {
            true => (Op::Create, "create"),
            false => (Op::Open, "open"),
        };
        let opened = operate(op, format_args!("{name} {}", path.display()), |state| {
            if state.planted == Some(Planted::NoAppend) && flags.append {
                flags.append = false;
                flags.write = true;
            }
            let process = state.process();
            state.disk.open(path, flags, process)
        });
        opened.map(File::of)
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.real.mode(mode);
        self.flags.mode = mode;
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.real.custom_flags(flags);
        self.flags.no_follow = flags & OFlags::NOFOLLOW.bits() as i32 != 0;
        self
    }
}
