//! Two layers, each with its filter: INFO and above in colour on stdout, DEBUG and above in the
//! file, without colours.

use tracing_fallback_file::FileAppender;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{fmt, prelude::*};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("app.log");

    let file = FileAppender::new(&path)?;
    tracing_subscriber::registry()
        .with(fmt::layer().with_ansi(true).with_filter(LevelFilter::INFO))
        .with(file.layer().with_filter(LevelFilter::DEBUG))
        .init();

    tracing::info_span!("request", id = 7).in_scope(|| {
        tracing::debug!("only in the file");
        tracing::info!("in both");
    });

    println!("--- {} has:", path.display());
    print!("{}", std::fs::read_to_string(&path)?);
    Ok(())
}
