//! `--rotate`: rotates a log now.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use super::complain;
use super::show::escape;
use crate::family::Listing;
use crate::file::{rotate_on_request, FamilyFile};
use crate::sys::FailureScope;

/// Maximum time to wait for a file that another process has locked, and the pause between two
/// tries.
const WAIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(1);

/// Rotates the primary and the variants of each log unless they are empty, and prints the archives.
pub(crate) fn rotate(logs: &[PathBuf]) -> io::Result<ExitCode> {
    let (mut rotated, mut failed) = (0, false);
    for log in logs {
        let files = std::path::absolute(log).and_then(|primary| {
            let listing = Listing::of(&primary)?;
            let current = listing.current();
            let files = current.map(|(number, path)| (number, path.to_owned()));
            Ok((primary, files.collect::<Vec<_>>()))
        });
        let (primary, files) = match files {
            Ok(found) => found,
            Err(error) => {
                complain(format_args!("{}: {error}", log.display()));
                failed = true;
                continue;
            }
        };
        if files.is_empty() {
            complain(format_args!("{}: there is no such log", log.display()));
            failed = true;
        }
        for (number, path) in files {
            match rotate_file(&primary, number, &path) {
                Ok(None) => {}
                Ok(Some(archive)) => {
                    let mut line = Vec::new();
                    escape(&archive.to_string_lossy(), &mut line);
                    line.push(b'\n');
                    io::stdout().write_all(&line)?;
                    rotated += 1;
                }
                Err(error) => {
                    complain(format_args!("{}: {error}", path.display()));
                    failed = true;
                }
            }
        }
    }
    Ok(match (failed, rotated) {
        (true, _) => ExitCode::from(2),
        (false, 0) => ExitCode::from(1),
        (false, _) => ExitCode::SUCCESS,
    })
}

fn rotate_file(primary: &Path, number: u16, path: &Path) -> io::Result<Option<PathBuf>> {
    let began = Instant::now();
    loop {
        match rotate_on_request(path, FamilyFile { primary, number }) {
            Ok(archive) => return Ok(archive),
            Err(error) if error.scope == FailureScope::Locked && began.elapsed() < WAIT => {
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(error.into_cause()),
        }
    }
}
