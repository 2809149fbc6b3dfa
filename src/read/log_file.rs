//! The bytes of one file, wherever it has gone since it was found.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
#[cfg(feature = "cli")]
use std::{fs::File, io::Seek, io::SeekFrom, ops::Range};

#[cfg(feature = "gzip")]
use flate2::read::MultiGzDecoder;

use super::pool::{Pool, PooledFile};
use super::timestamp::Timestamp;
use crate::family::{self, FileKind, Listing};
use crate::sys::{self, FailureScope, Identity};

/// A file of a log, from its start to where it ended when it was found; or a part of that.
///
/// It is opened when it is first read. One that gets another name or is compressed meanwhile is
/// looked for.
#[derive(Debug)]
pub(crate) struct LogFile {
    pool: Pool,
    primary: Arc<Path>,
    path: Arc<Path>,
    rank: FileKind,
    known: Option<(Identity, u64)>,
    /// It has been open, so it is missed if it is gone.
    seen: bool,
    /// Where the part begins.
    start: u64,
    /// The time of the record before it.
    before: Option<Timestamp>,
    /// How many of its bytes, without compression, have been read.
    position: u64,
    bytes: Option<Bytes>,
}

#[derive(Debug)]
enum Bytes {
    Plain(PooledFile),
    /// It stays open for somebody else, whatever becomes of its name.
    #[cfg(feature = "cli")]
    Open(io::Take<Arc<File>>),
    #[cfg(feature = "gzip")]
    Gzip(Box<MultiGzDecoder<io::BufReader<PooledFile>>>),
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

impl LogFile {
    pub(crate) fn new(pool: Pool, primary: Arc<Path>, path: PathBuf, rank: FileKind) -> Self {
        LogFile {
            pool,
            primary,
            path: path.into(),
            rank,
            known: None,
            seen: false,
            start: 0,
            before: None,
            position: 0,
            bytes: None,
        }
    }

    /// A part of a file that is open.
    #[cfg(feature = "cli")]
    pub(crate) fn part(
        path: Arc<Path>,
        rank: FileKind,
        file: Arc<File>,
        part: Range<u64>,
        before: Option<Timestamp>,
    ) -> io::Result<Self> {
        (&*file).seek(SeekFrom::Start(part.start))?;
        Ok(LogFile {
            pool: Pool::default(),
            primary: Arc::clone(&path),
            path,
            rank,
            known: None,
            seen: false,
            start: part.start,
            before,
            position: part.start,
            bytes: Some(Bytes::Open(file.take(part.end - part.start))),
        })
    }

    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    #[cfg(feature = "cli")]
    pub(crate) fn rank(&self) -> &FileKind {
        &self.rank
    }

    /// The time of the record before what is read.
    pub(crate) fn before(&self) -> Option<Timestamp> {
        self.before
    }

    /// Which file it is; `None` if it has not been opened or is compressed.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.known.map(|(identity, _)| identity)
    }

    /// Whether it has been open.
    pub(crate) fn was_there(&self) -> bool {
        self.seen
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
        let bytes = match self.open_at(&self.path, self.rank.is_compressed()) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.find(error)?,
            opened => opened?,
        };
        self.known = bytes.known().or(self.known);
        self.bytes = Some(bytes);
        self.seen = true;
        Ok(())
    }

    /// Opens the file, if it is this one.
    fn open_at(&self, path: &Path, compressed: bool) -> io::Result<Bytes> {
        if compressed {
            return self.open_compressed(path);
        }
        let end = self.known.map(|(_, end)| end);
        let may_move = matches!(self.rank, FileKind::Current(_));
        let file = self.pool.open(path, self.position, end, may_move)?;
        match self.known {
            Some((identity, _)) if identity != file.identity() => Err(ErrorKind::NotFound.into()),
            _ => Ok(Bytes::Plain(file)),
        }
    }

    #[cfg(feature = "gzip")]
    fn open_compressed(&self, path: &Path) -> io::Result<Bytes> {
        let file = self.pool.open(path, 0, None, false)?;
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
            Some(_) => Listing::with_target(&self.primary)?.archives,
            None => Vec::new(),
        };
        let mut renamed = renamed.iter().filter(|archive| !archive.is_compressed());
        renamed
            .find_map(|archive| self.open_at(&archive.path, false).ok())
            .or_else(|| match self.rank {
                // Of another one it is not known which archive it has become.
                FileKind::Archive(_) => self.open_at(&family::compressed(&self.path), true).ok(),
                FileKind::Current(_) => None,
            })
            .ok_or(not_found)
    }
}

#[cfg(feature = "cli")]
impl LogFile {
    /// Without what is before that.
    pub(crate) fn starting_at(mut self, start: u64) -> Self {
        self.start = start;
        self.rewound()
    }

    /// The file and what is to be read of it, unless it is compressed or not there.
    pub(crate) fn plain(&mut self) -> Option<(Arc<File>, Range<u64>)> {
        if let Some(Bytes::Open(file)) = &self.bytes {
            let end = self.position + file.limit();
            return Some((Arc::clone(file.get_ref()), self.position..end));
        }
        if self.bytes.is_none() {
            self.open().ok()?;
        }
        let (identity, end) = self.known?;
        let file = File::open(&self.path).ok()?;
        let is_it = sys::identity(&file).is_ok_and(|found| found == identity);
        is_it.then(|| (Arc::new(file), self.start..end))
    }
}

impl Read for LogFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_none() {
            self.open()?;
        }
        let read = match self.read_open(buffer) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.open()?;
                self.read_open(buffer)
            }
            read => read,
        }?;
        self.position += read as u64;
        Ok(read)
    }
}

impl LogFile {
    fn read_open(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(bytes) = &mut self.bytes else {
            return Ok(0);
        };
        patiently(|| bytes.read(buffer))
    }
}

/// Reads again where somebody has the bytes locked just now, which only Windows minds.
pub(crate) fn patiently<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..1_000 {
        match read() {
            Err(error) if sys::scope(&error) == FailureScope::Locked => {}
            read => return read,
        }
        thread::sleep(Duration::from_millis(1));
    }
    read()
}
