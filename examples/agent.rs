//! One of several agents that share a log: `cargo run --example agent -- alice logs/agents.log`, in
//! as many terminals as you like. stdout has the notice, if another program locks the log.

use std::env;
use std::thread;
use std::time::Duration;

use tracing_fallback_file::{FileAppender, TARGET};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{fmt, prelude::*};

const PAUSE: Duration = Duration::from_millis(400);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(name), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("agent NAME LOG".into());
    };
    let file = FileAppender::new(path)?;
    let notices = Targets::new().with_target(TARGET, LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(file.layer())
        .with(fmt::layer().with_ansi(false).with_filter(notices))
        .init();

    for task in 1..=5 {
        tracing::info!(task, "{name} is done");
        thread::sleep(PAUSE);
    }
    Ok(())
}
