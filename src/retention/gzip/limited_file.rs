//! A new file that gets no larger than the process may make it: the system would end the process.

use std::io::{self, Write};

use crate::sys::{self, File};

pub(super) struct LimitedFile {
    file: File,
    length: u64,
}

impl LimitedFile {
    pub(super) fn new(file: File) -> Self {
        LimitedFile { file, length: 0 }
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }
}

impl Write for LimitedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        sys::check_size(self.length + bytes.len() as u64)?;
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
