//! The bytes of one file, wherever it has gone since it was found.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(feature = "cli")]
use std::{fs::File, io::Seek, io::SeekFrom, ops::Range};

#[cfg(feature = "gzip")]
use flate2::read::MultiGzDecoder;

use super::pool::{Piecewise, Pool};
use crate::family::{self, Archive, Members};
use crate::sys::Identity;

/// A file of a log, from its start to where it ended when it was found; or a part of that.
///
/// It is opened when it is first read. One that gets another name or is compressed meanwhile is
/// looked for.
#[derive(Debug)]
pub(crate) struct Input {
    pool: Pool,
    primary: Arc<Path>,
    path: Arc<Path>,
    compressed: bool,
    known: Option<(Identity, u64)>,
    /// Where the part begins.
    start: u64,
    /// How many of its bytes, without compression, have been read.
    position: u64,
    bytes: Option<Bytes>,
}

#[derive(Debug)]
enum Bytes {
    Plain(Piecewise),
    /// It stays open for somebody else, whatever becomes of its name.
    #[cfg(feature = "cli")]
    Open(io::Take<Arc<File>>),
    #[cfg(feature = "gzip")]
    Gzip(Box<MultiGzDecoder<io::BufReader<Piecewise>>>),
}

impl Bytes {
    fn known(&self) -> Option<(Identity, u64)> {
        match self {
            Bytes::Plain(file) => Some((file.identity(), file.end())),
            #[cfg(feature = "cli")]
            Bytes::Open(_) => None,
            #[cfg(feature = "gzip")]
            Bytes::Gzip(_) => None,
        }
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Bytes::Plain(file) => file.read(buffer),
            #[cfg(feature = "cli")]
            Bytes::Open(file) => file.read(buffer),
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
            compressed: false,
            known: None,
            start: 0,
            position: 0,
            bytes: None,
        }
    }

    /// An archive, which may be compressed.
    pub(crate) fn archive(pool: Pool, primary: Arc<Path>, archive: Archive) -> Self {
        Input {
            compressed: archive.is_compressed(),
            ..Input::new(pool, primary, archive.path)
        }
    }

    /// Without what is before that.
    #[cfg(feature = "cli")]
    pub(crate) fn starting_at(mut self, start: u64) -> Self {
        self.start = start;
        self.position = start;
        self
    }

    /// A part of a file that is open.
    #[cfg(feature = "cli")]
    pub(crate) fn part(path: Arc<Path>, file: Arc<File>, part: Range<u64>) -> io::Result<Self> {
        (&*file).seek(SeekFrom::Start(part.start))?;
        Ok(Input {
            pool: Pool::default(),
            primary: Arc::clone(&path),
            path,
            compressed: false,
            known: None,
            start: part.start,
            position: part.start,
            bytes: Some(Bytes::Open(file.take(part.end - part.start))),
        })
    }

    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    #[cfg(feature = "cli")]
    pub(crate) fn is_compressed(&self) -> bool {
        self.compressed
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
        self.bytes = match self.bytes {
            Some(Bytes::Plain(file)) => Some(Bytes::Plain(file.back_to(self.start))),
            #[cfg(feature = "cli")]
            Some(Bytes::Open(file)) => {
                let length = file.limit() + self.position - self.start;
                let file = file.into_inner();
                let sought = (&*file).seek(SeekFrom::Start(self.start));
                sought.ok().map(|_| Bytes::Open(file.take(length)))
            }
            _ => None,
        };
        self.position = self.start;
        self
    }

    /// Opens it where it is now.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        let bytes = match self.open_at(&self.path, self.compressed) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.find(error)?,
            opened => opened?,
        };
        self.known = bytes.known().or(self.known);
        self.bytes = Some(bytes);
        Ok(())
    }

    /// Opens the file, if it is this one.
    fn open_at(&self, path: &Path, compressed: bool) -> io::Result<Bytes> {
        if compressed {
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
        let renamed = match self.known {
            Some(_) => Members::with_target(&self.primary)?.archives,
            None => Vec::new(),
        };
        let mut renamed = renamed.iter().filter(|archive| !archive.is_compressed());
        renamed
            .find_map(|archive| self.open_at(&archive.path, false).ok())
            .or_else(|| self.open_at(&family::compressed(&self.path), true).ok())
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
