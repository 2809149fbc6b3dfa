//! Notices in forked children.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

use tracing::subscriber::with_default;
use tracing::{info, Event, Subscriber};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::{prelude::*, registry};

use crate::common::{arguments, forked, hold, hold_when_free, scratch, wait_until, write, Child};

const CHILDREN: usize = 100;

/// A layer that writes the text of each event without a `fmt` layer's span lookups: the locks of
/// the registry are not fork-safe.
struct Plain(FileAppender);

impl<S: Subscriber> Layer<S> for Plain {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        write(&self.0, event.metadata().target());
    }
}

fn counted(log: &Path, notices: &Arc<AtomicU64>) -> FileAppender {
    let notices = Arc::clone(notices);
    FileAppender::builder()
        .lock_wait(Duration::ZERO)
        .on_switch(move |_| {
            notices.fetch_add(1, Ordering::SeqCst);
        })
        .build(log)
        .unwrap()
}

/// Returns true if std can start threads in this process. In a child that was forked while a thread
/// of its parent's began or ended it can't: a lock of std's is held there.
fn threads_begin() -> bool {
    let (begins, begun) = mpsc::channel::<()>();
    thread::spawn(move || drop(begins));
    begun.recv_timeout(Duration::from_secs(30)) != Err(mpsc::RecvTimeoutError::Timeout)
}

/// What a child does, forked while other threads of its parent's switch.
fn live(scratch: &Path, n: usize, parent_s: &FileAppender, notices: &AtomicU64) {
    let done = || std::fs::write(scratch.join(format!("child{n}.done")), "").unwrap();
    if !threads_begin() {
        for _ in 0..100 {
            info!("the child's");
            write(parent_s, "the child's");
        }
        parent_s.flush(Duration::from_secs(100)).unwrap();
        return done();
    }
    let before = parent_s.stats().switches;
    let switches = || parent_s.stats().switches - before;
    notices.store(0, Ordering::SeqCst);
    for _ in 0..5 {
        info!("the child's");
        write(parent_s, "the child's");
    }
    let own_notices = Arc::default();
    let log = scratch.join(format!("child{n}.log"));
    let own = counted(&log, &own_notices);
    let _held = hold(&log);
    with_default(registry().with(own.attach(Plain(own.clone()))), || {
        info!("the cause");
    });
    assert_eq!(own.stats().switches, 1);
    wait_until(|| own_notices.load(Ordering::SeqCst) > 0);
    // The notice of a switch that a notice's record has made goes out with the next record.
    wait_until(|| {
        write(parent_s, "the child's");
        notices.load(Ordering::SeqCst) >= switches()
    });
    // Its own notices, and none of its parent's.
    assert_eq!(own_notices.load(Ordering::SeqCst), 1);
    assert!(notices.load(Ordering::SeqCst) <= switches());
    done();
}

#[test]
#[ignore = "a child of the other"]
fn forks_during_switches() {
    let Some(arguments) = arguments() else { return };
    let scratch = Path::new(&arguments[0]);
    let log = scratch.join("app.log");
    let notices = Arc::default();
    let file = counted(&log, &notices);
    registry().with(file.attach(Plain(file.clone()))).init();
    {
        let _held = hold(&log);
        info!("reaches the callsites, whose locks a fork does not spare either");
        wait_until(|| notices.load(Ordering::SeqCst) == 1);
    }
    let busy = AtomicBool::new(true);
    /// Ends the threads, also when this one panics.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(false, Ordering::Relaxed);
        }
    }
    thread::scope(|scope| {
        let _end = End(&busy);
        scope.spawn(|| {
            while busy.load(Ordering::Relaxed) {
                // The appender leaves each file that it is in.
                let _held = hold_when_free(&file.current_path());
                thread::sleep(Duration::from_micros(200));
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    info!("the parent's");
                }
            });
        }
        for n in 0..CHILDREN {
            let switches = file.stats().switches;
            wait_until(|| file.stats().switches > switches);
            forked(|| live(scratch, n, &file, &notices)).end_in_any_way();
        }
    });
}

/// A fork takes one thread along, and the locks and queues of the notices as they are.
#[test]
fn a_child_forked_during_switches_has_notices_of_its_own() {
    let scratch = scratch();
    Child::start(
        "forks::forks_during_switches",
        &[scratch.dir.path().to_str().unwrap()],
    )
    .end();
    let missing: Vec<usize> = (0..CHILDREN)
        .filter(|n| !scratch.path(&format!("child{n}.done")).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?} of {CHILDREN}");
}
