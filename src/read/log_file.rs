//! The bytes of one file, wherever it is now: it may have been renamed or compressed since it was
//! found.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "gzip")]
use flate2::read::MultiGzDecoder;

use super::line::Line;
use super::original::Original;
use super::parse_time;
use super::pool::{Pool, PooledFile};
use super::timestamp::{Timestamp, Zone};
use super::while_locked::read_while_locked;
use crate::family::{FileKind, Listing};
use crate::names;
use crate::sys::{self, Identity};

/// The last record of an archive is no later than the time in its name and this tolerance, for the
/// clocks of several machines.
const ARCHIVE_MARGIN: Duration = Duration::from_secs(3_600);

/// A file of a log, up to where it ended when it was found, or a part of that.
///
/// It is opened when it is first read. If it has been renamed or compressed by then, it is searched
/// for.
#[derive(Debug)]
pub(crate) struct LogFile {
    pool: Pool,
    primary: Arc<Path>,
    path: Arc<Path>,
    rank: FileKind,
    is_compressed: bool,
    known: Option<(Identity, u64)>,
    /// It has been open: if it is gone now, that is an error.
    seen: bool,
    /// The part that is read.
    range: Range<u64>,
    /// The time of the record before that part.
    before: Option<Timestamp>,
    /// The position of the next byte in the decompressed file.
    position: u64,
    bytes: Option<Bytes>,
}

enum Bytes {
    Plain(PooledFile),
    /// Shared with another reader, or without a name.
    Open(Arc<File>),
    #[cfg(feature = "gzip")]
    Gzip(Box<MultiGzDecoder<io::BufReader<PooledFile>>>),
    /// A stream, which can be read only once.
    Stream(Box<dyn Read + Send>),
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bytes::Plain(_) => "Plain",
            Bytes::Open(_) => "Open",
            #[cfg(feature = "gzip")]
            Bytes::Gzip(_) => "Gzip",
            Bytes::Stream(_) => "Stream",
        })
    }
}

impl LogFile {
    pub(crate) fn new(pool: Pool, primary: Arc<Path>, path: PathBuf, rank: FileKind) -> Self {
        LogFile {
            pool,
            primary,
            path: path.into(),
            is_compressed: rank.is_compressed(),
            rank,
            known: None,
            seen: false,
            range: 0..u64::MAX,
            before: None,
            position: 0,
            bytes: None,
        }
    }

    /// The same file as a compressed one, whatever its rank.
    pub(crate) fn compressed(self) -> Self {
        LogFile {
            is_compressed: true,
            ..self
        }
    }

    /// A part of a file that is open.
    pub(crate) fn part(
        path: Arc<Path>,
        rank: FileKind,
        file: Arc<File>,
        range: Range<u64>,
        before: Option<Timestamp>,
    ) -> Self {
        LogFile {
            position: range.start,
            range,
            before,
            bytes: Some(Bytes::Open(file)),
            ..Self::new(Pool::default(), Arc::clone(&path), path.to_path_buf(), rank)
        }
    }

    /// A stream, which can be read only once; `name` is what messages call it.
    pub(crate) fn stream(name: &Path, stream: impl Read + Send + 'static) -> Self {
        let primary = Arc::from(name);
        LogFile {
            bytes: Some(Bytes::Stream(Box::new(stream))),
            is_compressed: false,
            ..Self::new(
                Pool::default(),
                primary,
                name.to_owned(),
                FileKind::Current(0),
            )
        }
    }

    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    pub(crate) fn rank(&self) -> &FileKind {
        &self.rank
    }

    /// The time of the record before what is read.
    pub(crate) fn before(&self) -> Option<Timestamp> {
        self.before
    }

    /// The first byte that is read.
    pub(crate) fn start(&self) -> u64 {
        self.range.start
    }

    /// Returns true if another thread may read it: no other reader uses its handle, whose position
    /// they would share.
    pub(crate) fn may_be_read_ahead(&self) -> bool {
        !matches!(&self.bytes, Some(Bytes::Open(_) | Bytes::Stream(_)))
    }

    /// How many bytes of it are read, as it is on the disk; 0 if that is not known.
    pub(crate) fn length(&self) -> u64 {
        let found = || sys::metadata(&self.path).map_or(0, |found| found.len());
        let end = self.known.map_or_else(found, |(_, end)| end);
        end.min(self.range.end).saturating_sub(self.range.start)
    }

    /// Which file it is; `None` if it has not been opened or is compressed.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.known.map(|(identity, _)| identity)
    }

    /// Returns true if it is open and a compressed archive has its content.
    pub(crate) fn is_original(&self, original: &Original) -> bool {
        matches!(&self.bytes, Some(Bytes::Plain(file)) if file.is_original(original))
    }

    /// Returns true if it has been open.
    pub(crate) fn was_there(&self) -> bool {
        self.seen
    }

    /// Returns true if it can be read only from its start on.
    pub(crate) fn is_sequential(&self) -> bool {
        match &self.bytes {
            Some(Bytes::Plain(_) | Bytes::Open(_)) => false,
            Some(_) => true,
            None => self.is_compressed,
        }
    }

    /// Returns true if it can't be read twice.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.bytes, Some(Bytes::Stream(_)))
    }

    /// The latest time of its records, by the name of an archive.
    pub(crate) fn latest(&self) -> Option<Timestamp> {
        let mut stamp = self.rank.stamp()?.get(..19)?.to_vec();
        stamp[13] = b':';
        stamp[16] = b':';
        let (time, _) = parse_time::at_start(&stamp, &Zone::default())?;
        Some(time.plus(ARCHIVE_MARGIN))
    }

    /// Reads only that part of it from now on.
    pub(crate) fn narrow(&mut self, range: Range<u64>) {
        self.range = range;
        self.rewind();
    }

    /// Reads it only from `offset` on; `before` are some of the bytes before that.
    pub(crate) fn resume(&mut self, offset: u64, before: &[u8], zone: &Zone) {
        let lines = before.split_inclusive(|byte| *byte == b'\n');
        // The first one may be the end of a line.
        let lines = lines.skip(usize::from(before.len() as u64 != offset));
        self.before = lines.filter_map(|line| Line::of(line, zone).time()).last();
        self.narrow(offset..u64::MAX);
    }

    /// Back to the start of what is read.
    pub(crate) fn rewind(&mut self) {
        if self.is_sequential() && self.position > self.range.start {
            self.bytes = None;
        }
        self.position = self.range.start;
    }

    /// Opens it where it is now.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        let bytes = match self.open_at(&self.path, self.is_compressed) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.find(error)?,
            opened => opened?,
        };
        if let Bytes::Plain(file) = &bytes {
            self.known = Some((file.identity(), file.end()));
        }
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

    /// Finds the file under the name that it has by now.
    fn find(&self, not_found: io::Error) -> io::Result<Bytes> {
        let renamed = match self.known {
            Some(_) => Listing::with_target(&self.primary)?.archives,
            None => Vec::new(),
        };
        let mut renamed = renamed.iter().filter(|archive| !archive.is_compressed());
        renamed
            .find_map(|archive| self.open_at(&archive.path, false).ok())
            .or_else(|| match self.rank {
                // For any other file it is not known which archive it has become.
                FileKind::Archive(_) => self.open_at(&names::compressed(&self.path), true).ok(),
                FileKind::Current(_) => None,
            })
            .ok_or(not_found)
    }

    /// Makes every byte of the part readable at any time, and returns the range of these bytes. A
    /// sequential file is copied to a temporary file; up to an error, if there is one.
    pub(crate) fn seekable(&mut self) -> (Range<u64>, io::Result<()>) {
        if self.bytes.is_none() {
            if let Err(error) = self.open() {
                return (0..0, Err(error));
            }
        }
        let mut copied = Ok(());
        if self.is_sequential() {
            copied = self.decompress_into(&mut None);
            if self.is_sequential() {
                return (0..0, copied);
            }
        }
        let end = match (&self.bytes, self.known) {
            (Some(Bytes::Open(file)), _) => file.metadata().map_or(0, |found| found.len()),
            (_, known) => known.map_or(0, |(_, end)| end),
        };
        let end = end.min(self.range.end).max(self.range.start);
        (self.range.start..end, copied)
    }

    /// Appends its bytes, up to an error if there is one, to a temporary file, from which they are
    /// read then.
    pub(crate) fn decompress_into(&mut self, shared: &mut Option<Arc<File>>) -> io::Result<()> {
        let copy = match shared {
            Some(copy) => Arc::clone(copy),
            None => Arc::clone(shared.insert(Arc::new(tempfile::tempfile()?))),
        };
        self.rewind();
        let start = (&*copy).seek(SeekFrom::End(0))?;
        let copied = io::copy(self, &mut &*copy);
        let end = (&*copy).seek(SeekFrom::End(0))?;
        self.bytes = Some(Bytes::Open(copy));
        self.known = None;
        self.range = start..end;
        self.position = start;
        copied.map(drop)
    }

    /// Reads as many bytes as there are from `offset` on, if it is [`seekable`](Self::seekable).
    pub(crate) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.position = offset;
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn read_open(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let position = self.position;
        let Some(bytes) = &mut self.bytes else {
            return Ok(0);
        };
        if let Bytes::Plain(file) = bytes {
            file.seek_to(position);
        }
        read_while_locked(|| match bytes {
            Bytes::Plain(file) => file.read(buffer),
            Bytes::Open(file) => {
                let mut file = &**file;
                file.seek(SeekFrom::Start(position))?;
                file.read(buffer)
            }
            #[cfg(feature = "gzip")]
            Bytes::Gzip(file) => file.read(buffer),
            Bytes::Stream(stream) => stream.read(buffer),
        })
    }
}

impl Read for LogFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.range.end.saturating_sub(self.position);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = &mut buffer[..most];
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
