//! The sources of records: logs, or a stream such as standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;

use super::args::{Args, Output};
use crate::read::{Merge, MergeBuilder};

/// Logs, or streams, which can be read only once.
pub(crate) enum Sources {
    Logs(Vec<PathBuf>),
    Stream(PathBuf),
}

impl Sources {
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Sources::Stream(_))
    }

    pub(crate) fn open(&self, builder: &MergeBuilder) -> io::Result<Merge> {
        match self {
            Sources::Logs(logs) => builder.open_all(logs),
            Sources::Stream(path) => {
                let stream: Box<dyn Read + Send> = match path.as_os_str() == "-" {
                    true => Box::new(io::stdin()),
                    false => Box::new(File::open(path)?),
                };
                let mut stream = BufReader::new(stream);
                let is_compressed = stream.fill_buf()?.starts_with(&[0x1f, 0x8b]);
                // Each record is returned at once: none waits to be put in order.
                let builder = builder.clone().window(Duration::ZERO);
                Ok(match is_compressed {
                    true => builder.read(path, MultiGzDecoder::new(stream)),
                    false => builder.read(path, stream),
                })
            }
        }
    }
}

pub(crate) fn sources(args: &Args, logs: &[PathBuf]) -> Result<Sources, String> {
    if let (Some(since), Some(until)) = (args.since, args.until) {
        if since > until {
            return Err("--since is after --until".into());
        }
    }
    if args.output == Some(Output::Json) && !args.list && !args.stats {
        return Err("--output json is for --list and --stats; raw is as it is in the file".into());
    }
    let is_stream = |log: &PathBuf| {
        // A file that a shell opens for `<(…)` has no name of its own.
        log.as_os_str() == "-"
            || log.starts_with("/dev/fd")
            || log.starts_with("/dev/stdin")
            || log.starts_with("/proc")
            || log
                .metadata()
                .is_ok_and(|found| !found.is_file() && !found.is_dir())
    };
    if let Some(stream) = logs.iter().find(|log| is_stream(log)) {
        let name = stream.display();
        if logs.len() > 1 {
            return Err(format!("{name}: a pipe can't be read beside other logs"));
        }
        if args.follow || args.list || args.cursor_file.is_some() {
            return Err(format!(
                "{name}: it is a pipe, which ends by itself and has no other files"
            ));
        }
        return Ok(Sources::Stream(stream.clone()));
    }
    if args.cursor_file.is_some() && logs.len() > 1 {
        return Err("--cursor-file keeps the place in one log; name one".into());
    }
    for log in logs {
        if let Some(why) = no_log(log) {
            return Err(format!("{}: {why}", log.display()));
        }
    }
    Ok(Sources::Logs(logs.to_vec()))
}

/// `app.log/` of a file is the file.
pub(crate) fn without_slash(log: &Path) -> PathBuf {
    let stripped: PathBuf = log.components().collect();
    match log.as_os_str() != stripped.as_os_str() && stripped.is_file() {
        true => stripped,
        false => log.to_owned(),
    }
}

/// Why the path can't be a log.
fn no_log(log: &Path) -> Option<&'static str> {
    let Some(_) = log.file_name() else {
        return Some("there is no file name at its end");
    };
    match log.metadata() {
        Ok(found) if found.is_dir() => Some("it is a directory; name the log in it"),
        _ if writes_to(log) => Some("it is where the output goes"),
        _ => None,
    }
}

/// Returns true if standard output is a file of the log: the command would read what it writes,
/// without end.
#[cfg(unix)]
fn writes_to(log: &Path) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let Ok(stdout) = stdout.and_then(|stdout| stdout.metadata()).map(identity) else {
        return false;
    };
    let is_it = |path: &PathBuf| path.metadata().is_ok_and(|found| identity(found) == stdout);
    crate::family::Family::of(log).is_ok_and(|family| {
        let current = family.primary.iter().chain(&family.variants);
        current.chain(&family.archives).any(is_it)
    })
}

#[cfg(not(unix))]
fn writes_to(_: &Path) -> bool {
    false
}
