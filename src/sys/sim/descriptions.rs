//! Open file descriptions of the disk in memory: what is read, written and locked through them.

use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::io::{Errno, Result};

use super::disk::{Content, Disk, Fd, Ino, Loss, Open, OpenFlags};
use super::memory::unknown;

impl Disk {
    pub(crate) fn open(&mut self, path: &Path, flags: OpenFlags, process: usize) -> Result<Fd> {
        let (directory, name, found) = self.at(path, !flags.create_new && !flags.no_follow)?;
        let ino = match found {
            Some(_) if flags.create_new => return Err(Errno::EXIST),
            Some(ino) => match &self.inodes[ino].content {
                Content::Directory(_) if flags.write || flags.append => return Err(Errno::ISDIR),
                Content::Link(_) => return Err(Errno::LOOP),
                _ => ino,
            },
            None if flags.create || flags.create_new => {
                let ino = self.add(Content::File(Vec::new()), flags.mode);
                self.link_in(directory, name.into_owned(), ino);
                ino
            }
            None => return Err(Errno::NOENT),
        };
        if flags.truncate {
            self.set_length(ino, 0);
        }
        Ok(self.describe(ino, flags, process))
    }

    /// A file without a name.
    pub(crate) fn anonymous(&mut self, directory: &Path, process: usize) -> Result<Fd> {
        let directory = self.find(directory, true)?;
        self.entries(directory)?;
        let ino = self.add(Content::File(Vec::new()), 0o600);
        let flags = OpenFlags {
            read: true,
            write: true,
            ..OpenFlags::default()
        };
        Ok(self.describe(ino, flags, process))
    }

    fn describe(&mut self, ino: Ino, flags: OpenFlags, process: usize) -> Fd {
        let open = Open {
            ino,
            flags,
            offset: 0,
            process,
            is_inherited: false,
        };
        match self.opens.iter().position(Option::is_none) {
            Some(free) => {
                self.opens[free] = Some(open);
                free
            }
            None => {
                self.opens.push(Some(open));
                self.opens.len() - 1
            }
        }
    }

    pub(super) fn opened(&self, fd: Fd) -> Result<&Open> {
        self.opens
            .get(fd)
            .and_then(Option::as_ref)
            .ok_or(Errno::BADF)
    }

    pub(crate) fn ino(&self, fd: Fd) -> Result<Ino> {
        Ok(self.opened(fd)?.ino)
    }

    /// Closes the description: its lock goes with it.
    pub(crate) fn close(&mut self, fd: Fd) {
        if let Some(open) = self.opens[fd].take() {
            let inode = &mut self.inodes[open.ino];
            if inode.locked_by == Some(fd) {
                inode.locked_by = None;
            }
        }
    }

    pub(crate) fn lock(&mut self, fd: Fd) -> Result<()> {
        let ino = self.opened(fd)?.ino;
        match self.inodes[ino].locked_by {
            Some(other) if other != fd => Err(Errno::WOULDBLOCK),
            _ => {
                self.inodes[ino].locked_length = self.stat_of(ino).length;
                self.inodes[ino].locked_by = Some(fd);
                Ok(())
            }
        }
    }

    pub(crate) fn unlock(&mut self, fd: Fd) {
        if let Ok(ino) = self.ino(fd) {
            if self.inodes[ino].locked_by == Some(fd) {
                self.inodes[ino].locked_by = None;
            }
        }
    }

    pub(crate) fn locks(&self) -> usize {
        let locked = self.inodes.iter().filter(|inode| inode.locked_by.is_some());
        locked.count()
    }

    /// Writes at the end of the file or at the offset, as much as there is room for.
    pub(crate) fn write(&mut self, fd: Fd, bytes: &[u8]) -> Result<usize> {
        let Open {
            ino, flags, offset, ..
        } = *self.opened(fd)?;
        if !flags.write && !flags.append {
            return Err(Errno::BADF);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let (clock, room) = (self.clock, self.capacity.saturating_sub(self.used));
        let inode = &mut self.inodes[ino];
        let Content::File(content) = &mut inode.content else {
            return Err(Errno::BADF);
        };
        let start = match flags.append {
            true => content.len(),
            false => offset as usize,
        };
        let grows = (start + bytes.len()).saturating_sub(content.len());
        let short = grows.saturating_sub(usize::try_from(room).unwrap_or(usize::MAX));
        let taken = bytes.len() - short.min(bytes.len());
        if taken == 0 {
            return Err(Errno::NOSPC);
        }
        let before = content.len();
        content.resize(before.max(start + taken), 0);
        content[start..start + taken].copy_from_slice(&bytes[..taken]);
        if inode.links > 0 {
            self.used += (content.len() - before) as u64;
        }
        inode.modified = clock;
        inode.changed = clock;
        if flags.append {
            self.last_appended = Some(ino);
        }
        self.seek_to(fd, (start + taken) as u64);
        Ok(taken)
    }

    pub(crate) fn read_at(&self, fd: Fd, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let open = self.opened(fd)?;
        let content = match &self.inodes[open.ino].content {
            Content::File(content) if open.flags.read => content,
            Content::Directory(_) => return Err(Errno::ISDIR),
            _ => return Err(Errno::BADF),
        };
        if let Some(memory) = &self.inodes[open.ino].memory {
            return memory.read_at(buffer, offset).map_err(unknown);
        }
        let start = content.len().min(offset as usize);
        let n = buffer.len().min(content.len() - start);
        buffer[..n].copy_from_slice(&content[start..start + n]);
        Ok(n)
    }

    pub(crate) fn read(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize> {
        let offset = self.opened(fd)?.offset;
        let n = self.read_at(fd, buffer, offset)?;
        self.seek_to(fd, offset + n as u64);
        Ok(n)
    }

    pub(crate) fn offset(&self, fd: Fd) -> Result<u64> {
        Ok(self.opened(fd)?.offset)
    }

    pub(crate) fn seek_to(&mut self, fd: Fd, offset: u64) {
        if let Some(Some(open)) = self.opens.get_mut(fd) {
            open.offset = offset;
        }
    }

    fn set_length(&mut self, ino: Ino, length: u64) {
        let (clock, stranger) = (self.clock, self.stranger);
        let inode = &mut self.inodes[ino];
        if let Content::File(content) = &mut inode.content {
            if stranger && (length as usize) < content.len() {
                let bytes = content.clone();
                let settled = match inode.locked_by {
                    Some(_) => bytes.len().min(inode.locked_length as usize),
                    None => bytes.len(),
                };
                inode.history.push((Loss::Truncated { settled }, bytes));
            }
            if inode.links > 0 {
                self.used = self.used - content.len() as u64 + length;
            }
            content.resize(length as usize, 0);
            inode.modified = clock;
            inode.changed = clock;
        }
    }

    pub(crate) fn truncate(&mut self, fd: Fd, length: u64) -> Result<()> {
        let ino = self.opened(fd)?.ino;
        self.set_length(ino, length);
        Ok(())
    }

    pub(crate) fn set_mode(&mut self, fd: Fd, mode: u32) -> Result<()> {
        let ino = self.opened(fd)?.ino;
        self.inodes[ino].mode = mode;
        self.inodes[ino].changed = self.clock;
        Ok(())
    }

    #[cfg(feature = "gzip")]
    pub(crate) fn set_modified(&mut self, fd: Fd, time: u64) -> Result<()> {
        let ino = self.opened(fd)?.ino;
        self.inodes[ino].modified = time;
        self.inodes[ino].changed = self.clock;
        Ok(())
    }

    /// Closes what a process has open.
    pub(crate) fn close_all(&mut self, process: usize) {
        for fd in self.opened_by(process) {
            self.close(fd);
        }
    }

    /// The descriptions that a process has.
    pub(crate) fn opened_by(&self, process: usize) -> Vec<Fd> {
        let is_of_it = |open: &Option<Open>| open.as_ref().is_some_and(|it| it.process == process);
        let all = 0..self.opens.len();
        all.filter(|fd| is_of_it(&self.opens[*fd])).collect()
    }

    /// The process forks: its child has what is open.
    pub(super) fn inherit(&mut self, process: usize) {
        let opens = self.opens.iter_mut().flatten();
        opens
            .filter(|open| open.process == process)
            .for_each(|open| open.is_inherited = true);
    }

    /// How many descriptions a process has opened itself.
    pub(crate) fn opened_since_fork(&self, process: usize) -> usize {
        let opens = self.opens.iter().flatten();
        opens
            .filter(|open| open.process == process && !open.is_inherited)
            .count()
    }

    /// Returns true if a file of the log is locked through a description that a forked child has
    /// inherited, and whose thread it does not have.
    pub(crate) fn is_locked_by_nobody(&self) -> bool {
        self.inodes.iter().any(|inode| {
            let open = inode.locked_by.and_then(|fd| self.opened(fd).ok());
            open.is_some_and(|open| open.is_inherited) && !inode.is_memory()
        })
    }
}
