//! `--recover`: writes to the log what is in the queues of processes that are gone.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::complain;
use super::show::escape;
use crate::appender::FileAppender;
use crate::family::Family;
use crate::queue::orphans;

/// Recovers the orphaned queues of each log, and prints the number of records.
pub(crate) fn recover(logs: &[PathBuf], queue_dir: Option<&Path>) -> io::Result<ExitCode> {
    let (mut recovered, mut failed) = (false, false);
    for log in logs {
        match recover_log(log, queue_dir, &mut failed) {
            Ok(Some((records, queues))) => {
                let mut line = Vec::new();
                escape(&log.to_string_lossy(), &mut line);
                let (records, queues) = (number(records, "record"), number(queues, "queue"));
                line.extend(format!(": {records} from {queues}\n").into_bytes());
                io::stdout().write_all(&line)?;
                recovered = true;
            }
            Ok(None) => {}
            Err(error) => {
                complain(format_args!("{}: {error}", log.display()));
                failed = true;
            }
        }
    }
    Ok(match (failed, recovered) {
        (true, _) => ExitCode::from(2),
        (false, false) => ExitCode::from(1),
        (false, true) => ExitCode::SUCCESS,
    })
}

fn number(n: impl Display, of_what: &str) -> String {
    let n = n.to_string();
    let plural = if n == "1" { "" } else { "s" };
    format!("{n} {of_what}{plural}")
}

/// Returns how many records have been written to the log and how many queues have been removed;
/// `None` if there was no queue.
fn recover_log(
    log: &Path,
    queue_dir: Option<&Path>,
    failed: &mut bool,
) -> io::Result<Option<(u64, usize)>> {
    let files = Family::of(log)?;
    let mut queues = 0_usize;
    for (path, queue) in orphans(log, queue_dir)? {
        match queue {
            Ok(_) => queues += 1,
            // It is no queue, or another user's: it stays as it is.
            Err(error) => complain(format_args!("{}: {error}", path.display())),
        }
    }
    if queues == 0 {
        let is_log =
            files.primary.is_some() || !files.variants.is_empty() || !files.archives.is_empty();
        return match is_log {
            true => Ok(None),
            false => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "there is no such log",
            )),
        };
    }
    let mut builder = FileAppender::builder();
    if let Some(path) = queue_dir {
        builder = builder.queue_dir(path);
    }
    let appender = builder.build(log).map_err(io::Error::other)?;
    let records = appender.stats().written;
    drop(appender);
    for (path, queue) in orphans(log, queue_dir)? {
        if let Ok(queue) = queue {
            let left = number(queue.records(), "record");
            complain(format_args!(
                "{}: no file of the log takes what is in it: {left}",
                path.display()
            ));
            *failed = true;
            queues = queues.saturating_sub(1);
        }
    }
    Ok(Some((records, queues)))
}
