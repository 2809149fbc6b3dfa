//! The bytes of one file, wherever it has gone since it was found.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "gzip")]
use flate2::read::MultiGzDecoder;

use super::pool::{Piecewise, Pool};
use crate::family::{self, Members};
use crate::sys::Identity;

/// A file of a log, from its start to where it ended when it was found; an archive whole.
///
/// It is opened when it is first read. One that gets another name or is compressed meanwhile is
/// looked for.
#[derive(Debug)]
pub(crate) struct Input {
    pool: Pool,
    primary: Arc<Path>,
    path: Arc<Path>,
    known: Option<(Identity, u64)>,
    /// How many of its bytes, without compression, have been read.
    position: u64,
    bytes: Option<Bytes>,
}

#[derive(Debug)]
enum Bytes {
    Plain(Piecewise),
    #[cfg(feature = "gzip")]
    Gzip(Box<MultiGzDecoder<io::BufReader<Piecewise>>>),
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Bytes::Plain(file) => file.read(buffer),
            #[cfg(feature = "gzip")]
            Bytes::Gzip(file) => file.read(buffer),
        }
    }
}

impl Input {
    pub(crate) fn new(pool: Pool, primary: Arc<Path>, path: PathBuf) -> Self {
        Input {
            pool,
            primary,
            path: path.into(),
            known: None,
            position: 0,
            bytes: None,
        }
    }

    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// Which file it is; `None` if it has not been opened or is compressed.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.known.map(|(identity, _)| identity)
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Back to its start.
    pub(crate) fn rewound(mut self) -> Self {
        self.position = 0;
        self.bytes = match self.bytes {
            Some(Bytes::Plain(file)) => Some(Bytes::Plain(file.rewound())),
            _ => None,
        };
        self
    }

    /// Opens it where it is now.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        let bytes = match self.open_at(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.find(error)?,
            opened => opened?,
        };
        match &bytes {
            Bytes::Plain(file) => self.known = Some((file.identity(), file.end())),
            #[cfg(feature = "gzip")]
            Bytes::Gzip(_) => {}
        }
        self.bytes = Some(bytes);
        Ok(())
    }

    /// Opens the file, if it is this one.
    fn open_at(&self, path: &Path) -> io::Result<Bytes> {
        if path.extension() == Some("gz".as_ref()) && path != &*self.primary {
            return self.open_compressed(path);
        }
        let end = self.known.map(|(_, end)| end);
        let file = self.pool.open(path, self.position, end)?;
        match self.known {
            Some((identity, _)) if identity != file.identity() => Err(ErrorKind::NotFound.into()),
            _ => Ok(Bytes::Plain(file)),
        }
    }

    #[cfg(feature = "gzip")]
    fn open_compressed(&self, path: &Path) -> io::Result<Bytes> {
        let file = self.pool.open(path, 0, None)?;
        let mut file = MultiGzDecoder::new(io::BufReader::new(file));
        io::copy(&mut (&mut file).take(self.position), &mut io::sink())?;
        Ok(Bytes::Gzip(Box::new(file)))
    }

    #[cfg(not(feature = "gzip"))]
    fn open_compressed(&self, _: &Path) -> io::Result<Bytes> {
        let cause = "it is compressed, which the feature `gzip` reads";
        Err(io::Error::new(ErrorKind::Unsupported, cause))
    }

    /// The file under the name that it may have got since.
    fn find(&self, not_found: io::Error) -> io::Result<Bytes> {
        let archives = match self.known {
            Some(_) => Members::with_target(&self.primary)?.archives,
            None => Vec::new(),
        };
        archives
            .into_iter()
            .filter(|archive| !archive.is_compressed())
            .map(|archive| archive.path)
            .chain([family::compressed(&self.path)])
            .find_map(|path| self.open_at(&path).ok())
            .ok_or(not_found)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_none() {
            self.open()?;
        }
        let read = match self.bytes.as_mut().map(|bytes| bytes.read(buffer)) {
            Some(Err(error)) if error.kind() == ErrorKind::NotFound => {
                self.open()?;
                self.bytes.as_mut().map(|bytes| bytes.read(buffer))
            }
            read => read,
        };
        let read = read.unwrap_or(Ok(0))?;
        self.position += read as u64;
        Ok(read)
    }
}
