//! Off the caller's thread: the batch writer, the queue, and tracing-appender's.

use crate::common;

use std::io::Write;
use std::thread;
use std::time::Duration;

use common::{assert_each_once, family_lines, hold, lines, scratch, wait_until};
use tracing::{info, Dispatch};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::{fmt, fmt::MakeWriter, prelude::*, registry};

/// A limit for what never comes.
const FLUSH: Duration = Duration::from_secs(100);

/// Runs `work` on a thread, and fails if it is stuck.
fn must_end(work: impl FnOnce() + Send + 'static) {
    let worker = thread::spawn(work);
    wait_until(|| worker.is_finished());
    worker.join().unwrap();
}

#[test]
fn a_batch_is_one_commit() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let mut writer = appender.batch_writer();
    for n in 0..10 {
        // In pieces.
        writeln!(writer, "{n} of {}", 10).unwrap();
    }
    assert_eq!(appender.stats().written, 0);
    writer.flush().unwrap();
    let stats = appender.stats();
    assert_eq!((stats.written, stats.commits), (10, 1));
    writer.flush().unwrap();
    assert_eq!(appender.stats().commits, 1, "nothing to commit, no commit");
    let expected: Vec<_> = (0..10).map(|n| format!("{n} of 10")).collect();
    assert_eq!(lines(&scratch.log), expected);
}

#[test]
fn a_record_without_a_newline_gets_one() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let mut writer = appender.batch_writer();
    writer.write_all(b"one").unwrap();
    writer.flush().unwrap();
    writer.write_all(b"two").unwrap();
    drop(writer);
    assert_eq!(lines(&scratch.log), ["one", "two"]);
    assert_eq!(appender.stats().written, 2);
}

#[test]
fn a_flood_without_a_flush_is_cut_at_whole_records() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let mut writer = appender.batch_writer();
    let record = format!("{}\n", "x".repeat(999));
    for _ in 0..1_000 {
        writer.write_all(record.as_bytes()).unwrap();
    }
    // 65 records of 1,000 bytes are the most that 64 KiB hold.
    let stats = appender.stats();
    assert_eq!((stats.commits, stats.written), (15, 15 * 65));
    writer.write_all("y".repeat(200_000).as_bytes()).unwrap();
    writer.write_all(b"\n").unwrap();
    writer.flush().unwrap();
    assert_eq!(lines(&scratch.log).len(), 1_001);
}

#[test]
fn a_flood_without_newlines_is_bounded_too() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let mut writer = appender.batch_writer();
    let piece = vec![b'x'; 1024];
    for _ in 0..3 * 1024 {
        writer.write_all(&piece).unwrap();
    }
    assert_eq!(appender.stats().written, 2, "at each MiB");
    writer.flush().unwrap();
    let lengths: Vec<usize> = lines(&scratch.log).iter().map(String::len).collect();
    assert_eq!(lengths, [1 << 20; 3]);
}

#[test]
fn non_blocking_is_lossless_and_deadlock_free() {
    must_end(|| {
        let scratch = scratch();
        let appender = FileAppender::builder()
            .queue_size(8192)
            .build(&scratch.log)
            .unwrap();
        let (writer, guard) = appender.non_blocking();
        let layer = fmt::layer().with_ansi(false).with_writer(writer);
        let dispatch = Dispatch::new(registry().with(appender.attach(layer)));
        let mut held = None;
        tracing::dispatcher::with_default(&dispatch, || {
            for n in 0..60 {
                if n == 3 {
                    // So that it is the third event that switches.
                    wait_until(|| appender.stats().written >= 3);
                    held = Some(hold(&scratch.log));
                }
                info!("event {n} of 60");
            }
        });
        guard.shutdown(FLUSH).unwrap();
        drop(held);
        // On a busy machine the notice comes later: it is waited for no longer than 50 ms.
        wait_until(|| family_lines(&scratch.log).len() >= 61);
        let found = family_lines(&scratch.log);
        for n in 0..60 {
            let event = format!("event {n} of 60");
            assert_eq!(
                found.iter().filter(|line| line.ends_with(&event)).count(),
                1,
                "{event}"
            );
        }
        let notices = found
            .iter()
            .filter(|line| line.contains("switched to numbered"))
            .count();
        assert_eq!((notices, found.len()), (1, 61));
    });
}

#[test]
fn every_file_locked_loses_nothing_either() {
    must_end(|| {
        let scratch = scratch();
        let appender = FileAppender::builder()
            .max_variants(1)
            .backlog_limit(0)
            .build(&scratch.log)
            .unwrap();
        let (writer, guard) = appender.non_blocking();
        let held = [hold(&scratch.log), hold(&scratch.variant(1))];
        for n in 0..5_000 {
            writer
                .make_writer()
                .write_all(format!("{n}\n").as_bytes())
                .unwrap();
        }
        drop(held);
        guard.shutdown(FLUSH).unwrap();
        assert_each_once(&scratch.log, (0..5_000).map(|n: u32| n.to_string()));
    });
}

#[test]
fn of_a_batch_that_no_file_takes_the_backlog_keeps_what_it_has_room_for() {
    let scratch = scratch();
    let appender = common::with_backlog_limit(&scratch.log, 1_000);
    let held = hold(&scratch.log);
    let mut writer = appender.batch_writer();
    for n in 0..100 {
        writeln!(writer, "{n:099}").unwrap();
    }
    writer.flush().unwrap();
    let stats = appender.stats();
    assert_eq!((stats.pending, stats.dropped), (10, 90));
    drop(held);
    appender.flush(FLUSH).unwrap();
    let mut found = lines(&scratch.log);
    assert!(found.pop().unwrap().ends_with("missing=90"));
    let expected: Vec<_> = (0..10).map(|n| format!("{n:099}")).collect();
    assert_eq!(found, expected);
}

#[cfg(feature = "tracing-appender")]
mod tracing_appender_s {
    use std::io::{self, Write};
    use std::sync::mpsc;
    use std::time::Instant;

    use tracing::subscriber::with_default;
    use tracing_appender::non_blocking::{NonBlockingBuilder, DEFAULT_BUFFERED_LINES_LIMIT};
    use tracing_fallback_file::BatchWriter;

    use super::*;

    /// Lets nothing through until it is told to.
    struct Dam {
        opens: Option<mpsc::Receiver<()>>,
        writer: BatchWriter,
    }

    impl Write for Dam {
        fn write(&mut self, record: &[u8]) -> io::Result<usize> {
            if let Some(opens) = self.opens.take() {
                opens.recv().unwrap();
            }
            self.writer.write(record)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.writer.flush()
        }
    }

    /// As `tracing_appender` makes it, but for the dam: without it the queue does not get full.
    #[test]
    fn a_full_queue_is_in_the_files_when_the_guard_is_gone() {
        const QUEUE: usize = DEFAULT_BUFFERED_LINES_LIMIT;
        /// tracing-appender's, after a tenth of it to enqueue the message that ends the worker.
        const GUARD_TIMEOUT: Duration = Duration::from_secs(1);
        for locked in [false, true] {
            let scratch = scratch();
            let appender = FileAppender::new(&scratch.log).unwrap();
            let (open, opens) = mpsc::channel();
            let dam = Dam {
                opens: Some(opens),
                writer: appender.batch_writer(),
            };
            let (mut writer, guard) = NonBlockingBuilder::default().lossy(false).finish(dam);
            let _held = locked.then(|| hold(&scratch.log));
            // One more, which the worker has in its hands.
            for n in 0..=QUEUE {
                writer.write_all(format!("{n:0199}\n").as_bytes()).unwrap();
            }
            open.send(()).unwrap();
            let began = Instant::now();
            drop(guard);
            let took = began.elapsed();
            if took >= GUARD_TIMEOUT {
                // A busy machine: the guard has given up, and the worker goes on.
                wait_until(|| appender.stats().written > QUEUE as u64);
            }
            println!("locked: {locked}, {took:?}");
            assert_each_once(&scratch.log, (0..=QUEUE).map(|n| format!("{n:0199}")));
            assert_eq!(lines(&scratch.log).is_empty(), locked);
        }
    }

    /// The worker never learns that its writer is in trouble: it would stop.
    #[test]
    fn dropped_records_do_not_stop_the_worker() {
        let scratch = scratch();
        let appender = common::with_backlog_limit(&scratch.log, 0);
        let (writer, guard) = appender.tracing_appender();
        let held = hold(&scratch.log);
        with_default(
            registry().with(fmt::layer().with_ansi(false).with_writer(writer)),
            || {
                info!("before");
                wait_until(|| appender.stats().dropped >= 1);
                drop(held);
                info!("after");
            },
        );
        drop(guard);
        let found = lines(&scratch.log);
        assert!(
            found[0].ends_with("missing=1") && found[1].ends_with("after"),
            "{found:?}"
        );
    }
}
