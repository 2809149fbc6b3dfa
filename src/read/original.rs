//! How a compressed archive is recognised as the copy of a file: by time, length and first bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

pub(crate) struct Original {
    /// A compressed archive keeps the time of the last change.
    modified: SystemTime,
    /// The last four bytes: the length without compression, as far as that fits into 32 bits.
    length: u32,
    /// The first bytes without compression: two files may have one length and one time.
    head: Vec<u8>,
}

/// How many bytes are compared.
const HEAD: usize = 4 * 1024;

impl Original {
    /// Reads this of a compressed archive; `content` is what it contains, decompressed.
    pub(crate) fn of(compressed: &Path, content: impl Read) -> io::Result<Self> {
        let mut file = File::open(compressed)?;
        let mut length = [0; 4];
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut length)?;
        let mut head = Vec::new();
        content.take(HEAD as u64).read_to_end(&mut head)?;
        Ok(Original {
            modified: file.metadata()?.modified()?,
            length: u32::from_le_bytes(length),
            head,
        })
    }

    /// Returns true if it is the copy of a file with this length, time of change and content.
    pub(crate) fn is_of(
        &self,
        length: u64,
        modified: io::Result<SystemTime>,
        file: impl Read + Seek,
    ) -> bool {
        length as u32 == self.length
            && modified.is_ok_and(|modified| modified == self.modified)
            && self.has_head(file).unwrap_or(false)
    }

    fn has_head(&self, mut file: impl Read + Seek) -> io::Result<bool> {
        let mut head = vec![0; self.head.len()];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut head)?;
        Ok(head == self.head)
    }
}
