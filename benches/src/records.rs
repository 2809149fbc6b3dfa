//! The records that are read back, and the files that they are in.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) type Form = fn(u64) -> String;

pub(crate) fn time(micros: u64) -> String {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    format!("2026-11-23T{hours:02}:{minutes:02}:{seconds:02}.{rest:06}Z")
}

pub(crate) fn json(micros: u64) -> String {
    format!(
        "{{\"timestamp\":\"{}\",\"level\":\"INFO\",\"fields\":{{\"message\":\"connection accepted \
         by worker\",\"n\":{micros},\"elapsed_ms\":{}}},\"target\":\"my_service::handlers\"}}\n",
        time(micros),
        micros % 977
    )
}

pub(crate) fn text(micros: u64) -> String {
    format!(
        "{}  INFO my_service::handlers: connection accepted by worker n={micros} elapsed_ms={} \
         peer=10.0.0.{}\n",
        time(micros),
        micros % 977,
        micros % 251
    )
}

/// Fills the files of a log with records, each in order; all are of about the same size.
pub(crate) fn fill(directory: &Path, form: Form, files: usize, each: usize) -> Vec<PathBuf> {
    let names = (0..files).map(|n| match n {
        0 => "app.log".to_owned(),
        n => format!("app.{n:03}.log"),
    });
    let paths: Vec<PathBuf> = names.map(|name| directory.join(name)).collect();
    let mut buffers = vec![Vec::new(); files];
    let mut left = files * each;
    let mut random = 1_u64;
    let mut micros = 0;
    let flush = |path: &Path, buffer: &mut Vec<u8>| {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(buffer).unwrap();
        buffer.clear();
    };
    while left > 0 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        micros += 1 + (random >> 33) % 100;
        let record = form(micros);
        left = left.saturating_sub(record.len());
        let n = (random >> 40) as usize % files;
        buffers[n].extend_from_slice(record.as_bytes());
        if buffers[n].len() > 64 * 1024 {
            flush(&paths[n], &mut buffers[n]);
        }
    }
    for (path, buffer) in paths.iter().zip(&mut buffers) {
        flush(path, buffer);
    }
    paths
}
