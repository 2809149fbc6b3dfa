//! Questions and changes by path.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::disk::{Ino, Rename};
use super::faults::{Op, Planted};
use super::file::File;
use super::machine::{machine, State};
use super::metadata::Metadata;
use super::operate;

fn on<T: std::fmt::Debug>(
    path: &Path,
    op: Op,
    name: &str,
    work: impl FnOnce(&mut State) -> rustix::io::Result<T>,
) -> io::Result<T> {
    operate(op, format_args!("{name} {}", path.display()), work)
}

pub(crate) fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    match machine() {
        None => path.metadata().map(Metadata::Real),
        Some(_) => on(path, Op::Stat, "stat", |state| {
            Ok(Metadata::Virtual(state.disk.stat(path, true)?))
        }),
    }
}

pub(crate) fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref();
    match machine() {
        None => path.symlink_metadata().map(Metadata::Real),
        Some(_) => on(path, Op::Stat, "lstat", |state| {
            Ok(Metadata::Virtual(state.disk.stat(path, false)?))
        }),
    }
}

pub(crate) fn is_file(path: &Path) -> bool {
    metadata(path).is_ok_and(|found| found.is_file())
}

pub(crate) fn is_symlink(path: &Path) -> bool {
    symlink_metadata(path).is_ok_and(|found| found.is_symlink())
}

pub(crate) fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    match machine() {
        None => path.canonicalize(),
        Some(_) => on(path, Op::Stat, "realpath", |state| {
            state.disk.canonicalize(path)
        }),
    }
}

pub(crate) fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    match machine() {
        None => path.read_link(),
        Some(_) => on(path, Op::Other, "readlink", |state| {
            state.disk.read_link(path)
        }),
    }
}

pub(crate) fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    if machine().is_none() {
        return fs::create_dir_all(path);
    }
    let mut ancestors: Vec<_> = path.ancestors().collect();
    ancestors.pop();
    for path in ancestors.into_iter().rev() {
        let made = on(path, Op::Create, "mkdir", |state| {
            match state.disk.create_directory(path) {
                Err(Errno::EXIST) => state.disk.directory(path).map(|_| ()),
                made => made,
            }
        });
        made?;
    }
    Ok(())
}

pub(crate) fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    match machine() {
        None => fs::remove_file(path),
        Some(_) => on(path, Op::Remove, "unlink", |state| {
            state.disk.remove_file(path)
        }),
    }
}

pub(crate) fn hard_link(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    match machine() {
        None => fs::hard_link(from, to),
        Some(_) => on(to, Op::Rename, "link", |state| {
            state.disk.hard_link(from, to)
        }),
    }
}

pub(crate) fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (target, link) = (target.as_ref(), link.as_ref());
    match machine() {
        None => std::os::unix::fs::symlink(target, link),
        Some(_) => on(link, Op::Create, "symlink", |state| {
            state.disk.symlink(target, link)
        }),
    }
}

pub(crate) fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    match machine() {
        None => fs::rename(from, to),
        Some(_) => renamed(from, to, Rename::Replace),
    }
}

fn renamed(from: &Path, to: &Path, how: Rename) -> io::Result<()> {
    let (old, new) = (from.display(), to.display());
    let what = format_args!("rename {how:?} {old} to {new}");
    operate(Op::Rename, what, |state| {
        let how = match state.planted {
            Some(Planted::RenameReplaces) => Rename::Replace,
            _ => how,
        };
        state.disk.rename(from, to, how)
    })
}

/// `renameat2` between two paths.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn rename_with(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    if machine().is_none() {
        return crate::sys::os::rename_with(from, to, flags);
    }
    let how = match flags {
        RenameFlags::NOREPLACE => Rename::NoReplace,
        RenameFlags::EXCHANGE => Rename::Exchange,
        _ => Rename::Replace,
    };
    renamed(from, to, how)
}

/// The blocks of a file system and the free bytes on it.
pub(crate) fn free_space(directory: &Path) -> io::Result<(u64, u64)> {
    match machine() {
        None => crate::sys::os::free_space(directory),
        Some(_) => on(directory, Op::Stat, "statvfs", |state| {
            let free = state.disk.capacity.saturating_sub(state.disk.used);
            Ok((1, free))
        }),
    }
}

pub(crate) fn temporary_file(directory: &Path) -> io::Result<File> {
    match machine() {
        None => tempfile::tempfile_in(directory).map(File::Real),
        Some(_) => {
            let made = on(
                directory,
                Op::Create,
                "create a temporary file in",
                |state| {
                    let process = state.process();
                    state.disk.anonymous(directory, process)
                },
            );
            made.map(File::of)
        }
    }
}

/// The names in a directory, read one by one.
pub(crate) enum ReadDir {
    Real(fs::ReadDir),
    Virtual {
        path: PathBuf,
        directory: Ino,
        cookie: u64,
    },
}

#[derive(Debug)]
pub(crate) struct DirEntry {
    directory: PathBuf,
    name: OsString,
}

impl DirEntry {
    pub(crate) fn file_name(&self) -> OsString {
        self.name.clone()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

pub(crate) fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref();
    if machine().is_none() {
        return fs::read_dir(path).map(ReadDir::Real);
    }
    let directory = on(path, Op::List, "opendir", |state| {
        state.disk.directory(path)
    })?;
    let Some(machine) = machine() else {
        return Err(Errno::IO.into());
    };
    let state = machine.state.borrow();
    let is_second = state.listed.contains(&state.thread());
    let cookie = match is_second && state.planted == Some(Planted::ListedOnce) {
        true => u64::MAX,
        false => 0,
    };
    let path = path.to_owned();
    Ok(ReadDir::Virtual {
        path,
        directory,
        cookie,
    })
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let (path, directory, cookie) = match self {
            ReadDir::Real(real) => {
                let entry = real.next()?;
                return Some(entry.map(|entry| {
                    DirEntry {
                        directory: entry
                            .path()
                            .parent()
                            .map(Path::to_owned)
                            .unwrap_or_default(),
                        name: entry.file_name(),
                    }
                }));
            }
            ReadDir::Virtual {
                path,
                directory,
                cookie,
            } => (path, *directory, cookie),
        };
        let next = operate(Op::List, format_args!("readdir"), |state| {
            Ok(state.disk.next_name(directory, *cookie))
        });
        match next {
            Ok(Some((name, behind))) => {
                *cookie = behind;
                Some(Ok(DirEntry {
                    directory: path.clone(),
                    name,
                }))
            }
            Ok(None) => {
                if let Some(machine) = machine() {
                    let mut state = machine.state.borrow_mut();
                    let thread = state.thread();
                    state.listed.insert(thread);
                }
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}
