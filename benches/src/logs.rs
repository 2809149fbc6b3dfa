//! What is measured: ways to get a record into a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use file_rotate::suffix::AppendCount;
use file_rotate::{compression::Compression, ContentLimit, FileRotate};
use flexi_logger::writers::FileLogWriter;
use flexi_logger::{FileSpec, WriteMode};
use logroller::{LogRollerBuilder, Rotation, RotationAge, RotationSize};
use rustix::fs::{flock, open, FlockOperation, Mode, OFlags};
use tracing_appender::rolling;
use tracing_fallback_file::{Builder, FileAppender};
use tracing_rolling_file::{RollingConditionBase, RollingFileAppender};
use tracing_subscriber::fmt::MakeWriter;

/// Takes one record; from any thread.
pub type Log = Box<dyn Fn(&[u8]) + Send + Sync>;

#[derive(Clone, Copy)]
pub struct Contender {
    pub name: &'static str,
    pub open: fn(&Path) -> Log,
}

pub const FIVE_CALLS: Contender = Contender {
    name: "bare open, lock, write, unlock, close",
    open: |path| {
        let path = path.to_owned();
        Box::new(move |record| five_calls(&path, record))
    },
};

pub const OURS: Contender = Contender {
    name: "tracing-fallback-file",
    open: |path| ours(path, FileAppender::builder()),
};

pub const TRACING_APPENDER: Contender = Contender {
    name: "tracing-appender",
    open: |path| {
        let appender = tracing_appender_at(path);
        Box::new(move |record| appender.make_writer().write_all(record).unwrap())
    },
};

/// Each as its users get it: one handle, kept open. Rotation by time is on where there is no way
/// without, and does not happen meanwhile.
pub const PEERS: [Contender; 5] = [
    TRACING_APPENDER,
    Contender {
        name: "logroller",
        open: |path| logroller(path, Rotation::AgeBased(RotationAge::Daily)),
    },
    Contender {
        name: "tracing-rolling-file",
        open: |path| {
            let daily = RollingConditionBase::new().daily();
            shared(RollingFileAppender::new(path, daily, 9).unwrap())
        },
    },
    Contender {
        name: "file-rotate",
        open: |path| {
            shared(FileRotate::new(
                path,
                AppendCount::new(9),
                ContentLimit::None,
                Compression::None,
                None,
            ))
        },
    },
    Contender {
        name: "flexi_logger",
        open: |path| {
            let writer = FileLogWriter::builder(FileSpec::try_from(path).unwrap())
                .write_mode(WriteMode::Direct)
                .append();
            let (writer, handle) = writer.try_build_with_handle().unwrap();
            Box::new(move |record| {
                let _open = &handle;
                writer.clone().write_all(record).unwrap();
            })
        },
    },
];

/// So large is a file that the next ones rotate; nothing is removed meanwhile.
const FULL: u64 = 1_000_000;
const MANY: usize = 1_000;

/// Those that rotate by size.
pub const ROTATING: [Contender; 3] = [
    Contender {
        name: "tracing-fallback-file",
        open: |path| ours(path, FileAppender::builder().max_file_size(FULL)),
    },
    Contender {
        name: "logroller",
        open: |path| logroller(path, Rotation::SizeBased(RotationSize::Bytes(FULL))),
    },
    Contender {
        name: "tracing-rolling-file",
        open: |path| {
            let size = RollingConditionBase::new().max_size(FULL);
            shared(RollingFileAppender::new(path, size, MANY).unwrap())
        },
    },
];

pub fn ours(path: &Path, options: Builder) -> Log {
    let appender = options.build(path).unwrap();
    Box::new(move |record| appender.make_writer().write_all(record).unwrap())
}

fn logroller(path: &Path, rotation: Rotation) -> Log {
    let (directory, name) = parts(path);
    let roller = LogRollerBuilder::new(directory, name)
        .rotation(rotation)
        .max_keep_files(MANY as u64);
    shared(roller.build().unwrap())
}

pub fn tracing_appender_at(path: &Path) -> rolling::RollingFileAppender {
    let (directory, name) = parts(path);
    rolling::never(directory, name)
}

/// What a guard does at least, in a loop.
pub fn five_calls(path: &Path, record: &[u8]) {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::from_raw_mode(0o666)).unwrap();
    flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    let written = rustix::io::write(&file, record).unwrap();
    assert_eq!(written, record.len());
    flock(&file, FlockOperation::Unlock).unwrap();
}

/// What a writer of batches does at least: 64 KiB a write, into one open file.
pub fn batches(path: &Path, record: &[u8], records: usize) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    let mut batch = Vec::with_capacity(64 * 1024);
    for _ in 0..records {
        if batch.len() + record.len() > batch.capacity() {
            file.write_all(&batch).unwrap();
            batch.clear();
        }
        batch.extend_from_slice(record);
    }
    file.write_all(&batch).unwrap();
}

fn shared(writer: impl Write + Send + 'static) -> Log {
    let writer = Mutex::new(writer);
    Box::new(move |record| writer.lock().unwrap().write_all(record).unwrap())
}

fn parts(path: &Path) -> (&Path, &Path) {
    let name = path.file_name().unwrap();
    (path.parent().unwrap(), Path::new(name))
}
