//! A foreign lock, and the tasks of an async runtime.

// The test needs a part of them, and none of it is an interface.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/common"]
mod common {
    pub mod files;
    pub mod locks;
    pub mod timing;
}

use std::thread;
use std::time::{Duration, Instant};

use common::files::{family, family_lines, scratch};
use common::locks::hold;
use common::timing::within_attempts;
use tracing::dispatcher::with_default;
use tracing::{info, Dispatch};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::{fmt, prelude::*, registry};

/// How late the latest of many timers of 10 ms is, until `end`.
async fn lateness(end: Instant) -> Duration {
    let mut latest = Duration::ZERO;
    while Instant::now() < end {
        let due = Instant::now() + Duration::from_millis(10);
        tokio::time::sleep_until(due.into()).await;
        latest = latest.max(due.elapsed());
    }
    latest
}

/// The two ways to log in an async service, while somebody holds the lock for half a second.
#[test]
fn a_foreign_lock_does_not_hold_other_tasks_up() {
    within_attempts(10, || other_tasks_go_on(true));
    within_attempts(10, || other_tasks_go_on(false));
}

fn other_tasks_go_on(off_thread: bool) -> Result<(), String> {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let (writer, guard) = appender.non_blocking();
    let layer = match off_thread {
        true => appender
            .attach(fmt::layer().with_ansi(false).with_writer(writer))
            .boxed(),
        false => appender
            .attach(fmt::layer().with_ansi(false).with_writer(appender.clone()))
            .boxed(),
    };
    let dispatch = Dispatch::new(registry().with(layer));
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap()
    };
    let end = Instant::now() + Duration::from_millis(500);
    // How late the machine lets timers be where nobody logs.
    let control = thread::spawn(move || {
        let runtime = runtime();
        runtime.block_on(async { tokio::spawn(lateness(end)).await.unwrap() })
    });
    let held = hold(&scratch.log);
    let (latest, logged) = runtime().block_on(async {
        let logging: Vec<_> = (0..4)
            .map(|task| {
                let dispatch = dispatch.clone();
                tokio::spawn(async move {
                    let mut n = 0;
                    while Instant::now() < end {
                        with_default(&dispatch, || {
                            info!("{task} {n} logged");
                        });
                        n += 1;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    n
                })
            })
            .collect();
        let timer = tokio::spawn(lateness(end));
        let mut logged = Vec::new();
        for task in logging {
            logged.push(task.await.unwrap());
        }
        (timer.await.unwrap(), logged)
    });
    let control = control.join().unwrap();
    drop(guard);
    drop(held);
    appender.flush(Duration::from_secs(100)).unwrap();
    let found = family_lines(&scratch.log);
    for (task, n) in logged.into_iter().enumerate() {
        for n in 0..n {
            let event = format!(" {task} {n} logged");
            assert_eq!(
                found.iter().filter(|line| line.ends_with(&event)).count(),
                1
            );
        }
    }
    let files = family(&scratch.log).unwrap().len();
    if files != 2 {
        // An overloaded machine prolongs the wait for the lock.
        return Err(format!("{files} files"));
    }
    if latest < control + Duration::from_millis(50) {
        Ok(())
    } else {
        Err(format!("{latest:?} late, where nobody logs {control:?}"))
    }
}
