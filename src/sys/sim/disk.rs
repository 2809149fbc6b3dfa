//! A disk in memory, with the rules of a Unix file system. No function here yields or fails by
//! chance.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::io::{Errno, Result};

pub(crate) type Ino = usize;
pub(crate) type Fd = usize;

const ROOT: Ino = 0;
/// As many links as Linux follows.
const MAX_LINKS: u32 = 40;

#[derive(Debug)]
pub(crate) enum Content {
    File(Vec<u8>),
    Directory(BTreeMap<OsString, Entry>),
    Link(PathBuf),
}

/// A name in a directory, and its place in the order in which `readdir` gives the names out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) ino: Ino,
    cookie: u64,
}

#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) content: Content,
    pub(crate) links: u64,
    pub(super) mode: u32,
    pub(super) modified: u64,
    pub(super) changed: u64,
    created: u64,
    pub(super) locked_by: Option<Fd>,
    /// How long it was when it was locked.
    pub(super) locked_length: u64,
    /// Where its bytes lie, if it may be mapped.
    pub(super) memory: Option<Rc<fs::File>>,
    /// What was in it when it lost bytes or its last name, and by whom.
    pub(crate) history: Vec<(Loss, Vec<u8>)>,
}

/// How bytes of a file became unreachable by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// A process of the log removed the name.
    Removed(PathBuf),
    /// The stranger cut the file. What was in it from `settled` on was of a commit that held the lock.
    Truncated { settled: usize },
    /// The stranger removed or replaced its last name; what is written after it counts as well.
    Stranger,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenFlags {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    pub(crate) truncate: bool,
    pub(crate) no_follow: bool,
    pub(crate) mode: u32,
}

/// An open file description.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) ino: Ino,
    pub(super) flags: OpenFlags,
    pub(super) offset: u64,
    pub(crate) process: usize,
    /// It was open when the process forked.
    pub(super) is_inherited: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Stat {
    pub(crate) ino: Ino,
    pub(crate) kind: Kind,
    pub(crate) length: u64,
    pub(crate) links: u64,
    pub(crate) mode: u32,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
    pub(crate) created: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rename {
    Replace,
    NoReplace,
    Exchange,
}

#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) inodes: Vec<Inode>,
    pub(crate) opens: Vec<Option<Open>>,
    /// The time that files get now, in nanoseconds since 1970.
    pub(crate) clock: u64,
    /// How many bytes all files may have together.
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    /// The file that was last appended to.
    pub(crate) last_appended: Option<Ino>,
    /// Where the next name stands in its directory.
    pub(crate) cookies: u64,
    /// The stranger is at work: what it takes away is no fault of the log.
    pub(crate) stranger: bool,
}

/// Where a path leads to.
pub(super) struct Place {
    /// The directory, with its own path.
    pub(super) stack: Vec<(Ino, OsString)>,
    pub(super) name: OsString,
    pub(super) found: Option<Ino>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let mut disk = Disk {
            inodes: Vec::new(),
            opens: Vec::new(),
            clock: 0,
            capacity: u64::MAX,
            used: 0,
            last_appended: None,
            cookies: 1,
            stranger: false,
        };
        disk.add(Content::Directory(BTreeMap::new()), 0o755);
        disk
    }

    pub(super) fn add(&mut self, content: Content, mode: u32) -> Ino {
        self.inodes.push(Inode {
            content,
            links: 0,
            mode,
            modified: self.clock,
            changed: self.clock,
            created: self.clock,
            locked_by: None,
            locked_length: 0,
            memory: None,
            history: Vec::new(),
        });
        self.inodes.len() - 1
    }

    pub(super) fn entries(&self, directory: Ino) -> Result<&BTreeMap<OsString, Entry>> {
        match &self.inodes[directory].content {
            Content::Directory(entries) => Ok(entries),
            _ => Err(Errno::NOTDIR),
        }
    }

    pub(super) fn entries_mut(&mut self, directory: Ino) -> &mut BTreeMap<OsString, Entry> {
        match &mut self.inodes[directory].content {
            Content::Directory(entries) => entries,
            _ => unreachable!("only directories are walked into"),
        }
    }

    /// Walks to `path`; a link at its end is followed if `follow` says so.
    pub(super) fn walk(&self, path: &Path, follow: bool) -> Result<Place> {
        let mut stack = vec![(ROOT, OsString::new())];
        let mut rest: Vec<Cow<'_, OsStr>> = names(path).map(Cow::Borrowed).collect();
        rest.reverse();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            let (directory, _) = *stack.last().ok_or(Errno::NOENT)?;
            let entries = self.entries(directory)?;
            if *name == *".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let found = entries.get(&*name).map(|entry| entry.ino);
            let is_last = rest.is_empty();
            match found.map(|ino| &self.inodes[ino].content) {
                Some(Content::Link(target)) if !is_last || follow => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    if target.is_absolute() {
                        stack.truncate(1);
                    }
                    let at = rest.len();
                    rest.extend(names(target).map(Cow::Borrowed));
                    rest[at..].reverse();
                }
                _ if is_last => {
                    let name = name.into_owned();
                    return Ok(Place { stack, name, found });
                }
                Some(_) => stack.push((found.ok_or(Errno::NOENT)?, name.into_owned())),
                None => return Err(Errno::NOENT),
            }
        }
        // The path ends in a directory: the root, or one that `..` leads to.
        let (found, name) = stack.pop().ok_or(Errno::NOENT)?;
        if stack.is_empty() {
            stack.push((ROOT, OsString::new()));
        }
        Ok(Place {
            stack,
            name,
            found: Some(found),
        })
    }

    /// The directory that `path` leads to, the name in it, and what has that name. As `walk`, which
    /// remembers the way.
    pub(super) fn at<'p>(
        &self,
        path: &'p Path,
        follow: bool,
    ) -> Result<(Ino, Cow<'p, OsStr>, Option<Ino>)> {
        let mut directory = ROOT;
        let mut rest = names(path).peekable();
        while let Some(name) = rest.next().filter(|name| *name != "..") {
            let found = self.entries(directory)?.get(name).map(|entry| entry.ino);
            let is_last = rest.peek().is_none();
            match found.map(|ino| &self.inodes[ino].content) {
                Some(Content::Link(_)) if !is_last || follow => break,
                _ if is_last => return Ok((directory, Cow::Borrowed(name), found)),
                _ => directory = found.ok_or(Errno::NOENT)?,
            }
        }
        let mut place = self.walk(path, follow)?;
        let (directory, _) = place.stack.pop().ok_or(Errno::NOENT)?;
        Ok((directory, Cow::Owned(place.name), place.found))
    }

    pub(crate) fn find(&self, path: &Path, follow: bool) -> Result<Ino> {
        self.at(path, follow)?.2.ok_or(Errno::NOENT)
    }

    pub(super) fn link_in(&mut self, directory: Ino, name: OsString, ino: Ino) {
        // Hashed, as ext4 does it: a new name may come before those that were already read.
        self.cookies = self.cookies.wrapping_mul(6_364_136_223_846_793_005) | 1;
        let cookie = (self.cookies >> 8) ^ (self.cookies >> 40);
        let entry = Entry { ino, cookie };
        self.entries_mut(directory).insert(name, entry);
        self.inodes[ino].links += 1;
        self.inodes[ino].changed = self.clock;
        self.inodes[directory].modified = self.clock;
    }

    /// Takes a name away. A file that has lost its last one keeps its bytes for those who have it
    /// open, and for the check at the end.
    pub(super) fn unlink_in(&mut self, directory: Ino, name: &OsStr, path: &Path) {
        let Some(entry) = self.entries_mut(directory).remove(name) else {
            return;
        };
        let (clock, stranger) = (self.clock, self.stranger);
        self.inodes[directory].modified = clock;
        let inode = &mut self.inodes[entry.ino];
        inode.links -= 1;
        inode.changed = clock;
        if inode.links == 0 {
            if let Content::File(bytes) = &inode.content {
                let loss = match stranger {
                    true => Loss::Stranger,
                    false => Loss::Removed(path.to_owned()),
                };
                inode.history.push((loss, bytes.clone()));
                self.used -= bytes.len() as u64;
            }
        }
    }

    pub(crate) fn stat_of(&self, ino: Ino) -> Stat {
        let inode = &self.inodes[ino];
        let (kind, length) = match &inode.content {
            Content::File(bytes) => (Kind::File, bytes.len()),
            Content::Directory(entries) => (Kind::Directory, entries.len()),
            Content::Link(target) => (Kind::Link, target.as_os_str().len()),
        };
        Stat {
            ino,
            kind,
            length: length as u64,
            links: inode.links,
            mode: inode.mode,
            modified: inode.modified,
            changed: inode.changed,
            created: inode.created,
        }
    }

    pub(crate) fn stat(&self, path: &Path, follow: bool) -> Result<Stat> {
        Ok(self.stat_of(self.find(path, follow)?))
    }

    /// The first name in a directory behind `cookie`: what is renamed while it is read may be given
    /// out twice or not at all.
    pub(crate) fn next_name(&self, directory: Ino, cookie: u64) -> Option<(OsString, u64)> {
        let entries = self.entries(directory).ok()?;
        let behind = entries.iter().filter(|(_, entry)| entry.cookie > cookie);
        let next = behind.min_by_key(|(_, entry)| entry.cookie)?;
        Some((next.0.clone(), next.1.cookie))
    }

    pub(crate) fn directory(&self, path: &Path) -> Result<Ino> {
        let ino = self.find(path, true)?;
        self.entries(ino).map(|_| ino)
    }

    /// The names in a directory.
    pub(crate) fn names_in(&self, path: &Path) -> impl Iterator<Item = &OsStr> {
        let entries = self.directory(path).and_then(|ino| self.entries(ino));
        entries
            .into_iter()
            .flat_map(|entries| entries.keys().map(|name| &**name))
    }

    /// The files below a directory, by path.
    pub(crate) fn files(&self, path: &Path) -> Vec<(PathBuf, Ino)> {
        let Ok(directory) = self.directory(path) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, entry) in self.entries(directory).into_iter().flatten() {
            let path = path.join(name);
            match &self.inodes[entry.ino].content {
                Content::Directory(_) => found.extend(self.files(&path)),
                _ => found.push((path, entry.ino)),
            }
        }
        found
    }
}

/// The names in an absolute path.
fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    let names = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
    names
        .filter(|name| !matches!(name, [] | [b'.']))
        .map(OsStr::from_bytes)
}
