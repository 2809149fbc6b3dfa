//! `attach` makes no difference: the same events, levels and answers with and without it, in
//! thousands of arrangements. In a process of its own, because the subscribers of other tests
//! change what `enabled!` answers.

mod common;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::callsite::{Callsite, Identifier};
use tracing::field::FieldSet;
use tracing::level_filters::LevelFilter;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Level, Metadata, Subscriber};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::filter::{dynamic_filter_fn, filter_fn, EnvFilter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{fmt, prelude::*, registry, Layer};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Boxed<S> = Box<dyn Layer<S> + Send + Sync>;

const KINDS: usize = 14;
const OUTSIDES: usize = 3;

/// A layer that writes into `sink`, with filters of kind `kind`, attached or not, and with a
/// filter outside of that.
fn layer<S>(kind: usize, outside: usize, sink: &Sink, file: Option<&FileAppender>) -> Boxed<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let sink = sink.clone();
    let plain = fmt::layer()
        .with_ansi(false)
        .without_time()
        .with_writer(move || sink.clone());
    let inside: Boxed<S> = match kind {
        0 => plain.boxed(),
        1 => plain.with_filter(LevelFilter::INFO).boxed(),
        2 => plain.with_filter(LevelFilter::DEBUG).boxed(),
        3 => plain
            .with_filter(filter_fn(|event| *event.level() <= Level::WARN))
            .boxed(),
        4 => plain
            .with_filter(EnvFilter::new("attach=debug,x=trace"))
            .boxed(),
        5 => plain
            .with_filter(EnvFilter::new("attach[span]=trace,warn"))
            .boxed(),
        6 => {
            let in_a_span =
                |event: &tracing::Metadata<'_>,
                 context: &tracing_subscriber::layer::Context<'_, S>| {
                    event.is_span() || context.lookup_current().is_some()
                };
            plain.with_filter(dynamic_filter_fn(in_a_span)).boxed()
        }
        7 => Layer::<S>::and_then(LevelFilter::WARN, plain).boxed(),
        8 => Layer::<S>::and_then(LevelFilter::DEBUG, plain.with_filter(LevelFilter::INFO)).boxed(),
        9 => plain.with_filter(None::<LevelFilter>).boxed(),
        10 => Some(plain.with_filter(LevelFilter::INFO)).boxed(),
        11 => {
            let level: Boxed<S> = LevelFilter::INFO.boxed();
            vec![plain.with_filter(LevelFilter::DEBUG).boxed(), level].boxed()
        }
        12 => plain.with_filter(filter_fn(|_| false)).boxed(),
        _ => plain
            .with_filter(LevelFilter::INFO)
            .and_then(EnvFilter::new("attach=debug"))
            .boxed(),
    };
    let attached = match file {
        Some(file) => file.attach(inside).boxed(),
        None => inside,
    };
    match outside {
        0 => attached,
        1 => attached.with_filter(LevelFilter::INFO).boxed(),
        _ => attached
            .with_filter(filter_fn(|event| *event.level() <= Level::DEBUG))
            .boxed(),
    }
}

fn events() {
    tracing::trace!("trace");
    tracing::debug!("debug");
    tracing::info!("info");
    tracing::warn!("warn");
    let span = tracing::info_span!("span").entered();
    tracing::trace!("trace in a span");
    tracing::debug!("debug in a span");
    tracing::info!("info in a span");
    let inner = tracing::debug_span!("inner").entered();
    tracing::debug!("debug in two");
    tracing::info!("info in two");
    drop((inner, span));
}

/// A callsite that nobody has hit: tracing caches nothing about it.
struct Asked(Metadata<'static>);

impl Callsite for Asked {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &self.0
    }
}

macro_rules! asked {
    ($name:ident, $level:expr, $target:literal, $kind:expr) => {{
        static $name: Asked = Asked(Metadata::new(
            "span",
            $target,
            $level,
            None,
            None,
            None,
            FieldSet::new(&[], Identifier(&$name)),
            $kind,
        ));
        &$name.0
    }};
}

/// The interest of a subscriber in events and spans of all levels.
fn interests(subscriber: &impl Subscriber) -> Vec<String> {
    [
        asked!(TRACE, Level::TRACE, "attach", Kind::EVENT),
        asked!(DEBUG, Level::DEBUG, "attach", Kind::EVENT),
        asked!(INFO, Level::INFO, "attach", Kind::EVENT),
        asked!(WARN, Level::WARN, "attach", Kind::EVENT),
        asked!(OTHER, Level::INFO, "other", Kind::EVENT),
        asked!(SPAN, Level::TRACE, "attach", Kind::SPAN),
    ]
    .map(|metadata| format!("{:?}", subscriber.register_callsite(metadata)))
    .into()
}

/// What each of three layers gets, the level, the interests, and what `enabled!` says.
type Answers = ([String; 3], Option<LevelFilter>, Vec<String>, [bool; 2]);

fn answers(kinds: [(usize, usize); 3], attached: Option<(usize, &FileAppender)>) -> Answers {
    let sinks = [Sink::default(), Sink::default(), Sink::default()];
    macro_rules! layer {
        ($n:literal) => {{
            let file = attached.and_then(|(at, file)| (at == $n).then_some(file));
            layer(kinds[$n].0, kinds[$n].1, &sinks[$n], file)
        }};
    }
    let subscriber = registry().with(layer!(0)).with(layer!(1)).with(layer!(2));
    let level = subscriber.max_level_hint();
    // A thread of its own, as filters keep state there.
    let answered = std::thread::spawn(move || {
        let interests = interests(&subscriber);
        let dispatch = Dispatch::new(subscriber);
        let enabled = tracing::dispatcher::with_default(&dispatch, || {
            events();
            events();
            let enabled = [
                tracing::enabled!(Level::TRACE),
                tracing::enabled!(Level::INFO),
            ];
            events();
            enabled
        });
        (interests, enabled)
    });
    let (interests, enabled) = answered.join().unwrap();
    let texts = sinks.map(|sink| String::from_utf8(sink.0.lock().unwrap().clone()).unwrap());
    (texts, level, interests, enabled)
}

#[test]
fn it_makes_no_difference() {
    let scratch = common::scratch();
    let file = FileAppender::new(&scratch.log).unwrap();
    let mut arrangements = 0;
    for kind in 0..KINDS {
        for outside in 0..OUTSIDES {
            // The exception in the documentation.
            if kind == 7 && outside > 0 {
                continue;
            }
            for other in 0..KINDS {
                for last in [0, 12] {
                    let kinds = [(kind, outside), (other, 0), (last, 0)];
                    for at in 0..3 {
                        let mut kinds = kinds;
                        kinds.swap(0, at);
                        let without = answers(kinds, None);
                        let with = answers(kinds, Some((at, &file)));
                        assert_eq!(with, without, "{kinds:?}, attached the one at {at}");
                        arrangements += 1;
                    }
                }
            }
        }
    }
    assert_eq!(arrangements, (KINDS * OUTSIDES - 2) * KINDS * 2 * 3);
}
