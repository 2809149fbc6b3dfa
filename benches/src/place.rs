//! Where the files are.

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

pub const PLACES: [Place; 2] = [DISK, TMPFS];

impl Place {
    pub fn directory(self) -> TempDir {
        match self.root {
            None => tempfile::tempdir(),
            Some(root) => tempfile::tempdir_in(root),
        }
        .unwrap()
    }
}
