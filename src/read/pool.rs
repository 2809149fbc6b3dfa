//! A pool of files that are read piece by piece, with a limit on how many are open at once.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::original::Original;
use super::while_locked::open_while_locked;
use crate::sys::{self, File, Identity};

/// A stream keeps this part of the process's files open: the process may have 256 on macOS and 1,024
/// on Linux by default, and needs some for other things. To read on in a file that had to be closed
/// takes three system calls more.
const PART: usize = 4;

/// The least and the greatest number of files that are kept open.
const FEWEST_OPEN: usize = 100;
const MOST_OPEN: usize = 1_000;

/// The files that are open now, by the number of their [`PooledFile`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    /// Each with true if its name may become another file's.
    files: HashMap<u64, (File, bool)>,
    last: u64,
    most: usize,
}

impl Default for Open {
    fn default() -> Self {
        Open {
            files: HashMap::new(),
            last: 0,
            most: (sys::max_open_files() / PART).clamp(FEWEST_OPEN, MOST_OPEN),
        }
    }
}

/// A file that is read to where it ended when it was found. Between two reads it may be closed.
#[derive(Debug)]
pub(crate) struct PooledFile {
    pool: Pool,
    id: u64,
    path: PathBuf,
    identity: Identity,
    offset: u64,
    end: u64,
    may_move: bool,
}

impl Pool {
    /// Opens a file to be read from `offset` to `end`, or to where it ends now. `may_move` says
    /// that its name may become another file's.
    pub(crate) fn open(
        &self,
        path: &Path,
        offset: u64,
        end: Option<u64>,
        may_move: bool,
    ) -> io::Result<PooledFile> {
        let mut file = open_while_locked(|| self.lock().open(path))?;
        let length = file.metadata()?.len();
        let identity = sys::identity(&file)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        open.files.insert(id, (file, may_move));
        Ok(PooledFile {
            pool: self.clone(),
            id,
            path: path.to_owned(),
            identity,
            offset,
            end: end.unwrap_or(length),
            may_move,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Opens a file; if too many are open, it closes others first.
    fn open(&mut self, path: &Path) -> io::Result<File> {
        if self.files.len() >= self.most {
            self.close_some();
        }
        loop {
            match File::open(path) {
                Err(error) if sys::too_many_open(&error) && !self.files.is_empty() => {
                    self.close_some();
                }
                opened => return opened,
            }
        }
    }

    /// Closes first those that can be found again by their names.
    fn close_some(&mut self) {
        let before = self.files.len();
        self.files.retain(|_, (_, may_move)| *may_move);
        if self.files.len() == before {
            self.files.clear();
        }
    }
}

impl PooledFile {
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Returns true if it is open and a compressed archive has its content.
    pub(crate) fn is_original(&self, original: &Original) -> bool {
        let mut open = self.pool.lock();
        let Some((file, _)) = open.files.get_mut(&self.id) else {
            return false;
        };
        let found = file.metadata();
        let is_original =
            found.is_ok_and(|found| original.is_of(found.len(), found.modified(), &mut *file));
        if file.seek(SeekFrom::Start(self.offset)).is_err() {
            open.files.remove(&self.id);
        }
        is_original
    }

    /// Goes on at `offset`. A file that is open stays open, so that no other file can get its
    /// identity.
    pub(crate) fn seek_to(&mut self, offset: u64) {
        if self.offset == offset {
            return;
        }
        let mut open = self.pool.lock();
        if let Some((file, _)) = open.files.get_mut(&self.id) {
            if file.seek(SeekFrom::Start(offset)).is_err() {
                open.files.remove(&self.id);
            }
        }
        drop(open);
        self.offset = offset;
    }
}

impl Read for PooledFile {
    /// Fails with [`NotFound`](ErrorKind::NotFound) if it had to be opened again and its name is
    /// gone, or another file's.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        if most == 0 {
            return Ok(0);
        }
        let mut open = self.pool.lock();
        let mut file = match open.files.remove(&self.id) {
            Some((file, _)) => file,
            None => {
                let mut file = open.open(&self.path)?;
                if sys::identity(&file)? != self.identity {
                    return Err(ErrorKind::NotFound.into());
                }
                file.seek(SeekFrom::Start(self.offset))?;
                file
            }
        };
        let read = file.read(&mut buffer[..most]);
        open.files.insert(self.id, (file, self.may_move));
        let read = read?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Drop for PooledFile {
    fn drop(&mut self) {
        let mut open = self.pool.lock();
        open.files.remove(&self.id);
    }
}
