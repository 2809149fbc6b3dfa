use std::io::Write;

use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::sys::NoneBegins;
use crate::FileAppender;

/// In a child forked while another thread of its parent's began, for example.
#[test]
fn a_queue_whose_thread_never_begins_writes_in_the_calls() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let lost = NoneBegins::enter();
    let mut expected = 0;
    for _ in 0..2 {
        let appender = FileAppender::builder()
            .queue_size(64 * 1024)
            .build(&log)
            .unwrap();
        let (writer, guard) = appender.non_blocking();
        // More than there is room for.
        let record = [[b'x'; 999].as_slice(), b"\n"].concat();
        for _ in 0..200 {
            writer.make_writer().write_all(&record).unwrap();
            expected += record.len() as u64;
            assert_eq!(std::fs::metadata(&log).unwrap().len(), expected);
        }
        guard.flush(Duration::ZERO).unwrap();
        guard.shutdown(Duration::ZERO).unwrap();
    }
    lost.begin();
    assert_eq!(std::fs::metadata(&log).unwrap().len(), expected);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_a_queue_without_a_thread_hands_over_is_written_by_the_last_drop() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let _lost = NoneBegins::enter();
    let appender = FileAppender::builder()
        .max_variants(0)
        .lock_wait(Duration::ZERO)
        .build(&log)
        .unwrap();
    let mut file = fd_lock::RwLock::new(std::fs::File::create(&log).unwrap());
    let held = file.write().unwrap();
    let (writer, guard) = appender.non_blocking();
    writer.make_writer().write_all(b"x\n").unwrap();
    assert_eq!(appender.stats().pending, 1);
    guard.shutdown(Duration::ZERO).unwrap_err();
    drop(held);
    // The thread that has not begun must not keep the appender.
    drop((writer, appender));
    assert_eq!(std::fs::read(&log).unwrap(), b"x\n");
}
