//! The global default subscriber, in processes of their own.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing::{debug, info};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{fmt, prelude::*, registry};

use crate::common::{arguments, hold, say, scratch, write, Child};
use crate::{count, outputs, text, NOTICE};

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
        // The time of a call is that of its notice then.
        .lock_wait(Duration::ZERO)
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
            let (out, err) = outputs("global::logs_through_the_global_default", &arguments);
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
        let (out, err) = outputs("global::logs_through_the_global_default", &arguments);
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
    let (out, err) = outputs("global::logs_without_a_subscriber_at_first", &[log]);
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
        let mut child = Child::start("global::tells_the_current_level", &arguments);
        child.expect("info");
        child.end();
    }
}
