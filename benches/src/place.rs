//! Where the files are.

use std::io;

use tempfile::TempDir;

#[derive(Clone, Copy)]
pub struct Place {
    pub name: &'static str,
    root: Option<&'static str>,
}

pub const DISK: Place = Place {
    name: "disk",
    root: None,
};

const TMPFS: Place = Place {
    name: "tmpfs",
    root: Some("/dev/shm"),
};

/// Those that there are here.
pub fn places() -> impl Iterator<Item = Place> {
    let is_there = |place: &Place| place.make().is_ok();
    [DISK, TMPFS].into_iter().filter(is_there)
}

impl Place {
    pub fn directory(self) -> TempDir {
        self.make().unwrap()
    }

    fn make(self) -> io::Result<TempDir> {
        match self.root {
            None => tempfile::tempdir(),
            Some(root) => tempfile::tempdir_in(root),
        }
    }
}
