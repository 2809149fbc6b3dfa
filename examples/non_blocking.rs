//! Off the caller's thread: events are queued, and a thread writes them in batches.

use tracing_fallback_file::FileAppender;
use tracing_subscriber::{fmt, prelude::*};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("app.log");

    let file = FileAppender::builder()
        .buffered_lines(10_000)
        .build(&path)?;
    let (writer, guard) = file.non_blocking();
    tracing_subscriber::registry()
        .with(file.attach(fmt::layer().with_ansi(false).with_writer(writer)))
        .init();

    for n in 0..1_000 {
        tracing::info!(n, "no waiting for the disk");
    }

    // In a service the guard lives until the end of `main`; its drop writes what is queued.
    drop(guard);
    let stats = file.stats();
    let lines = std::fs::read_to_string(&path)?.lines().count();
    println!(
        "{lines} lines in the file, written in {} commits",
        stats.commits
    );
    Ok(())
}
