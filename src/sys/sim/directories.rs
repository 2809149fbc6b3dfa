//! Names of files on the disk in memory: how they are made, changed and removed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::io::{Errno, Result};

use super::disk::{Content, Disk, Rename};

impl Disk {
    pub(crate) fn read_link(&self, path: &Path) -> Result<PathBuf> {
        match &self.inodes[self.find(path, false)?].content {
            Content::Link(target) => Ok(target.clone()),
            _ => Err(Errno::INVAL),
        }
    }

    pub(crate) fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        let place = self.walk(path, true)?;
        place.found.ok_or(Errno::NOENT)?;
        let mut real = PathBuf::from("/");
        real.extend(place.stack.iter().map(|(_, name)| name));
        real.push(place.name);
        Ok(real)
    }

    pub(crate) fn create_directory(&mut self, path: &Path) -> Result<()> {
        let (directory, name, found) = self.at(path, false)?;
        if found.is_some() {
            return Err(Errno::EXIST);
        }
        let ino = self.add(Content::Directory(BTreeMap::new()), 0o755);
        self.link_in(directory, name.into_owned(), ino);
        Ok(())
    }

    pub(crate) fn remove_directory(&mut self, path: &Path) -> Result<()> {
        let (directory, name, found) = self.at(path, false)?;
        let ino = found.ok_or(Errno::NOENT)?;
        if !self.entries(ino)?.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.unlink_in(directory, &name, path);
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> Result<()> {
        let (directory, name, found) = self.at(path, false)?;
        let ino = found.ok_or(Errno::NOENT)?;
        if matches!(self.inodes[ino].content, Content::Directory(_)) {
            return Err(Errno::ISDIR);
        }
        self.unlink_in(directory, &name, path);
        Ok(())
    }

    pub(crate) fn hard_link(&mut self, from: &Path, to: &Path) -> Result<()> {
        let ino = self.find(from, false)?;
        let (directory, name, found) = self.at(to, false)?;
        if found.is_some() {
            return Err(Errno::EXIST);
        }
        if matches!(self.inodes[ino].content, Content::Directory(_)) {
            return Err(Errno::PERM);
        }
        self.link_in(directory, name.into_owned(), ino);
        Ok(())
    }

    pub(crate) fn symlink(&mut self, target: &Path, link: &Path) -> Result<()> {
        let (directory, name, found) = self.at(link, false)?;
        if found.is_some() {
            return Err(Errno::EXIST);
        }
        let ino = self.add(Content::Link(target.to_owned()), 0o777);
        self.link_in(directory, name.into_owned(), ino);
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path, how: Rename) -> Result<()> {
        let source = self.walk(from, false)?;
        let target = self.walk(to, false)?;
        let ino = source.found.ok_or(Errno::NOENT)?;
        let (old, new) = (
            source.stack[source.stack.len() - 1].0,
            target.stack[target.stack.len() - 1].0,
        );
        if target.stack.iter().any(|(directory, _)| *directory == ino) {
            return Err(Errno::INVAL);
        }
        match (target.found, how) {
            (Some(_), Rename::NoReplace) => return Err(Errno::EXIST),
            (None, Rename::Exchange) => return Err(Errno::NOENT),
            // Two names of one file: nothing happens.
            (Some(other), _) if other == ino => return Ok(()),
            (Some(other), Rename::Exchange) => {
                // The names stay where they are and lead to the other file.
                for (directory, name, ino) in [(old, &source.name, other), (new, &target.name, ino)]
                {
                    if let Some(entry) = self.entries_mut(directory).get_mut(name) {
                        entry.ino = ino;
                    }
                }
                for ino in [ino, other] {
                    self.inodes[ino].changed = self.clock;
                }
                return Ok(());
            }
            (Some(other), Rename::Replace) => {
                match (&self.inodes[ino].content, &self.inodes[other].content) {
                    (Content::Directory(_), Content::Directory(there)) if there.is_empty() => {}
                    (Content::Directory(_), Content::Directory(_)) => return Err(Errno::NOTEMPTY),
                    (Content::Directory(_), _) => return Err(Errno::NOTDIR),
                    (_, Content::Directory(_)) => return Err(Errno::ISDIR),
                    _ => {}
                }
                self.unlink_in(new, &target.name, to);
            }
            (None, _) => {}
        }
        self.entries_mut(old).remove(&source.name);
        self.inodes[ino].links -= 1;
        self.inodes[old].modified = self.clock;
        self.link_in(new, target.name, ino);
        Ok(())
    }
}
