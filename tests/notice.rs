//! The notice of a switch: exactly one in every layer that enables it, and the event that made the
//! switch exactly where it is enabled, whatever the set-up.

mod common;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{arguments, hold, lines, say, scratch, wait_until, write, Child, Scratch};
use tracing::subscriber::with_default;
use tracing::{debug, info, info_span, Dispatch, Level, Subscriber};
use tracing_fallback_file::{FileAppender, TARGET};
use tracing_subscriber::filter::{filter_fn, EnvFilter, LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{fmt, prelude::*, registry, reload, Layer};

const NOTICE: &str = "File locked, switched to numbered variant:";

/// Another layer's output.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Sink;

    fn make_writer(&'a self) -> Sink {
        self.clone()
    }
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

/// Waits until as many notices are in the files.
fn await_notices(scratch: &Scratch, notices: usize) {
    wait_until(|| {
        let found = common::family_lines(&scratch.log);
        found.iter().filter(|line| line.contains(NOTICE)).count() == notices
    });
}

/// A directory, an appender and two other outputs.
struct Stage {
    scratch: Scratch,
    file: FileAppender,
    /// Of a layer that refuses DEBUG.
    info: Sink,
    /// Of a layer without a filter.
    all: Sink,
}

fn new_stage() -> Stage {
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
    fn switch_and_check(&self, set_up: &str, dispatch: &Dispatch, level: Level) {
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

fn text<S>(file: &FileAppender) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer().with_ansi(false).with_writer(file.clone())
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
        .with_filter(EnvFilter::new("notice=info,tracing_fallback_file=info")));
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
        .with_filter(EnvFilter::new("notice=debug"));
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

/// What a child prints on its two outputs.
fn outputs(name: &str, arguments: &[&str]) -> (String, String) {
    let output = common::child_command(name, arguments)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    (out, err)
}

/// Logs through the global default, with the layers and for the arguments given, holding stdout's
/// lock or not.
#[test]
#[ignore = "a child of the others"]
fn logs_through_the_global_default() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let (announced, is_announced) = std::sync::mpsc::channel();
    let file = FileAppender::builder()
        .on_switch(move |_| announced.send(()).unwrap())
        .build(log)
        .unwrap();
    macro_rules! stdout {
        () => {
            fmt::layer()
                .with_ansi(false)
                .with_writer(io::stdout)
                .with_filter(LevelFilter::INFO)
        };
    }
    match arguments[1].as_str() {
        "attached" => registry()
            .with(file.attach(text(&file)))
            .with(stdout!())
            .init(),
        "not attached" => registry().with(text(&file)).with(stdout!()).init(),
        "option" => registry()
            .with(Some(file.attach(text(&file))))
            .with(stdout!())
            .init(),
        "vec" => registry()
            .with(vec![file.attach(text(&file))])
            .with(stdout!())
            .init(),
        "fmt()" => fmt()
            .with_ansi(false)
            .with_writer(io::stdout.and(file.clone()))
            .init(),
        _ => unreachable!(),
    }
    let _held = hold(log);
    if arguments[2] == "with stdout locked" {
        let _lock = io::stdout().lock();
        info!("the cause");
    } else {
        let began = Instant::now();
        info!("the cause");
        if arguments[2] == "and exits" {
            eprintln!("the call took {} us", began.elapsed().as_micros());
            std::process::exit(0);
        }
    }
    debug!("what follows");
    // With stdout locked the notice comes after the call: the end must not overtake it.
    is_announced.recv().unwrap();
}

#[test]
fn through_the_global_default() {
    for layers in ["attached", "not attached", "option", "vec", "fmt()"] {
        for how in ["plainly", "with stdout locked"] {
            let scratch = scratch();
            let arguments = [scratch.log.to_str().unwrap(), layers, how];
            let (out, err) = outputs("logs_through_the_global_default", &arguments);
            let file = std::fs::read_to_string(scratch.variant(1)).unwrap();
            for text in [&out, &file] {
                let found = [NOTICE, "the cause"].map(|part| count(text, part));
                assert_eq!(found, [1, 1], "{layers}, {how}:\n{out}\n{err}\n{file}");
            }
            assert_eq!(count(&out, "what follows"), 0);
            assert_eq!(count(&file, "what follows"), usize::from(layers != "fmt()"));
            assert!(!err.contains(NOTICE));
        }
    }
}

#[test]
fn the_notice_is_out_before_a_short_main_ends() {
    const NOTICE_TIMEOUT: u32 = 50_000;
    let mut in_time = 0;
    for _ in 0..200 {
        let scratch = scratch();
        let arguments = [scratch.log.to_str().unwrap(), "attached", "and exits"];
        let (out, err) = outputs("logs_through_the_global_default", &arguments);
        let file = std::fs::read_to_string(scratch.variant(1)).unwrap();
        let (_, took) = err.split_once("the call took ").unwrap();
        let took: u32 = took.split_once(' ').unwrap().0.parse().unwrap();
        // A call that has waited for as long as it may goes on without its notice.
        if took < NOTICE_TIMEOUT {
            let notices = count(&out, NOTICE) + count(&file, NOTICE);
            assert_eq!(notices, 2, "{took} us\n{out}\n{file}");
            in_time += 1;
        }
    }
    assert!(in_time > 0);
}

#[test]
#[ignore = "a child of the others"]
fn logs_without_a_subscriber_at_first() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let (announced, is_announced) = std::sync::mpsc::channel();
    let file = FileAppender::builder()
        .on_switch(move |_| announced.send(()).unwrap())
        .build(log)
        .unwrap();
    let held = hold(log);
    write(&file, "one");
    is_announced.recv().unwrap();
    let _held = (held, hold(&file.current_path()));
    registry()
        .with(fmt::layer().with_ansi(false).with_writer(io::stdout))
        .init();
    write(&file, "two");
    is_announced.recv().unwrap();
}

#[test]
fn with_no_subscriber_stderr_has_it_and_a_later_subscriber_the_next() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let (out, err) = outputs("logs_without_a_subscriber_at_first", &[log]);
    let line = |variant: u16| {
        format!(
            "{NOTICE} original={log} fallback={}",
            scratch.variant(variant).display()
        )
    };
    assert!(err.lines().any(|found| found == line(1)), "{err}");
    assert_eq!((count(&err, NOTICE), count(&out, NOTICE)), (1, 1));
    assert!(out.contains(&line(2)), "{out}");
}

#[test]
#[ignore = "a child of the others"]
fn drops_records_under_a_bare_layer() {
    let Some(arguments) = arguments() else { return };
    let log = Path::new(&arguments[0]);
    let file = FileAppender::builder()
        .max_variants(0)
        .backlog_limit(0)
        .build(log)
        .unwrap();
    registry()
        .with(fmt::layer().with_writer(file.clone()))
        .init();
    let _held = hold(log);
    let began = Instant::now();
    (0..100).for_each(|n| info!(n, "lost"));
    say(&file.stats().dropped.to_string());
    say(&began.elapsed().as_secs().to_string());
    // The report may come after its call.
    common::hear();
}

#[test]
fn dropped_records_are_mentioned_on_stderr() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let mut command = common::child_command("drops_records_under_a_bare_layer", &[log]);
    let mut child = Child::from_command(command.stderr(std::process::Stdio::piped()));
    let mut stderr = BufReader::new(child.stderr());
    child.expect("100");
    let seconds: usize = child.hear().parse().unwrap();
    let mut err = String::new();
    while !err.contains("dropped=") {
        assert!(stderr.read_line(&mut err).unwrap() > 0, "{err}");
    }
    child.end();
    stderr.read_to_string(&mut err).unwrap();
    let said: Vec<_> = err
        .lines()
        .filter(|line| line.contains("dropped="))
        .collect();
    assert!(
        said.len() <= seconds + 2,
        "at most one a second, in {seconds} s: {err}"
    );
    assert!(
        said[0].contains(log) && said[0].contains("dropped=1 "),
        "{err}"
    );
}

#[test]
#[ignore = "a child of the others"]
fn tells_the_current_level() {
    let Some(arguments) = arguments() else { return };
    let file = FileAppender::new(&arguments[0]).unwrap();
    let layer = fmt::layer()
        .with_writer(file.clone())
        .with_filter(LevelFilter::WARN);
    let other = fmt::layer().with_filter(LevelFilter::INFO);
    match arguments[1].as_str() {
        "attached" => registry().with(other).with(file.attach(layer)).init(),
        _ => registry().with(other).with(layer).init(),
    }
    say(&LevelFilter::current().to_string());
}

#[test]
fn the_current_level_is_the_same_with_and_without_attach() {
    for attached in ["attached", "not attached"] {
        let scratch = scratch();
        let arguments = [scratch.log.to_str().unwrap(), attached];
        let mut child = Child::start("tells_the_current_level", &arguments);
        child.expect("info");
        child.end();
    }
}

#[cfg(unix)]
mod drop_reports {
    use super::*;

    use rustix::event::{poll, PollFd, PollFlags, Timespec};
    use rustix::process::{setrlimit, Resource, Rlimit};

    fn drops_everything(log: &Path) -> FileAppender {
        FileAppender::builder()
            .max_variants(0)
            .backlog_limit(0)
            .build(log)
            .unwrap()
    }

    #[test]
    #[ignore = "a child of another one"]
    fn drops_records_with_stderr_full() {
        let Some(arguments) = arguments() else { return };
        // It waits for a reader with the lock of stderr held.
        thread::spawn(|| loop {
            io::stderr().write_all(&[b'x'; 4096]).unwrap();
        });
        let has_room = || {
            let mut stderr = [PollFd::from_borrowed_fd(
                rustix::stdio::stderr(),
                PollFlags::OUT,
            )];
            poll(&mut stderr, Some(&Timespec::default())).unwrap() > 0
        };
        wait_until(|| !has_room());
        let log = Path::new(&arguments[0]);
        let file = drops_everything(log);
        let _held = hold(log);
        with_default(registry().with(file.attach(text(&file))), || {
            (0..100).for_each(|n| info!(n, "lost"));
        });
        say(&file.stats().dropped.to_string());
        drop(file);
        say("ends");
    }

    #[test]
    fn a_stderr_that_nobody_reads_holds_nobody_up() {
        let scratch = scratch();
        let log = scratch.log.to_str().unwrap();
        let mut command =
            common::child_command("drop_reports::drops_records_with_stderr_full", &[log]);
        let mut child = Child::from_command(command.stderr(std::process::Stdio::piped()));
        child.expect("100");
        child.expect("ends");
        child.end();
    }

    #[test]
    #[ignore = "a child of another one"]
    fn drops_records_without_threads() {
        let Some(arguments) = arguments() else { return };
        let log = Path::new(&arguments[0]);
        let file = drops_everything(log);
        let _held = hold(log);
        let no_more = Rlimit {
            current: Some(1),
            maximum: Some(1),
        };
        setrlimit(Resource::Nproc, no_more).unwrap();
        if thread::Builder::new().spawn(|| ()).is_ok() {
            return say("threads");
        }
        write(&file, "lost");
        write(&file, "lost");
        say("no threads");
    }

    #[test]
    fn without_a_thread_the_call_reports() {
        let scratch = scratch();
        let log = scratch.log.to_str().unwrap();
        let name = "drop_reports::drops_records_without_threads";
        let output = common::as_nobody(name, &[log], &scratch)
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|t| String::from_utf8(t).unwrap());
        assert!(output.status.success(), "{out}{err}");
        if out.contains("@ threads") {
            eprintln!("SKIPPED without_a_thread_the_call_reports: the limit has no effect here");
            return;
        }
        assert!(out.contains("@ no threads"), "{out}{err}");
        assert!(
            err.contains("Records dropped") && err.contains(log),
            "{err}"
        );
    }
}

#[cfg(unix)]
mod forks {
    use super::*;

    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use common::hold_when_free;
    use rustix::process::{getpid, kill_process, waitpid, Pid, Signal, WaitOptions};
    use tracing::Event;
    use tracing_subscriber::layer::Context;

    const CHILDREN: usize = 100;

    /// A layer that writes the text of each event without a `fmt` layer's span lookups: the locks of
    /// the registry are not fork-safe.
    struct Plain(FileAppender);

    impl<S: Subscriber> Layer<S> for Plain {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            write(&self.0, event.metadata().target());
        }
    }

    /// Ends a forked child without what a process does at its end, which is the parent's.
    fn end_child() -> ! {
        kill_process(getpid(), Signal::KILL).unwrap();
        unreachable!()
    }

    fn counted(log: &Path, notices: &Arc<AtomicU64>) -> FileAppender {
        let notices = Arc::clone(notices);
        FileAppender::builder()
            .lock_wait(Duration::ZERO)
            .on_switch(move |_| {
                notices.fetch_add(1, Ordering::SeqCst);
            })
            .build(log)
            .unwrap()
    }

    /// What a child does, forked while other threads of its parent's switch.
    fn live(scratch: &Path, n: usize, parent_s: &FileAppender, notices: &AtomicU64) {
        let before = parent_s.stats().switches;
        notices.store(0, Ordering::SeqCst);
        for _ in 0..5 {
            info!("the child's");
            write(parent_s, "the child's");
        }
        let own_notices = Arc::default();
        let log = scratch.join(format!("child{n}.log"));
        let own = counted(&log, &own_notices);
        let _held = hold(&log);
        with_default(registry().with(own.attach(Plain(own.clone()))), || {
            info!("the cause");
        });
        wait_until(|| own_notices.load(Ordering::SeqCst) > 0);
        // Exactly its own notices, and none of its parent's.
        wait_until(|| notices.load(Ordering::SeqCst) >= parent_s.stats().switches - before);
        assert_eq!(
            notices.load(Ordering::SeqCst),
            parent_s.stats().switches - before
        );
        std::fs::write(scratch.join(format!("child{n}.done")), "").unwrap();
    }

    #[test]
    #[ignore = "a child of the other"]
    fn forks_during_switches() {
        let Some(arguments) = arguments() else { return };
        let scratch = Path::new(&arguments[0]);
        let log = scratch.join("app.log");
        let notices = Arc::default();
        let file = counted(&log, &notices);
        registry().with(file.attach(Plain(file.clone()))).init();
        {
            let _held = hold(&log);
            info!("reaches the callsites, whose locks a fork does not spare either");
            wait_until(|| notices.load(Ordering::SeqCst) == 1);
        }
        let busy = AtomicBool::new(true);
        /// Ends the threads, also when this one panics.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Relaxed);
            }
        }
        thread::scope(|scope| {
            let _end = End(&busy);
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    // The appender leaves each file that it is in.
                    let _held = hold_when_free(&file.current_path());
                    thread::sleep(Duration::from_micros(200));
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    while busy.load(Ordering::Relaxed) {
                        info!("the parent's");
                    }
                });
            }
            for n in 0..CHILDREN {
                let switches = file.stats().switches;
                wait_until(|| file.stats().switches > switches);
                let child = match fork::fork().unwrap() {
                    fork::Fork::Child => {
                        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                            live(scratch, n, &file, &notices);
                        }));
                        drop(lived);
                        end_child();
                    }
                    fork::Fork::Parent(child) => Pid::from_raw(child).unwrap(),
                };
                let began = Instant::now();
                while waitpid(Some(child), WaitOptions::NOHANG).unwrap().is_none() {
                    if began.elapsed() > Duration::from_secs(120) {
                        kill_process(child, Signal::KILL).unwrap();
                        waitpid(Some(child), WaitOptions::empty()).unwrap();
                        break;
                    }
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
    }

    /// A fork takes one thread along, and the locks and queues of the notices as they are.
    #[test]
    fn a_child_forked_during_switches_has_notices_of_its_own() {
        let scratch = scratch();
        Child::start(
            "forks::forks_during_switches",
            &[scratch.dir.path().to_str().unwrap()],
        )
        .end();
        let missing: Vec<usize> = (0..CHILDREN)
            .filter(|n| !scratch.path(&format!("child{n}.done")).exists())
            .collect();
        assert!(missing.is_empty(), "{missing:?} of {CHILDREN}");
    }
}
