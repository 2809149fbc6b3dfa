//! Many switches within a second.

use std::fmt::Debug;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::subscriber::with_default;
use tracing::{info, Event, Subscriber};
use tracing_fallback_file::{FileAppender, TARGET};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::{prelude::*, registry};

use crate::common::{self, hold, scratch, wait_until, within_attempts, write};
use crate::NOTICE;

const SWITCHES: u64 = 40;
const SUMMARY: &str = "File switched more times within a second:";

/// The fields of one notice.
#[derive(Clone, Debug, Default)]
struct Fields {
    message: String,
    original: String,
    fallback: String,
    count: u64,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            "original" => self.original = text,
            "fallback" => self.fallback = text,
            other => panic!("{other}"),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        assert_eq!(field.name(), "count");
        self.count = value;
    }
}

/// Keeps the notices.
#[derive(Clone, Default)]
struct Notices(Arc<Mutex<Vec<Fields>>>);

impl Notices {
    fn get(&self) -> Vec<Fields> {
        self.0.lock().unwrap().clone()
    }

    /// The number of switches that they stand for.
    fn switches(&self) -> u64 {
        let switches = self.get();
        let switches = switches.iter().map(|notice| match notice.message.as_str() {
            NOTICE => 1,
            SUMMARY => notice.count,
            other => panic!("{other}"),
        });
        switches.sum()
    }
}

impl<S: Subscriber> Layer<S> for Notices {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == TARGET {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields);
        }
    }
}

/// An appender that switches for each record. They come without a layer on the file, so that the
/// records of the notices don't go there.
struct Burst {
    file: FileAppender,
    notices: Notices,
    told: Arc<AtomicU64>,
}

impl Burst {
    fn new(log: &Path) -> Burst {
        common::keep_subscribers();
        let told = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&told);
        let file = FileAppender::builder()
            .lock_wait(Duration::ZERO)
            .on_switch(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            })
            .build(log)
            .unwrap();
        let notices = Notices::default();
        Burst {
            file,
            notices,
            told,
        }
    }

    /// Locks each file that the appender is in, then runs `after` in the same subscriber.
    fn run<T>(&self, after: impl FnOnce() -> T) -> T {
        let subscriber = registry().with(self.file.attach(self.notices.clone()));
        let mut held = Vec::new();
        with_default(subscriber, || {
            info!("notes the subscriber of this thread");
            for _ in 0..SWITCHES {
                held.push(hold(&self.file.current_path()));
                write(&self.file, "the cause");
            }
            assert_eq!(self.file.stats().switches, SWITCHES);
            after()
        })
    }
}

#[test]
fn many_switches_have_few_notices_and_on_switch_gets_each() {
    let scratch = scratch();
    let burst = Burst::new(&scratch.log);
    burst.run(|| {
        wait_until(|| burst.told.load(Ordering::SeqCst) == SWITCHES);
        // Without another call.
        wait_until(|| burst.notices.switches() == SWITCHES);
    });
    let found = burst.notices.get();
    assert!(found.len() < SWITCHES as usize, "{found:?}");
    let newest = found.last().unwrap();
    assert_eq!(newest.original, scratch.log.display().to_string());
    let latest = scratch.variant(SWITCHES as u16).display().to_string();
    assert_eq!(newest.fallback, latest);
    // A slow machine may need more than one second for them.
    for of_one_second in found.split(|notice| notice.message == SUMMARY) {
        assert!(of_one_second.len() <= 10, "{found:?}");
    }
}

#[test]
fn a_flush_announces_the_others_before_the_end_of_their_second() {
    within_attempts(20, || {
        let scratch = scratch();
        let burst = Burst::new(&scratch.log);
        let began = Instant::now();
        let announced = burst.run(|| {
            burst.file.flush(Duration::from_secs(60)).unwrap();
            burst.notices.switches()
        });
        let took = began.elapsed();
        match announced == SWITCHES && took < Duration::from_secs(1) {
            true => Ok(()),
            false => Err(format!("{announced} announced, {took:?} after the first")),
        }
    });
}
