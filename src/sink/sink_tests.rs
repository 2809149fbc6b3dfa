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
