//! The pager, for output on a terminal.

use std::process::{Command, Stdio};
use std::{env, io};

/// Set for the process that writes to the pager.
const PAGED: &str = "FALLBACK_LOG_PAGED";

/// Returns true if standard output is a pipe to a pager on a terminal.
pub(crate) fn is_paged() -> bool {
    env::var_os(PAGED).is_some()
}

/// Replaces this process by the pager that the environment names, or by `less`, which ends by
/// itself if the output fits on one screen. A second process of this command writes to the pager:
/// ctrl-C ends that one, and what it has found stays on the screen. Returns if there is no pager.
pub(crate) fn page() -> io::Result<()> {
    let name = env::var("PAGER")
        .ok()
        .filter(|name| !name.trim().is_empty());
    let name = name.unwrap_or_else(|| "less".into());
    let mut words = name.split_whitespace();
    let mut pager = Command::new(words.next().unwrap_or_default());
    pager.args(words);
    if env::var_os("LESS").is_none() {
        pager.env("LESS", "FRX");
    }
    let mut reader = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(PAGED, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(output) = reader.stdout.take() {
        pager.stdin(output);
    }
    become_pager(pager)?;
    // There is no pager: the records are shown without one.
    let _ = reader.kill();
    reader.wait().map(drop)
}

#[cfg(unix)]
fn become_pager(mut pager: Command) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    let _ = pager.exec();
    Ok(())
}

#[cfg(not(unix))]
fn become_pager(mut pager: Command) -> io::Result<()> {
    match pager.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(_) => Ok(()),
    }
}
