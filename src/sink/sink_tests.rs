use fd_lock::RwLock;

use super::drain::MAX_BATCHES;
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

/// In a child forked while another thread of its parent's began, for example.
#[cfg(unix)]
#[test]
fn without_a_thread_that_begins_no_call_waits_twice_and_notices_come_with_the_first_that_does() {
    use std::sync::atomic::AtomicU64;

    use crate::sys::Instant;
    use crate::sys::NoneBegins;

    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let lost = NoneBegins::enter();
    let notices = Arc::new(AtomicU64::new(0));
    let of_switch = Arc::clone(&notices);
    let appender = crate::FileAppender::builder()
        .max_variants(1)
        .lock_wait(Duration::ZERO)
        .on_switch(move |_| {
            of_switch.fetch_add(1, Ordering::Relaxed);
        })
        .build(&log)
        .unwrap();
    let sink = appender.sink();
    let hold = |path| {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        RwLock::new(file.unwrap())
    };
    let submit = || sink.submit(Origin::Caller, b"x\n", &[2]);
    let (mut primary, mut variant) = (hold(log.clone()), hold(dir.path().join("app.001.log")));
    let held = primary.write().unwrap();
    submit();
    assert_eq!(sink.stats().switches, 1);
    let began = Instant::now();
    let also_held = variant.write().unwrap();
    for _ in 0..100 {
        submit();
    }
    assert_eq!(sink.stats().pending, 100);
    drop(also_held);
    // Nobody but this call writes the backlog.
    submit();
    assert_eq!((sink.stats().pending, sink.stats().written), (0, 102));
    drop(held);
    assert_eq!(notices.load(Ordering::Relaxed), 0);
    // Each of the 101 calls would wait for a second.
    assert!(began.elapsed() < Duration::from_secs(50));
    lost.begin();
    assert_eq!(notices.load(Ordering::Relaxed), 1);
}

#[cfg(unix)]
#[test]
fn a_backlog_for_which_no_thread_begins_is_written_by_the_drop() {
    use crate::sys::NoneBegins;

    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    let _lost = NoneBegins::enter();
    let appender = crate::FileAppender::builder()
        .max_variants(0)
        .lock_wait(Duration::ZERO)
        .build(&log)
        .unwrap();
    let mut file = RwLock::new(std::fs::File::create(&log).unwrap());
    let held = file.write().unwrap();
    appender.sink().submit(Origin::Caller, b"x\n", &[2]);
    assert_eq!(appender.stats().pending, 1);
    drop(held);
    drop(appender);
    assert_eq!(std::fs::read(&log).unwrap(), b"x\n");
}
