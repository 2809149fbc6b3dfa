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
fn a_call_that_waits_for_the_default_time_sees_several_tries() {
    let dir = tempfile::tempdir().unwrap();
    let appender = crate::FileAppender::new(dir.path().join("app.log")).unwrap();
    assert!(appender.sink().options().lock_wait >= 4 * worker::WAITED_FOR_PAUSE);
}
