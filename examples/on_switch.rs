//! A callback at every switch, for programs whose filter hides the notice or that count switches.

use std::fs::OpenOptions;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tracing_fallback_file::{Family, FileAppender, SwitchReason};
use tracing_subscriber::{prelude::*, EnvFilter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("app.log");

    let switches = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&switches);
    let file = FileAppender::builder()
        .lock_wait(Duration::from_millis(5))
        .return_to_primary(Duration::ZERO)
        .on_switch(move |switch| {
            counter.fetch_add(1, Ordering::Relaxed);
            let name = switch
                .fallback
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            match &switch.reason {
                SwitchReason::Locked => println!("locked, now in {name}"),
                SwitchReason::Inaccessible(kind) => println!("{kind}, now in {name}"),
                SwitchReason::Returned => println!("back from {name}"),
                reason => println!("{reason:?}, {name}"),
            }
        })
        .build(&path)?;
    // This filter lets the example's own events through, and no notice.
    tracing_subscriber::registry()
        .with(file.layer())
        .with(EnvFilter::new("on_switch=info"))
        .init();

    tracing::info!("in the primary");
    {
        // Somebody else takes the lock.
        let holder = OpenOptions::new().read(true).append(true).open(&path)?;
        let mut holder = fd_lock::RwLock::new(holder);
        let _held = holder.write()?;
        tracing::info!("in the variant");
    }
    tracing::info!("in the primary again");

    let files = Family::of(&path)?;
    for file in files.primary.iter().chain(&files.variants) {
        let lines = std::fs::read_to_string(file)?.lines().count();
        println!(
            "{}: {lines}",
            file.file_name().unwrap_or_default().to_string_lossy()
        );
    }
    println!("{} switches", switches.load(Ordering::Relaxed));
    Ok(())
}
