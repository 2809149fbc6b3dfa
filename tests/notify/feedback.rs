//! The record of a notice may itself find its file locked: that must not go on for ever.

use crate::common;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use common::{family, hold, scratch, try_hold, wait_until, Held};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_fallback_file::{FileAppender, TARGET};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;

/// Locks the file that a notice names before the notice's record goes there.
#[derive(Default)]
struct Scanner(Mutex<Vec<Held>>);

impl<S: Subscriber> Layer<S> for Scanner {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        #[derive(Default)]
        struct Fallback(Option<PathBuf>);
        impl Visit for Fallback {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "fallback" {
                    self.0 = Some(PathBuf::from(format!("{value:?}")));
                }
            }
        }
        if event.metadata().target() == TARGET {
            let mut fallback = Fallback::default();
            event.record(&mut fallback);
            let held = try_hold(&fallback.0.unwrap());
            self.0.lock().unwrap().extend(held);
        }
    }
}

#[test]
fn a_notice_s_own_record_starts_no_other_notice() {
    common::keep_subscribers();
    let scratch = scratch();
    let file = common::with_lock_wait(&scratch.log, Duration::ZERO);
    let subscriber = tracing_subscriber::registry()
        .with(Scanner::default())
        .with(file.attach(fmt::layer().with_ansi(false).with_writer(file.clone())));
    let _held = hold(&scratch.log);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("one");
        // Out, and its record in a file.
        wait_until(|| file.stats().written == 2);
        assert_eq!(file.stats().switches, 2);
        tracing::info!("two");
        wait_until(|| file.stats().written == 4);
        assert_eq!(
            file.stats().switches,
            3,
            "the notice that was held back is out"
        );
    });
    // The primary, which is locked, and three variants.
    assert_eq!(family(&scratch.log).unwrap().len(), 4);
}

#[test]
fn appenders_in_one_subscriber_do_not_keep_each_other_busy() {
    common::keep_subscribers();
    let scratch = scratch();
    let build = |_| {
        FileAppender::builder()
            .lock_wait(Duration::ZERO)
            .return_to_primary(Duration::ZERO)
            .build(&scratch.log)
            .unwrap()
    };
    let files: [FileAppender; 4] = [0, 1, 2, 3].map(build);
    let layer = |file: &FileAppender| {
        let layer = fmt::layer().with_ansi(false).with_writer(file.clone());
        file.attach(layer).boxed()
    };
    let layers: Vec<_> = files.iter().map(layer).collect();
    let [a, b, c, d]: [_; 4] = layers.try_into().ok().unwrap();
    let subscriber = tracing_subscriber::registry().with(a.and_then(b).and_then(c).and_then(d));
    let is_scanning = AtomicBool::new(true);
    let pause = || {
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(300) {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            while is_scanning.load(Ordering::Relaxed) {
                let held = try_hold(&scratch.log);
                pause();
                drop(held);
                pause();
            }
        });
        let written = || files.iter().map(|file| file.stats().written).sum::<u64>();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..10 {
                let before = written();
                tracing::info!("one event");
                // Nobody logs meanwhile; what is still written, the appenders write by themselves.
                thread::sleep(Duration::from_millis(200));
                let records = written() - before;
                // Each of the four may switch twice for the event, there and back, and have one
                // notice that was held back; each notice makes four records.
                assert!(records <= 4 + 4 * 3 * 4, "{records} records of one event");
            }
        });
        is_scanning.store(false, Ordering::Relaxed);
    });
}
