//! Exactly one notice in every layer that enables it, and the event that made the switch exactly
//! where it is enabled, in every position of the file's layer.

use tracing::{debug, info, Dispatch, Level, Subscriber};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::filter::{filter_fn, EnvFilter, LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{fmt, prelude::*, registry, reload, Layer};

use crate::common::{self, hold, scratch, wait_until, Scratch};
use crate::{count, text, Sink, NOTICE};

/// A directory, an appender and two other outputs.
pub(crate) struct Stage {
    pub(crate) scratch: Scratch,
    pub(crate) file: FileAppender,
    /// Of a layer that refuses DEBUG.
    pub(crate) info: Sink,
    /// Of a layer without a filter.
    pub(crate) all: Sink,
}

pub(crate) fn new_stage() -> Stage {
    common::keep_subscribers();
    let scratch = scratch();
    let file = FileAppender::new(&scratch.log).unwrap();
    Stage {
        scratch,
        file,
        info: Sink::default(),
        all: Sink::default(),
    }
}

impl Stage {
    /// Switches by an event of `level`, the lowest that the file's layer enables.
    pub(crate) fn switch_and_check(&self, set_up: &str, dispatch: &Dispatch, level: Level) {
        let _held = hold(&self.scratch.log);
        let in_file = usize::from(level == Level::DEBUG);
        tracing::dispatcher::with_default(dispatch, || {
            match level {
                Level::DEBUG => debug!("the cause"),
                _ => info!("the cause"),
            }
            debug!("what follows");
        });
        // On a busy machine the notice may come after its call.
        let file = || std::fs::read_to_string(self.scratch.variant(1)).unwrap();
        wait_until(|| {
            [file(), self.info.text(), self.all.text()]
                .iter()
                .all(|text| text.contains(NOTICE))
        });
        let file = file();
        for (output, text, cause, follows) in [
            ("file", file, 1, in_file),
            ("info", self.info.text(), 1 - in_file, 0),
            ("all", self.all.text(), 1, 1),
        ] {
            let found = [NOTICE, "the cause", "what follows"].map(|part| count(&text, part));
            assert_eq!(found, [1, cause, follows], "{set_up}, {output}:\n{text}");
        }
    }
}

/// Puts the file's layer first, in the middle and last of three. A macro, as all types differ.
macro_rules! in_every_position {
    (|$stage:ident| $file:expr, |$position:ident, $subscriber:ident| $check:expr) => {
        in_every_position!(@ $stage, $position, $subscriber, $check;
            "first": $file, info(&$stage), all(&$stage);
            "middle": info(&$stage), $file, all(&$stage);
            "last": info(&$stage), all(&$stage), $file;
            "reversed middle": all(&$stage), $file, info(&$stage);
        )
    };
    (@ $stage:ident, $position:ident, $subscriber:ident, $check:expr;
        $($name:literal: $one:expr, $two:expr, $three:expr;)*) => {
        $({
            let $stage = new_stage();
            let ($position, $subscriber) = ($name, registry().with($one).with($two).with($three));
            $check;
        })*
    };
}

fn info<S>(stage: &Stage) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer()
        .with_writer(stage.info.clone())
        .with_filter(LevelFilter::INFO)
}

fn all<S>(stage: &Stage) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer().with_writer(stage.all.clone())
}

macro_rules! check_every_position {
    ($level:expr, |$file:ident| $layer:expr) => {
        in_every_position!(
            |stage| {
                let $file = &stage.file;
                $layer
            },
            |position, subscriber| {
                let set_up = format!("{}, {position}", stringify!($layer));
                stage.switch_and_check(&set_up, &Dispatch::new(subscriber), $level);
            }
        )
    };
}

#[test]
fn plain_layers() {
    check_every_position!(Level::DEBUG, |file| file.attach(text(file)));
    check_every_position!(Level::DEBUG, |file| file
        .attach(fmt::layer().json().with_writer(file.clone())));
}

#[test]
fn filters_outside() {
    check_every_position!(Level::DEBUG, |file| file
        .attach(text(file))
        .with_filter(LevelFilter::DEBUG));
    check_every_position!(Level::INFO, |file| file
        .attach(text(file))
        .with_filter(LevelFilter::INFO));
    check_every_position!(Level::INFO, |file| file
        .attach(text(file))
        .with_filter(EnvFilter::new("notify=info,tracing_fallback_file=info")));
    check_every_position!(Level::DEBUG, |file| file
        .attach(text(file))
        .with_filter(filter_fn(|_| true)));
}

#[test]
fn filters_inside() {
    check_every_position!(Level::DEBUG, |file| file
        .attach(text(file).with_filter(LevelFilter::DEBUG)));
    check_every_position!(Level::INFO, |file| file
        .attach(text(file).with_filter(LevelFilter::INFO)));
    check_every_position!(Level::INFO, |file| file
        .attach(text(file).with_filter(Targets::new().with_default(Level::INFO))));
    check_every_position!(Level::INFO, |file| file.attach(
        text(file).with_filter(filter_fn(|metadata| *metadata.level() <= Level::INFO))
    ));
    check_every_position!(Level::INFO, |file| file
        .attach(text(file).with_filter(LevelFilter::INFO))
        .with_filter(LevelFilter::TRACE));
}

#[test]
fn wrapped_layers() {
    check_every_position!(Level::DEBUG, |file| file.attach(text(file)).boxed());
    check_every_position!(Level::DEBUG, |file| file.attach(text(file).boxed()));
    check_every_position!(Level::DEBUG, |file| file.attach(Some(text(file))));
    check_every_position!(Level::DEBUG, |file| file.attach(vec![text(file)]));
    check_every_position!(Level::DEBUG, |file| reload::Layer::new(
        file.attach(text(file))
    )
    .0);
    check_every_position!(Level::DEBUG, |file| file
        .attach(reload::Layer::new(text(file)).0));
    check_every_position!(Level::DEBUG, |file| file.attach(file.attach(text(file))));
}

#[test]
fn a_reloaded_layer() {
    let stage = new_stage();
    let (layer, handle) = reload::Layer::new(stage.file.attach(text(&stage.file)).boxed());
    let subscriber = registry()
        .with(layer)
        .with(
            fmt::layer()
                .with_writer(stage.info.clone())
                .with_filter(LevelFilter::INFO),
        )
        .with(fmt::layer().with_writer(stage.all.clone()));
    let dispatch = Dispatch::new(subscriber);
    handle
        .reload(stage.file.attach(text(&stage.file)).boxed())
        .unwrap();
    stage.switch_and_check("reloaded", &dispatch, Level::DEBUG);
}

/// The levels, through which other layers would lose events or pay for disabled ones.
#[test]
fn attach_changes_no_level() {
    /// What every arrangement of a layer announces.
    macro_rules! levels {
        (|$file:ident| $layer:expr) => {{
            let mut levels = Vec::new();
            in_every_position!(
                |stage| {
                    let $file = &stage.file;
                    $layer
                },
                |position, subscriber| levels.push((position, subscriber.max_level_hint()))
            );
            let stage = new_stage();
            let $file = &stage.file;
            let info = || fmt::layer().with_filter(LevelFilter::INFO);
            levels.push(("alone", registry().with($layer).max_level_hint()));
            levels.push((
                "on INFO",
                registry().with(info()).with($layer).max_level_hint(),
            ));
            let global = registry().with(LevelFilter::WARN).with($layer);
            levels.push(("on a global filter", global.max_level_hint()));
            let global = registry().with($layer).with(LevelFilter::WARN);
            levels.push(("under a global filter", global.max_level_hint()));
            let none = registry().with(None::<LevelFilter>).with($layer);
            levels.push(("on a None", none.max_level_hint()));
            let none = registry().with($layer).with(None::<LevelFilter>);
            levels.push(("under a None", none.max_level_hint()));
            let tree = registry()
                .with(LevelFilter::TRACE)
                .with(Layer::and_then($layer, LevelFilter::WARN));
            levels.push(("in a tree", tree.max_level_hint()));
            levels
        }};
    }
    macro_rules! check {
        (|$file:ident| $layer:expr) => {{
            let (with, without) = (
                levels!(|$file| $file.attach($layer)),
                levels!(|$file| $layer),
            );
            assert_eq!(with, without, "{}", stringify!($layer));
            with
        }};
    }

    let levels = check!(|file| text(file).with_filter(LevelFilter::ERROR));
    assert_eq!(levels[4], ("alone", Some(LevelFilter::ERROR)));
    check!(|file| text(file));
    check!(|file| text(file).with_filter(LevelFilter::DEBUG).boxed());
    check!(|file| text(file).with_filter(EnvFilter::new("a=warn")));
    check!(|file| text(file).with_filter(EnvFilter::new("a[b]=warn")));
    check!(|file| text(file).with_filter(filter_fn(|_| true)));
    check!(|file| text(file).with_filter(reload::Layer::new(LevelFilter::WARN).0));
    check!(|file| Some(text(file).with_filter(LevelFilter::ERROR)));
    check!(|file| Some(text(file)).filter(|_| false));
    check!(|file| vec![text(file).with_filter(LevelFilter::ERROR)]);
    check!(|file| LevelFilter::ERROR.and_then(text(file)));
    check!(|file| reload::Layer::new(text(file).with_filter(LevelFilter::WARN)).0);
    check!(|file| file.attach(text(file).with_filter(LevelFilter::ERROR)));
}
