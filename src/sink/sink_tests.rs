use fd_lock::RwLock;

use super::*;

#[test]
fn a_call_writes_a_bounded_part_of_a_large_backlog() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let appender = crate::FileAppender::builder()
        .max_variants(0)
        .lock_wait(Duration::ZERO)
        .backlog_limit(64 << 20)
        .build(&log)
        .unwrap();
    let sink = appender.sink();
    // The retry thread is to leave this one alone.
    sink.in_turn(|state, _| state.retrying = true);
    let mut file = RwLock::new(std::fs::File::create(&log).unwrap());
    let held = file.write().unwrap();
    let record = [[b'x'; 9_999].as_slice(), b"\n"].concat();
    for _ in 0..500 {
        sink.submit(Origin::Caller, &record, &[record.len()]);
    }
    assert_eq!(sink.stats().pending, 500);
    drop(held);
    sink.submit(Origin::Caller, &record, &[record.len()]);
    let stats = sink.stats();
    assert_eq!(stats.commits, MAX_BATCHES as u64);
    assert_eq!(stats.pending + stats.written, 501);
    appender.flush(Duration::from_secs(10)).unwrap();
    assert_eq!(sink.stats().written, 501);
}

/// The clock of one commit is read at the end of a period, and its write comes in the next one.
#[cfg(unix)]
#[test]
fn a_write_across_the_end_of_a_period_does_not_put_its_rotation_off() {
    let dir = tempfile::tempdir().unwrap();
    let appender = crate::FileAppender::builder()
        .rotate_every(crate::Period::Weekly)
        .build(dir.path().join("app.log"))
        .unwrap();
    let sink = appender.sink();
    for record in [
        b"last week, as far as its writer knows\n".as_slice(),
        b"this week\n",
    ] {
        sink.submit(Origin::Caller, record, &[record.len()]);
        assert_eq!(sink.stats().rotations, 0);
    }
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    sink.in_turn(|state, _| state.files.rotations.look_earlier(week));
    for _ in 0..2 {
        sink.submit(Origin::Caller, b"this week\n", &[10]);
        assert_eq!(sink.stats().rotations, 1);
    }
}
