//! The link to the file that is written to.

#![cfg(unix)]

use crate::common;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{hold, lines, scratch, write};
use tracing_fallback_file::unix::BuilderExt;
use tracing_fallback_file::FileAppender;
use tracing_subscriber::{fmt, prelude::*, registry};

#[test]
fn the_link_follows_the_file_written_to() {
    let scratch = scratch();
    let link = scratch.path("latest");
    let appender = FileAppender::builder()
        .latest_symlink(&link)
        .build(&scratch.log)
        .unwrap();
    assert!(!link.is_symlink(), "the file is not there yet");
    write(&appender, "one");
    assert_eq!(link.read_link().unwrap(), Path::new("app.log"));
    let held = hold(&scratch.log);
    write(&appender, "two");
    drop(held);
    assert_eq!(link.read_link().unwrap(), Path::new("app.001.log"));
    assert_eq!(lines(&link), ["two"]);
    let left: Vec<_> = fs::read_dir(scratch.dir.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn in_another_directory_the_link_is_absolute_and_the_directory_is_made() {
    let scratch = scratch();
    let link = scratch.path("links/app/latest.log");
    let appender = FileAppender::builder()
        .latest_symlink(&link)
        .build(&scratch.log)
        .unwrap();
    write(&appender, "one");
    assert_eq!(link.read_link().unwrap(), scratch.log);
}

#[test]
fn a_link_of_somebody_s_past_is_replaced_and_a_file_is_not() {
    common::keep_subscribers();
    let scratch = scratch();
    let link = scratch.path("latest");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let build = || {
        let builder = FileAppender::builder().latest_symlink(&link);
        builder.build(&scratch.log).unwrap()
    };
    write(&build(), "one");
    assert_eq!(lines(&link), ["one"]);

    fs::remove_file(&link).unwrap();
    fs::write(&link, "precious").unwrap();
    let appender = build();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writer = Shared(Arc::clone(&heard));
    let layer = fmt::layer()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    tracing::subscriber::with_default(registry().with(appender.attach(layer)), || {
        write(&appender, "two");
        write(&appender, "three");
    });
    assert_eq!(fs::read_to_string(&link).unwrap(), "precious");
    assert_eq!(lines(&scratch.log), ["one", "two", "three"]);
    let heard = String::from_utf8(heard.lock().unwrap().clone()).unwrap();
    assert_eq!(heard.matches("WARN").count(), 1, "{heard}");
    assert!(heard.contains("Link to the log not made"), "{heard}");
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_of_the_log_can_t_be_the_link() {
    let scratch = scratch();
    let names = [
        "app.log",
        "app.001.log",
        "app.2026-11-23T07-55-01Z.log",
        "../SELF/app.002.log",
    ];
    let here = scratch.dir.path().file_name().unwrap().to_str().unwrap();
    for name in names.map(|name| name.replace("SELF", here)) {
        let builder = FileAppender::builder().latest_symlink(scratch.path(&name));
        let error = builder.build(&scratch.log).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        assert!(error.to_string().contains("latest_symlink"), "{error}");
    }
}
