//! The queue of `non_blocking`: what its process leaves when it ends, however that is, and what the
//! next one makes of it.

use crate::common;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use common::{
    arguments, assert_each_once, family_lines, hold, lines, queues_in, say, scratch, wait_until,
    Child, Scratch,
};
use tracing_fallback_file::{FileAppender, NonBlocking, QueuePlace};
use tracing_subscriber::fmt::MakeWriter;

/// A limit for what never comes.
const FLUSH: Duration = Duration::from_secs(100);

fn log(writer: &NonBlocking, record: &str) {
    let record = format!("{record}\n");
    writer.make_writer().write_all(record.as_bytes()).unwrap();
}

fn start(name: &str, scratch: &Scratch, how: &str) -> Child {
    Child::start(name, &[scratch.log.to_str().unwrap(), how])
}

/// In a child: the log, and how it is to end.
fn told() -> Option<(PathBuf, String)> {
    let arguments = arguments()?;
    Some((PathBuf::from(&arguments[0]), arguments[1].clone()))
}

#[test]
fn what_is_queued_is_in_the_log_after_a_flush_and_the_file_goes_with_the_guard() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let (writer, guard) = appender.non_blocking();
    if cfg!(target_os = "linux") {
        assert_eq!(appender.stats().queue, QueuePlace::File);
        assert_eq!(queues_in(scratch.dir.path()).len(), 1);
    }
    for n in 0..1_000 {
        log(&writer, &n.to_string());
    }
    guard.flush(FLUSH).unwrap();
    assert_each_once(&scratch.log, (0..1_000).map(|n: u32| n.to_string()));
    log(&writer, "the last one");
    drop(guard);
    assert!(lines(&scratch.log).ends_with(&["the last one".to_owned()]));
    assert!(queues_in(scratch.dir.path()).is_empty());
    log(&writer, "after the guard");
    let found = lines(&scratch.log);
    assert_eq!(found.last().map(String::as_str), Some("after the guard"));
}

#[cfg(unix)]
#[test]
fn its_file_is_for_its_owner_and_where_it_is_told_to_be() {
    use std::os::unix::fs::PermissionsExt;
    use tracing_fallback_file::unix::BuilderExt;

    let scratch = scratch();
    let directory = scratch.path("queues");
    for (builder, expected) in [
        (FileAppender::builder(), 0o600),
        (FileAppender::builder().mode(0o640), 0o640),
    ] {
        let appender = builder.queue_dir(&directory).build(&scratch.log).unwrap();
        let (_writer, _guard) = appender.non_blocking();
        if appender.stats().queue == QueuePlace::File {
            let [queue] = &queues_in(&directory)[..] else {
                panic!("one queue");
            };
            let mode = fs::metadata(queue).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, expected);
        }
        assert!(queues_in(scratch.dir.path()).is_empty());
    }
}

#[test]
fn records_of_any_size_go_through_in_order() {
    let scratch = scratch();
    let builder = FileAppender::builder().queue_size(8192);
    let appender = builder.build(&scratch.log).unwrap();
    let (writer, guard) = appender.non_blocking();
    let mut expected = Vec::new();
    for n in 0..200_usize {
        let record = format!("{n} {}", "x".repeat(n * n % 10_000));
        log(&writer, &record);
        expected.push(record);
    }
    guard.shutdown(FLUSH).unwrap();
    assert_eq!(lines(&scratch.log), expected);
}

#[test]
fn a_flush_says_what_is_in_no_log_and_where() {
    let scratch = scratch();
    let builder = FileAppender::builder()
        .max_variants(0)
        .backlog_limit(0)
        // The worker knows the reason at once.
        .lock_wait(Duration::ZERO);
    let appender = builder.build(&scratch.log).unwrap();
    let (writer, guard) = appender.non_blocking();
    let held = hold(&scratch.log);
    log(&writer, "one");
    log(&writer, "two");
    let error = guard.flush(Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let text = error.to_string();
    let place = match appender.stats().queue {
        QueuePlace::File => queues_in(scratch.dir.path())[0].display().to_string(),
        _ => "in memory".to_owned(),
    };
    assert!(
        text.starts_with("2 records") && text.contains(&place),
        "{text}"
    );
    assert!(text.ends_with("another process has it locked"), "{text}");
    drop(held);
    guard.flush(FLUSH).unwrap();
    assert_eq!(lines(&scratch.log), ["one", "two"]);
    assert_eq!(appender.stats().dropped, 0);
}

#[test]
fn a_header_that_logs_through_the_queue_does_not_wait_for_its_worker() {
    let scratch = scratch();
    let own: std::sync::Arc<std::sync::OnceLock<NonBlocking>> = Default::default();
    let in_header = own.clone();
    let long = "x".repeat(20_000);
    let logged = long.clone();
    let appender = FileAppender::builder()
        .queue_size(8192)
        .header(move || {
            log(in_header.get().unwrap(), &logged);
            "header".to_owned()
        })
        .build(&scratch.log)
        .unwrap();
    let (writer, guard) = appender.non_blocking();
    assert!(own.set(writer.clone()).is_ok());
    log(&writer, "one");
    guard.flush(FLUSH).unwrap();
    assert_eq!(
        lines(&scratch.log),
        ["header".to_owned(), long, "one".to_owned()]
    );
}

/// The process of a service that ends in one of several ways, with records in its queue that no file
/// takes.
#[test]
#[ignore = "a child of the others"]
fn queues_and_ends() {
    let Some((path, how)) = told() else { return };
    let builder = FileAppender::builder().max_variants(0);
    let appender = builder.build(&path).unwrap();
    let (writer, guard) = appender.non_blocking();
    for n in 0..100 {
        log(&writer, &n.to_string());
    }
    say("queued");
    common::hear();
    match how.as_str() {
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        "panic" => {
            let _guard = guard;
            panic!("this panic is part of a test");
        }
        #[cfg(unix)]
        "exec" => {
            use std::os::unix::process::CommandExt;
            let error = std::process::Command::new("true").exec();
            panic!("{error}");
        }
        _ => loop {
            std::thread::sleep(FLUSH);
        },
    }
}

#[test]
fn what_is_queued_outlives_its_process_however_that_ends() {
    if !cfg!(any(target_os = "linux", windows)) {
        return;
    }
    for how in ["exit", "abort", "exec", "kill", "term"] {
        if cfg!(windows) && matches!(how, "exec" | "term") {
            continue;
        }
        let scratch = scratch();
        let held = hold(&scratch.log);
        let mut child = start("queue::queues_and_ends", &scratch, how);
        child.expect("queued");
        match how {
            "kill" => drop(child.kill()),
            #[cfg(unix)]
            "term" => {
                use rustix::process::{kill_process, Pid, Signal};
                let pid = Pid::from_raw(child.id() as i32).unwrap();
                kill_process(pid, Signal::TERM).unwrap();
                child.wait();
            }
            _ => {
                child.tell("end");
                child.wait();
            }
        }
        assert_eq!(queues_in(scratch.dir.path()).len(), 1, "{how}");
        assert_eq!(fs::read(&scratch.log).unwrap(), b"", "{how}");
        // The log is still locked: the next one switches.
        FileAppender::new(&scratch.log).unwrap();
        drop(held);
        assert_each_once(&scratch.log, (0..100).map(|n: u32| n.to_string()));
        assert!(queues_in(scratch.dir.path()).is_empty(), "{how}");
    }
}

#[test]
fn a_panic_that_drops_the_guard_writes_what_is_queued() {
    let scratch = scratch();
    let mut child = start("queue::queues_and_ends", &scratch, "panic");
    child.expect("queued");
    child.tell("end");
    child.wait();
    assert_each_once(&scratch.log, (0..100).map(|n: u32| n.to_string()));
    assert!(queues_in(scratch.dir.path()).is_empty());
}

/// Ten that end at once, and then ten that start at once.
#[test]
fn many_recoverers_write_each_record_once() {
    if !cfg!(any(target_os = "linux", windows)) {
        return;
    }
    let scratch = scratch();
    let held = hold(&scratch.log);
    let mut children: Vec<Child> = (0..10)
        .map(|_| start("queue::queues_and_ends", &scratch, "kill"))
        .collect();
    children.iter_mut().for_each(|child| child.expect("queued"));
    for child in children {
        child.kill();
    }
    assert_eq!(queues_in(scratch.dir.path()).len(), 10);
    drop(held);
    let path = &scratch.log;
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(move || FileAppender::new(path).unwrap());
        }
    });
    FileAppender::new(path).unwrap();
    let mut found = family_lines(path);
    found.sort_by_key(|line| line.parse::<u32>().unwrap());
    let expected: Vec<_> = (0..1_000).map(|n| (n / 10).to_string()).collect();
    assert_eq!(found, expected);
    assert!(queues_in(scratch.dir.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn a_forked_child_has_a_queue_of_its_own() {
    let scratch = scratch();
    let child = start("queue::forks_with_a_queue", &scratch, "");
    child.end();
    let mut expected: Vec<String> = (0..50).map(|n| format!("parent {n}")).collect();
    expected.extend((0..50).map(|n| format!("child {n}")));
    FileAppender::new(&scratch.log).unwrap();
    assert_each_once(&scratch.log, expected);
    assert!(queues_in(scratch.dir.path()).is_empty());
}

#[cfg(unix)]
#[test]
#[ignore = "a child of the others"]
fn forks_with_a_queue() {
    let Some((path, _)) = told() else { return };
    let appender = common::without_variants(&path);
    let (writer, guard) = appender.non_blocking();
    let held = hold(&path);
    for n in 0..25 {
        log(&writer, &format!("parent {n}"));
    }
    let child = common::forked(|| {
        for n in 0..50 {
            log(&writer, &format!("child {n}"));
        }
    });
    child.end();
    for n in 25..50 {
        log(&writer, &format!("parent {n}"));
    }
    assert_eq!(queues_in(path.parent().unwrap()).len(), 2);
    drop(held);
    guard.shutdown(FLUSH).unwrap();
}

/// On a disk without room for the file the queue is on the heap, and says so once.
#[cfg(unix)]
#[test]
fn where_there_can_be_no_file_the_queue_is_on_the_heap() {
    let Some(disk) = common::SmallDisk::mount("where_there_can_be_no_file", 256) else {
        return;
    };
    let scratch = &disk.0;
    let appender = FileAppender::new(&scratch.log).unwrap();
    let (writer, guard) = appender.non_blocking();
    assert_eq!(appender.stats().queue, QueuePlace::Heap);
    assert!(queues_in(scratch.dir.path()).is_empty());
    log(&writer, "on the heap");
    guard.shutdown(FLUSH).unwrap();
    assert_eq!(lines(&scratch.log), ["on the heap"]);
}

/// A store to a page without a place on the disk would end the process.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_takes_nothing_from_the_queue() {
    let Some(disk) = common::SmallDisk::mount("a_disk_that_fills_up", 4096) else {
        return;
    };
    let scratch = &disk.0;
    let mut child = start("queue::queues_on_a_full_disk", scratch, "");
    child.expect("ready");
    let mut filler = fs::File::create(scratch.path("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    drop(filler);
    child.tell("full");
    child.expect("queued");
    fs::remove_file(scratch.path("filler")).unwrap();
    child.end();
    let record = |n: u32| format!("{n} {}", "x".repeat(1_000));
    assert_each_once(&scratch.log, (0..900).map(record));
}

#[cfg(unix)]
#[test]
#[ignore = "a child of the others"]
fn queues_on_a_full_disk() {
    let Some((path, _)) = told() else { return };
    let builder = FileAppender::builder().queue_size(2 << 20);
    let appender = builder.build(&path).unwrap();
    let (writer, guard) = appender.non_blocking();
    assert_eq!(appender.stats().queue, QueuePlace::File);
    say("ready");
    common::hear();
    for n in 0..900 {
        log(&writer, &format!("{n} {}", "x".repeat(1_000)));
    }
    guard.flush(Duration::ZERO).unwrap_err();
    say("queued");
    common::hear();
    guard.shutdown(FLUSH).unwrap();
}

#[cfg(unix)]
#[test]
fn a_call_allocates_nothing_once_warm() {
    let scratch = scratch();
    let appender = FileAppender::new(&scratch.log).unwrap();
    let (writer, _guard) = appender.non_blocking();
    log(&writer, "warm");
    wait_until(|| appender.stats().written == 1);
    let count = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            writer.make_writer().write_all(b"a record\n").unwrap();
        }
    });
    assert_eq!(count.count_total, 0);
}
