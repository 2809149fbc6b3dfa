use std::io::Write;
use std::rc::Rc;

use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::stats::QueuePlace;
use crate::sys::sim::faults::Faults;
use crate::sys::sim::machine::{Machine, Strategy};
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

/// There is room for the file of one.
#[test]
fn the_figures_are_those_of_the_queue_that_is_kept_if_two_threads_of_a_child_make_one() {
    for seed in 0..50 {
        let strategy = Strategy::Uniform { one_in: 2 };
        let machine = Machine::new(seed, strategy, Faults::default());
        let made = machine
            .state
            .borrow_mut()
            .disk
            .create_directory("/log".as_ref());
        made.unwrap();
        let process = machine.add_process();
        let inner = Rc::clone(&machine);
        machine.spawn(process, "main", move || {
            let builder = FileAppender::builder().queue_size(1);
            let appender = builder.build("/log/app.log").unwrap();
            let queue = Arc::new(Queue::new(Arc::clone(appender.sink())));
            inner.fork();
            let mut state = inner.state.borrow_mut();
            state.disk.capacity = state.disk.used + 16_000;
            drop(state);
            let threads = ["one", "two"].map(|name| {
                let queue = Arc::clone(&queue);
                inner.spawn(process, name, move || queue.push(b"a record\n"))
            });
            for thread in threads {
                inner.wait_for(None, || inner.is_done(thread).then_some(()));
            }
            let place = match queue.local().path() {
                Some(_) => QueuePlace::File,
                None => QueuePlace::Heap,
            };
            assert_eq!(appender.stats().queue, place);
            queue.shutdown(Duration::from_secs(1)).unwrap();
        });
        machine.run();
        machine.end(Vec::<()>::new());
        assert_eq!(machine.state.borrow().failure, None, "seed {seed}");
    }
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
