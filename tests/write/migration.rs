//! What the Go FileWriter was tested for, with the same options.

use crate::common;

use std::num::NonZeroUsize;
use std::thread;

use common::{family, hold, lines, scratch, wait_until, write, Scratch};
use tracing_fallback_file::FileAppender;

/// `NewWithPath(path, 100, 10)`.
fn new_with_path(scratch: &Scratch) -> FileAppender {
    FileAppender::builder()
        .queue_size(10_000)
        .max_files(NonZeroUsize::new(10).unwrap())
        .build(&scratch.log)
        .unwrap()
}

#[test]
fn file_locking_prevention() {
    let scratch = scratch();
    let writer = new_with_path(&scratch);
    write(&writer, r#"{"level":"info","message":"Test message"}"#);
    assert_eq!(
        lines(&scratch.log),
        [r#"{"level":"info","message":"Test message"}"#]
    );
    assert_eq!(writer.current_path(), scratch.log);
}

#[test]
fn numbered_file_creation() {
    let scratch = scratch();
    let writer = new_with_path(&scratch);
    let held = hold(&scratch.log);
    write(&writer, r#"{"message":"locked"}"#);
    drop(held);
    write(&writer, r#"{"message":"kept"}"#);
    assert_eq!(writer.current_path(), scratch.variant(1));
    assert_eq!(
        lines(&scratch.variant(1)),
        [r#"{"message":"locked"}"#, r#"{"message":"kept"}"#]
    );
    assert!(lines(&scratch.log).is_empty());
}

#[test]
fn concurrent_writes_to_same_file() {
    let scratch = scratch();
    thread::scope(|scope| {
        for id in 1..=3 {
            let writer = new_with_path(&scratch);
            scope.spawn(move || {
                for n in 0..200 {
                    write(
                        &writer,
                        &format!(r#"{{"message":"From writer {id}","n":{n}}}"#),
                    );
                }
            });
        }
    });
    let expected = (1..=3).flat_map(|id| {
        (0..200).map(move |n| format!(r#"{{"message":"From writer {id}","n":{n}}}"#))
    });
    common::assert_each_once(&scratch.log, expected);
    // In one process nobody is in another one's way.
    wait_until(|| family(&scratch.log).unwrap() == [scratch.log.clone()]);
}
