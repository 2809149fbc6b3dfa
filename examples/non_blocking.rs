//! Off the caller's thread: events are queued in a mapped file, and a thread writes them in batches.
//! What is queued when the process is killed, the next one writes.

use std::time::Duration;

use tracing_fallback_file::{FileAppender, QueuePlace};
use tracing_subscriber::{fmt, prelude::*};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("app.log");

    let file = FileAppender::builder()
        .queue_size(256 * 1024)
        .build(&path)?;
    let (writer, guard) = file.non_blocking();
    tracing_subscriber::registry()
        .with(file.attach(fmt::layer().with_ansi(false).with_writer(writer)))
        .init();

    for n in 0..1_000 {
        tracing::info!(n, "no waiting for the disk");
    }

    // In a service the guard lives until the end of `main`; its drop writes what is queued, for 5 s.
    guard.shutdown(Duration::from_secs(10))?;
    let stats = file.stats();
    let lines = std::fs::read_to_string(&path)?.lines().count();
    println!(
        "{lines} lines in the file, written in {} commits",
        stats.commits
    );
    match stats.queue {
        QueuePlace::File => println!("the queue was in a file"),
        _ => println!("the queue was in memory: there can be no file for it here"),
    }
    Ok(())
}
