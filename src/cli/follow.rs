//! Follows logs: prints records as they are written.

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::cursor_file::CursorFile;
use super::messages::complain;
use super::print::Printer;
use crate::read::Follow;

/// The pause between two polls of a followed log.
const EVERY: Duration = Duration::from_millis(100);

/// Prints the records of the logs, and those that are written later, until nobody reads the output.
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

/// Raises the limit of open files: each followed file that is written to stays open.
#[cfg(unix)]
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        // macOS refuses a higher value, whatever the maximum says.
        current: Some(limit.maximum.map_or(10_240, |most| most.min(10_240))),
        ..limit
    };
    // If this fails, files that can't be opened for that reason are reported.
    let _ = setrlimit(Resource::Nofile, raised);
}

#[cfg(not(unix))]
pub(crate) fn raise_descriptor_limit() {}

/// Returns true if standard output is a pipe that nobody reads any more.
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
