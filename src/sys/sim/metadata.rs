//! What is known of a file of either disk.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::disk::{Kind, Stat};

#[derive(Clone, Debug)]
pub(crate) enum Metadata {
    Real(fs::Metadata),
    Virtual(Stat),
}

pub(super) fn time(nanos: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanos)
}

impl Metadata {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Metadata::Real(found) => found.len(),
            Metadata::Virtual(stat) => stat.length,
        }
    }

    pub(crate) fn modified(&self) -> io::Result<SystemTime> {
        match self {
            Metadata::Real(found) => found.modified(),
            Metadata::Virtual(stat) => Ok(time(stat.modified)),
        }
    }

    pub(crate) fn created(&self) -> io::Result<SystemTime> {
        match self {
            Metadata::Real(found) => found.created(),
            Metadata::Virtual(stat) => Ok(time(stat.created)),
        }
    }

    pub(crate) fn permissions(&self) -> Permissions {
        match self {
            Metadata::Real(found) => found.permissions(),
            Metadata::Virtual(stat) => Permissions::from_mode(stat.mode),
        }
    }

    pub(crate) fn file_type(&self) -> FileType {
        match self {
            Metadata::Real(found) => FileType::Real(found.file_type()),
            Metadata::Virtual(_) => FileType::Virtual,
        }
    }

    pub(crate) fn is_file(&self) -> bool {
        match self {
            Metadata::Real(found) => found.is_file(),
            Metadata::Virtual(stat) => stat.kind == Kind::File,
        }
    }

    pub(crate) fn is_symlink(&self) -> bool {
        match self {
            Metadata::Real(found) => found.is_symlink(),
            Metadata::Virtual(stat) => stat.kind == Kind::Link,
        }
    }
}

macro_rules! fields {
    ($($name:ident: $type:ty = $stat:ident => $value:expr;)*) => {
        impl MetadataExt for Metadata {
            $(fn $name(&self) -> $type {
                match self {
                    Metadata::Real(found) => found.$name(),
                    Metadata::Virtual($stat) => $value,
                }
            })*
        }
    };
}

const SECOND: u64 = 1_000_000_000;

fields! {
    dev: u64 = _stat => 1;
    ino: u64 = stat => stat.ino as u64;
    mode: u32 = stat => stat.mode;
    nlink: u64 = stat => stat.links;
    uid: u32 = _stat => 0;
    gid: u32 = _stat => 0;
    rdev: u64 = _stat => 0;
    size: u64 = stat => stat.length;
    atime: i64 = stat => (stat.modified / SECOND) as i64;
    atime_nsec: i64 = stat => (stat.modified % SECOND) as i64;
    mtime: i64 = stat => (stat.modified / SECOND) as i64;
    mtime_nsec: i64 = stat => (stat.modified % SECOND) as i64;
    ctime: i64 = stat => (stat.changed / SECOND) as i64;
    ctime_nsec: i64 = stat => (stat.changed % SECOND) as i64;
    blksize: u64 = _stat => 4_096;
    blocks: u64 = stat => stat.length.div_ceil(512);
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum FileType {
    Real(fs::FileType),
    /// Its kind is one of those that a log can be.
    Virtual,
}

macro_rules! kinds {
    ($($name:ident)*) => {
        impl FileTypeExt for FileType {
            $(fn $name(&self) -> bool {
                match self {
                    FileType::Real(kind) => kind.$name(),
                    FileType::Virtual => false,
                }
            })*
        }
    };
}

kinds! { is_block_device is_char_device is_fifo is_socket }
