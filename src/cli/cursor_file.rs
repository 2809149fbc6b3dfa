//! The cursor file: keeps where a run has ended, for the next one.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::read::{Cursor, Follow, MergeBuilder};

pub(crate) struct CursorFile {
    path: PathBuf,
    /// What is in the file.
    text: String,
}

impl CursorFile {
    /// A reading of the log that goes on where the file says, if it is there.
    pub(crate) fn open(
        path: &Path,
        log: &Path,
        builder: &MergeBuilder,
    ) -> io::Result<(Self, Follow)> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            read => read.map_err(|error| named(path, &error))?,
        };
        let mut follow = builder.follow(log);
        if !text.is_empty() {
            let cursor = text.parse::<Cursor>();
            let resumed = cursor.and_then(|cursor| follow.resume(cursor));
            follow = resumed.map_err(|error| named(path, &error))?;
        }
        let path = path.to_owned();
        Ok((CursorFile { path, text }, follow))
    }

    /// Replaces the file, if the position has changed. All records before the position must have
    /// been printed.
    pub(crate) fn save(&mut self, follow: &Follow) -> io::Result<()> {
        let text = follow.cursor()?.to_string();
        if text == self.text {
            return Ok(());
        }
        let directory = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        let saved = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")));
        let saved = saved.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.persist(&self.path).map_err(|error| error.error)
        });
        saved.map_err(|error| named(&self.path, &error))?;
        self.text = text;
        Ok(())
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
