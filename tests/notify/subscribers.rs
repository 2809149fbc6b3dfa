//! Which subscriber gets a notice, and what it gets.

use std::sync::{Arc, Mutex};
use std::thread;

use tracing::subscriber::with_default;
use tracing::{info, info_span, Dispatch, Level};
use tracing_fallback_file::{FileAppender, TARGET};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{fmt, prelude::*, registry};

use crate::common::{self, hold, lines, scratch, wait_until, write};
use crate::positions::new_stage;
use crate::{await_notices, count, text, Sink, NOTICE};

#[test]
fn text_and_fields_are_exact() {
    let scratch = scratch();
    let seen = Sink::default();
    let file = FileAppender::new(&scratch.log).unwrap();
    let subscriber = registry()
        .with(
            fmt::layer()
                .without_time()
                .with_ansi(false)
                .with_writer(seen.clone()),
        )
        .with(file.attach(fmt::layer().json().with_writer(file.clone())));
    let _held = hold(&scratch.log);
    with_default(subscriber, || {
        info!("the cause");
        await_notices(&scratch, 1);
        wait_until(|| seen.text().contains(NOTICE));
    });
    let (log, variant) = (scratch.log.display(), scratch.variant(1));
    let variant = variant.display();
    let text = seen.text();
    assert_eq!(
        text.lines()
            .find(|line| line.contains(TARGET))
            .unwrap()
            .trim_start(),
        format!("INFO tracing_fallback_file: {NOTICE} original={log} fallback={variant}")
    );
    let notice: serde_json::Value = lines(&scratch.variant(1))
        .iter()
        .find(|line| line.contains(TARGET))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(notice["level"], "INFO");
    assert_eq!(notice["target"], TARGET);
    assert_eq!(
        notice["fields"],
        serde_json::json!({
            "message": NOTICE,
            "original": log.to_string(),
            "fallback": variant.to_string(),
        })
    );
}

#[test]
fn another_thread_holds_a_scoped_default() {
    let stage = new_stage();
    let other = Sink::default();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let subscriber = registry().with(fmt::layer().with_writer(other.clone()));
    let holder = thread::spawn(move || {
        with_default(subscriber, || {
            ready.send(()).unwrap();
            let _ = is_done.recv();
        });
    });
    is_ready.recv().unwrap();
    let info = fmt::layer()
        .with_writer(stage.info.clone())
        .with_filter(LevelFilter::INFO);
    let all = fmt::layer().with_writer(stage.all.clone());
    let file = stage.file.attach(text(&stage.file));
    let dispatch = Dispatch::new(registry().with(info).with(all).with(file));
    stage.switch_and_check("two threads", &dispatch, Level::DEBUG);
    assert_eq!(other.text(), "");
    drop(done);
    holder.join().unwrap();
}

/// One appender in several subscribers: the one that the record came through gets the notice.
#[test]
fn the_subscriber_of_the_record_gets_the_notice() {
    for filtered in [false, true] {
        let scratch = scratch();
        let file = FileAppender::new(&scratch.log).unwrap();
        let sinks = [Sink::default(), Sink::default(), Sink::default()];
        let level = if filtered {
            LevelFilter::TRACE
        } else {
            LevelFilter::INFO
        };
        let subscribers = sinks.clone().map(|sink| {
            let layer = text(&file);
            let layer = if filtered {
                file.attach(layer.with_filter(level)).boxed()
            } else {
                file.attach(layer).boxed()
            };
            let sink = fmt::layer().with_ansi(false).with_writer(sink);
            Dispatch::new(registry().with(layer).with(sink))
        });
        let mut held = vec![hold(&scratch.log)];
        for turn in [1, 0, 2, 1] {
            tracing::dispatcher::with_default(&subscribers[turn], || info!("the cause"));
            let variant = scratch.variant(held.len() as u16);
            let notice = format!("fallback={}", variant.display());
            wait_until(|| sinks[turn].text().contains(&notice));
            held.push(hold(&variant));
        }
        assert_eq!(sinks.map(|sink| count(&sink.text(), NOTICE)), [1, 2, 1]);
        drop(subscribers);
        write(&file, "no subscriber has the layer any more");
    }
}

#[test]
fn it_gets_it_though_another_appender_is_in_it_too() {
    for level in [LevelFilter::TRACE, LevelFilter::INFO] {
        let scratches = [scratch(), scratch()];
        let [a, b] = [0, 1].map(|n: usize| FileAppender::new(&scratches[n].log).unwrap());
        let sink = Sink::default();
        let both = registry()
            .with(b.attach(text(&b).with_filter(level)))
            .with(a.attach(text(&a).with_filter(level)))
            .with(fmt::layer().with_writer(sink.clone()));
        let newest = registry().with(a.attach(text(&a).with_filter(level)));
        let (both, newest) = (Dispatch::new(both), Dispatch::new(newest));
        let _held = hold(a.path());
        tracing::dispatcher::with_default(&both, || info!("the cause"));
        wait_until(|| count(&sink.text(), NOTICE) == 1);
        drop(newest);
    }
}

#[test]
fn notices_of_two_appenders_cross() {
    let scratches = [scratch(), scratch()];
    let files = [0, 1].map(|n: usize| FileAppender::new(&scratches[n].log).unwrap());
    let subscriber = registry()
        .with(files[0].attach(text(&files[0])))
        .with(files[1].attach(text(&files[1])));
    let _held = [0, 1].map(|n: usize| hold(&scratches[n].log));
    with_default(subscriber, || {
        info!("the cause");
        scratches
            .iter()
            .for_each(|scratch| await_notices(scratch, 2));
    });
    for scratch in &scratches {
        let found = lines(&scratch.variant(1));
        for other in &scratches {
            let notice = format!("{NOTICE} original={}", other.log.display());
            let n = found.iter().filter(|line| line.contains(&notice)).count();
            assert_eq!(n, 1, "{found:#?}");
        }
        assert_eq!(found.len(), 3);
    }
}

#[test]
fn records_of_spans_switch_too() {
    for json in [false, true] {
        let stage = new_stage();
        let layer = fmt::layer()
            .with_span_events(FmtSpan::FULL)
            .with_writer(stage.file.clone());
        let layer = if json {
            layer.json().boxed()
        } else {
            layer.with_ansi(false).boxed()
        };
        let subscriber = registry()
            .with(stage.file.attach(layer))
            .with(fmt::layer().with_writer(stage.all.clone()));
        let held = hold(&stage.scratch.log);
        with_default(subscriber, || {
            let span = info_span!("outer", answer = 42);
            drop(held);
            let held = hold(&stage.scratch.variant(1));
            span.in_scope(|| {
                info!("within");
                drop(held);
            });
            await_notices(&stage.scratch, 2);
            wait_until(|| count(&stage.all.text(), NOTICE) == 2);
        });
        let found = common::family_lines(&stage.scratch.log);
        let n = |part: &str| found.iter().filter(|line| line.contains(part)).count();
        // New, two notices, enter, within, exit, close.
        assert_eq!(
            (n(NOTICE), n("within"), found.len()),
            (2, 1, 7),
            "{found:#?}"
        );
        assert_eq!(count(&stage.all.text(), NOTICE), 2);
    }
}

#[test]
fn through_non_blocking() {
    let stage = new_stage();
    let (writer, guard) = stage.file.non_blocking();
    let layer = stage
        .file
        .attach(fmt::layer().with_ansi(false).with_writer(writer));
    let subscriber = registry()
        .with(layer)
        .with(fmt::layer().with_writer(stage.all.clone()));
    let _held = hold(&stage.scratch.log);
    with_default(subscriber, || {
        info!("the cause");
        wait_until(|| stage.file.stats().written == 2 && stage.all.text().contains(NOTICE));
    });
    drop(guard);
    let found = lines(&stage.scratch.variant(1));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].contains("the cause") && found[1].contains(NOTICE),
        "{found:#?}"
    );
    assert_eq!(count(&stage.all.text(), NOTICE), 1);
}

#[test]
fn a_filter_that_hides_the_notice_hides_nothing_from_on_switch() {
    let scratch = scratch();
    let switches = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&switches);
    let file = FileAppender::builder()
        .on_switch(move |_| *counter.lock().unwrap() += 1)
        .build(&scratch.log)
        .unwrap();
    let layer = file
        .attach(text(&file))
        .with_filter(EnvFilter::new("notify=debug"));
    let _held = hold(&scratch.log);
    with_default(registry().with(layer), || {
        info!("the cause");
        wait_until(|| *switches.lock().unwrap() > 0);
    });
    let found = lines(&scratch.variant(1));
    assert!(
        found.len() == 1 && found[0].contains("the cause"),
        "{found:?}"
    );
    assert_eq!(*switches.lock().unwrap(), 1);
}

/// Panics in the first notice, when it is told to.
struct Panics {
    told: Mutex<Option<std::sync::mpsc::Receiver<()>>>,
    output: Sink,
}

impl<'a> MakeWriter<'a> for Panics {
    type Writer = Sink;

    fn make_writer(&'a self) -> Sink {
        self.output.clone()
    }

    fn make_writer_for(&'a self, event: &tracing::Metadata<'_>) -> Sink {
        if event.target() == TARGET {
            let told = self.told.lock().unwrap().take();
            if let Some(told) = told {
                told.recv().unwrap();
                panic!("this panic is part of a test");
            }
        }
        self.output.clone()
    }
}

/// `fmt` leaves the text of the event in the buffer of the thread.
#[test]
fn a_layer_that_panics_spoils_no_other_notice_and_no_on_switch() {
    let scratch = scratch();
    let (tell, told) = std::sync::mpsc::channel();
    let (switched, switches) = std::sync::mpsc::channel();
    let file = FileAppender::builder()
        .on_switch(move |switch| switched.send(switch.fallback.clone()).unwrap())
        .build(&scratch.log)
        .unwrap();
    let output = Sink::default();
    let panics = Panics {
        told: Mutex::new(Some(told)),
        output: output.clone(),
    };
    let subscriber = registry().with(file.attach(text(&file))).with(
        fmt::layer()
            .with_ansi(false)
            .without_time()
            .with_writer(panics),
    );
    let _held = hold(&scratch.log);
    with_default(subscriber, || {
        info!("one");
        let _held = hold(&scratch.variant(1));
        info!("two");
        tell.send(()).unwrap();
        let seen: Vec<_> = switches.iter().take(2).collect();
        assert_eq!(seen, [scratch.variant(1), scratch.variant(2)]);
    });
    // The first layer gets the second notice with the buffer that the panic has left.
    assert_eq!(count(&output.text(), NOTICE), 1);
    let in_files = common::family_lines(&scratch.log);
    let notices = in_files.iter().filter(|line| line.contains(NOTICE)).count();
    assert_eq!((notices, in_files.len()), (2, 4), "{in_files:#?}");
}

/// A registry has 64 ids for per-layer filters.
#[test]
fn around_a_plain_layer_it_takes_no_filter_id() {
    let scratch = scratch();
    let file = FileAppender::new(&scratch.log).unwrap();
    let layers: Vec<_> = (0..64)
        .map(|_| {
            let layer = fmt::layer().with_ansi(false).with_writer(file.clone());
            file.attach(layer).with_filter(LevelFilter::INFO)
        })
        .collect();
    with_default(registry().with(layers), || info!("to all"));
    assert_eq!(lines(&scratch.log).len(), 64);
}

/// The limit in the documentation of `attach`: around a layer with a filter it takes one id, beside
/// that of the filter.
#[test]
fn around_a_filtered_layer_it_takes_one_filter_id() {
    let scratch = scratch();
    let file = FileAppender::new(&scratch.log).unwrap();
    let layers = |number: usize| -> Vec<_> {
        let layer = || {
            let layer = fmt::layer().with_ansi(false).with_writer(file.clone());
            file.attach(layer.with_filter(LevelFilter::INFO))
        };
        std::iter::repeat_with(layer).take(number).collect()
    };
    let subscriber = registry().with(layers(32));
    with_default(subscriber, || info!("to all"));
    assert_eq!(lines(&scratch.log).len(), 32);
    let too_many = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = registry().with(layers(33));
    }));
    assert!(too_many.is_err());
}
