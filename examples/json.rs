//! JSON lines in the file, text on stdout.

use tracing_fallback_file::FileAppender;
use tracing_subscriber::{fmt, prelude::*};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("app.log");

    let file = FileAppender::new(&path)?;
    tracing_subscriber::registry()
        .with(fmt::layer())
        .with(file.json_layer())
        .init();

    for order in 1..=3 {
        tracing::info!(order, total = order as f64 * 9.99, "order placed");
    }

    let mut total = 0.0;
    for line in std::fs::read_to_string(&path)?.lines() {
        let record: serde_json::Value = serde_json::from_str(line)?;
        total += record["fields"]["total"].as_f64().unwrap_or_default();
    }
    println!("read back from the log: {total:.2}");
    Ok(())
}
