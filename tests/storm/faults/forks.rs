//! Processes that fork without `exec`.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use tracing_fallback_file::FileAppender;

use super::ms;
use crate::common::{self, family, scratch};
use crate::record::{check, record, Claim};
use crate::storms::Row;

#[test]
#[ignore = "a storm"]
fn forks_without_exec() {
    let scratch = scratch();
    let mut child = common::Child::start("faults::forks::forks", &[scratch.log.to_str().unwrap()]);
    let began = Instant::now();
    let mut claims: Vec<Claim> = (100..200)
        .map(|writer| Claim {
            writer,
            acknowledged: 20,
            killed: false,
            queued: false,
        })
        .collect();
    for writer in 0..3 {
        let acknowledged = child.hear().parse().unwrap();
        claims.push(Claim {
            writer,
            acknowledged,
            killed: false,
            queued: false,
        });
    }
    let longest = Duration::from_micros(child.hear().parse().unwrap());
    child.end();
    assert!(began.elapsed() < ms(60_000));
    let files = family(&scratch.log).unwrap();
    Row {
        what: "`fork` without `exec` of a writer with 3 threads, 100 times; the longest is fork, 20 records and end of a child"
            .into(),
        verdict: check(&files, &claims),
        longest,
        files: files.len(),
        sees: "a child that finds a lock held for ever waits for it once".into(),
    }
    .prove();
}

#[test]
#[ignore = "a child of the storms"]
fn forks() {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tracing_subscriber::fmt::MakeWriter;

    let Some(arguments) = common::arguments() else {
        return;
    };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    let write = |writer, number| {
        let record = record(writer, number, b"a payload of some length");
        appender.make_writer().write_all(&record).unwrap();
    };
    let busy = AtomicBool::new(true);
    let mut longest = Duration::ZERO;
    let written: Vec<u64> = thread::scope(|scope| {
        let (busy, write) = (&busy, &write);
        let threads: Vec<_> = (0..3)
            .map(|writer| {
                scope.spawn(move || {
                    let mut numbers = 0..;
                    while busy.load(Ordering::Relaxed) {
                        write(writer, numbers.next().unwrap());
                    }
                    numbers.start
                })
            })
            .collect();
        for writer in 100..200 {
            let began = Instant::now();
            match fork::fork().unwrap() {
                fork::Fork::Child => {
                    (0..20).for_each(|number| write(writer, number));
                    let this = rustix::process::getpid();
                    rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
                }
                fork::Fork::Parent(child) => {
                    let options = rustix::process::WaitOptions::empty();
                    rustix::process::waitpid(Pid::from_raw(child), options).unwrap();
                    longest = longest.max(began.elapsed());
                }
            }
        }
        busy.store(false, Ordering::Relaxed);
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    written.iter().for_each(|n| common::say(&n.to_string()));
    common::say(&longest.as_micros().to_string());
}
