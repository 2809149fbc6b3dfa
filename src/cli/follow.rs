//! A log that is followed.

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::cursor_file::CursorFile;
use super::messages::complain;
use super::print::Printer;
use crate::read::Follow;

/// How often a followed log is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Prints what is in the logs and what comes, until nobody reads it.
pub(crate) fn watch<W: Write>(
    logs: &[PathBuf],
    mut follows: Vec<Follow>,
    mut cursor_file: Option<CursorFile>,
    printer: &mut Printer<'_, W>,
) -> io::Result<()> {
    for (log, follow) in logs.iter().zip(&mut follows) {
        let mut first = follow.poll();
        if !follow.found_any() {
            complain(format_args!("{}: there is no such log yet", log.display()));
        }
        printer.all(&mut first)?;
    }
    loop {
        printer.out.flush()?;
        if let (Some(file), [follow]) = (&mut cursor_file, &*follows) {
            file.save(follow)?;
        }
        if nobody_reads() {
            return Ok(());
        }
        thread::sleep(EVERY);
        for follow in &mut follows {
            printer.all(&mut follow.poll())?;
        }
    }
}

/// Each file of a log that is written to stays open.
#[cfg(unix)]
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        // More than that macOS does not grant, whatever its limit says.
        current: Some(limit.maximum.map_or(10_240, |most| most.min(10_240))),
        ..limit
    };
    // Where it can't be raised, files that can't be opened are reported.
    let _ = setrlimit(Resource::Nofile, raised);
}

#[cfg(not(unix))]
pub(crate) fn raise_descriptor_limit() {}

/// Whether standard output is a pipe that nobody reads any more.
#[cfg(unix)]
fn nobody_reads() -> bool {
    use rustix::event::{poll, PollFd, PollFlags, Timespec};
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::ERR)
}

#[cfg(not(unix))]
fn nobody_reads() -> bool {
    false
}
