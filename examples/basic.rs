//! One file, one line in `main`.

use tracing_fallback_file::FileAppender;
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("logs/app.log");

    let file = FileAppender::new(&path)?;
    tracing_subscriber::registry().with(file.layer()).init();

    tracing::info!(answer = 42, "hello");
    tracing::warn!("and goodbye");

    print!("{}", std::fs::read_to_string(&path)?);
    Ok(())
}
