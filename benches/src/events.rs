//! Whole events, from the macro to the file.

use std::io::{self, Write};
use std::sync::Arc;

use tracing::info;
use tracing::subscriber::with_default;
use tracing_subscriber::{fmt, prelude::*, registry, Layer, Registry};

use crate::logs::{Contender, Log, OURS, PEERS};
use crate::measure::{calls_in_turns, ratio, timed, Calls, Effort};
use crate::place::DISK;
use crate::report::Report;

const EVENTS: usize = 20_000;

pub fn events(report: &mut Report, effort: Effort) {
    // tracing-appender first: the others are compared with it.
    let [first, others @ ..] = PEERS;
    let contenders: Vec<Contender> = [first, OURS].into_iter().chain(others).collect();
    report.section(
        "Whole events",
        "`info!` with three fields, formatted by `fmt` and written to the disk by the thread that \
         logs. The ratio is of the time for an event to that with tracing-appender.",
    );
    for format in ["text", "JSON"] {
        let turns = calls_in_turns(effort, contenders.len(), |n| {
            let dir = DISK.directory();
            let log = (contenders[n].open)(&dir.path().join("app.log"));
            let subscriber = registry().with(layer(format, log));
            with_default(subscriber, || {
                let events = effort.records(EVENTS) as u64;
                (0..100).for_each(event);
                let took = timed(|| (0..events).for_each(event));
                let mut calls = Calls::new();
                (0..events).for_each(|n| calls.time(|| event(n)));
                (took.as_secs_f64(), calls)
            })
        });
        report.table(
            format,
            "log | ratio | p50 µs | p99 µs | p99.9 µs | longest µs",
            contenders.iter().zip(&turns).map(|(contender, turn)| {
                let ratio = ratio(&turn.0, &turns[0].0);
                format!("{} | {ratio:.2} | {}", contender.name, turn.1.cells())
            }),
        );
    }
}

fn event(n: u64) {
    info!(n, path = "/orders/4711", took = ?std::time::Duration::from_micros(n), "answered");
}

fn layer(format: &str, log: Log) -> Box<dyn Layer<Registry> + Send + Sync> {
    let log = Arc::new(log);
    let layer = fmt::layer()
        .with_ansi(false)
        .with_writer(move || To(Arc::clone(&log)));
    match format {
        "JSON" => layer.json().boxed(),
        _ => layer.boxed(),
    }
}

struct To(Arc<Log>);

impl Write for To {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        (self.0)(record);
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
