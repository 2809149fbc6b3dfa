//! Writers with a queue that end in the middle of their records, and processes that write to the log
//! what they have queued.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use tracing_fallback_file::{FileAppender, Merge};

use crate::common::{all_files, queues_in, scratch, Numbers, Scratch};
use crate::record::{check, Claim};
use crate::storms::Row;
use crate::writer::{Ending, Outcome, Plan, Writer, PLAN};

/// The writers that run at a time: those that live for half a second on average, and those that live
/// for longer, as an archive is compressed when it has not changed for two seconds.
const SHORT_LIVED: usize = 8;
const LONG_LIVED: usize = 2;
/// One of this number of ends is that of a long-lived writer.
const LONG_LIVED_SHARE: usize = 40;
/// The average time between two ends.
const INTERVAL: Duration = Duration::from_millis(45);

/// Small records, as there are millions.
const QUEUED: Plan = Plan {
    queue: 1 << 20,
    largest: 300,
    max_size: 1_000_000,
    gzip: true,
    ..PLAN
};

/// A queue that is always full beside a writer that is flat out. A segment is 8 KiB, and there are
/// records that are larger.
const FULL: Plan = Plan {
    queue: 16_384,
    ..QUEUED
};

const PLANS: [Plan; 6] = [
    QUEUED,
    FULL,
    Plan {
        pause: (0, 2_000),
        largest: 2_000,
        ..QUEUED
    },
    Plan {
        max_size: 300_000,
        ..FULL
    },
    Plan {
        pause: (100, 1_000),
        largest: 10_000,
        ..FULL
    },
    Plan {
        pause: (0, 100),
        max_size: 0,
        ..QUEUED
    },
];

const LONG_LIVED_PLANS: [Plan; LONG_LIVED] = [
    FULL,
    Plan {
        pause: (0, 200),
        ..QUEUED
    },
];

#[test]
#[ignore = "a storm"]
fn killed_writers_with_a_queue() {
    storm(Ending::Kill, 1_000, Recovery::OneBuild);
}

#[test]
#[ignore = "a storm"]
fn writers_with_a_queue_that_end_otherwise() {
    #[cfg(unix)]
    storm(Ending::Term, 200, Recovery::OneBuild);
    storm(Ending::Abort, 200, Recovery::OneBuild);
    storm(Ending::Exit, 200, Recovery::OneBuild);
}

#[test]
#[ignore = "a storm"]
fn writers_with_a_queue_whose_recovery_is_killed() {
    storm(Ending::Kill, 100, Recovery::Killed);
    #[cfg(unix)]
    storm(Ending::Term, 100, Recovery::Killed);
    storm(Ending::Abort, 100, Recovery::Killed);
    storm(Ending::Exit, 100, Recovery::Killed);
}

/// Those who write what killed writers have queued are killed, too.
#[test]
#[ignore = "a storm"]
fn killed_recoverers() {
    let scratch = scratch();
    // Their queues are full, and they wait for room until they are killed.
    let plan = Plan {
        wait: Duration::from_secs(1_000),
        largest: 2_000,
        variants: 0,
        gzip: false,
        ..QUEUED
    };
    let held = crate::common::hold(&scratch.log);
    let mut writers: Vec<Writer> = (0..20)
        .map(|id| Writer::start(&scratch.log, id, &plan))
        .collect();
    writers.iter_mut().for_each(Writer::go);
    thread::sleep(Duration::from_secs(1));
    let outcomes = Writer::end_all(writers, Ending::Kill);
    drop(held);
    let kills = kill_recoverers(&scratch);
    let what =
        format!("20 queues of killed writers, recovered by {kills} processes killed within 6 ms");
    Row::new(what, &all_files(&scratch.log), &outcomes).prove();
}

/// How the queues come to the log at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recovery {
    OneBuild,
    /// By processes that are killed as well.
    Killed,
}

/// Ends this number of writers, the last ones all at once, and looks for the records of all.
fn storm(ending: Ending, ends: usize, recovery: Recovery) {
    let scratch = scratch();
    let mut numbers = Numbers::new(42);
    let mut next_id = 0;
    let mut start = |slot: usize| {
        let plan = match slot.checked_sub(SHORT_LIVED) {
            Some(n) => &LONG_LIVED_PLANS[n],
            None => &PLANS[next_id as usize % PLANS.len()],
        };
        let mut writer = Writer::start(&scratch.log, next_id, plan);
        next_id += 1;
        writer.go();
        writer
    };
    let mut writers: Vec<Writer> = (0..SHORT_LIVED + LONG_LIVED).map(&mut start).collect();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut has_queued = false;
    let began = Instant::now();
    for n in 1..=ends - writers.len() {
        let jitter = numbers.below(INTERVAL.as_millis() as u64);
        let due = began + INTERVAL * n as u32 + Duration::from_millis(jitter);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let slot = match n % LONG_LIVED_SHARE {
            0 => SHORT_LIVED + numbers.below(LONG_LIVED as u64) as usize,
            _ => numbers.below(SHORT_LIVED as u64) as usize,
        };
        let ended = std::mem::replace(&mut writers[slot], start(slot));
        let process = ended.process.id();
        outcomes.extend(Writer::end_all(vec![ended], ending));
        has_queued = has_queued || has_left_records(&scratch, process);
    }
    assert!(has_queued, "no process has left a record in its queue");
    outcomes.extend(Writer::end_all(writers, ending));
    let took = began.elapsed().as_secs();
    assert_eq!(outcomes.len(), ends);
    assert!(outcomes.iter().all(|outcome| outcome.end.is_none()));
    let left = queues_in(scratch.dir.path()).len();
    assert!(left > 0, "nothing to recover");
    let how = match recovery {
        Recovery::OneBuild => {
            FileAppender::new(&scratch.log).unwrap();
            format!("{left} queues left for one build")
        }
        Recovery::Killed => {
            assert_readable(&scratch, &outcomes);
            let kills = kill_recoverers(&scratch);
            format!("{left} queues left for processes of which {kills} were killed")
        }
    };
    assert_eq!(queues_in(scratch.dir.path()), Vec::<PathBuf>::new());
    let files = all_files(&scratch.log);
    let is_compressed = |file: &&PathBuf| file.extension() == Some("gz".as_ref());
    let compressed = files.iter().filter(is_compressed).count();
    #[cfg(feature = "gzip")]
    assert!(compressed > 0, "nothing was compressed");
    let ending = match ending {
        Ending::Kill => "`kill -9`",
        #[cfg(unix)]
        Ending::Term => "SIGTERM, no handler,",
        Ending::Abort => "`abort`",
        Ending::Exit => "`process::exit`",
    };
    let what = format!(
        "{ending} of {ends} writers in {took} s, 10 at a time, queues of 16 KiB and 1 MiB, flat out \
         and paced, rotation at 0.3 and 1 MB, {compressed} archives compressed; {how}"
    );
    Row::new(what, &files, &outcomes).prove();
}

/// Returns true if there are records in the queue of a process that has ended. Another one may be
/// about to recover it, so it is its copy that is read, as the queue of another log.
fn has_left_records(scratch: &Scratch, process: u32) -> bool {
    let of_process = format!(".app.log.{process:x}-");
    let directory = scratch.path("of_the_dead");
    fs::create_dir_all(&directory).unwrap();
    let queues = queues_in(scratch.dir.path()).into_iter();
    let mut copies = queues.filter_map(|queue| {
        let name = queue.file_name()?.to_str()?;
        let copy = directory.join(name);
        let is_copied = name.starts_with(&of_process) && fs::copy(&queue, &copy).is_ok();
        is_copied.then_some(copy)
    });
    copies.any(|copy| {
        let merge = Merge::open(directory.join("app.log"));
        let has_records = merge.is_ok_and(|mut merge| merge.next_ref().is_some());
        fs::remove_file(copy).unwrap();
        has_records
    })
}

/// Before the queues are recovered, each record is in a file or in what `Merge` reads of a queue.
fn assert_readable(scratch: &Scratch, outcomes: &[Outcome]) {
    let copy = scratch.path("queued");
    let mut file = BufWriter::new(File::create(&copy).unwrap());
    let mut merge = Merge::open(&scratch.log).unwrap();
    let mut queued = 0;
    while let Some(record) = merge.next_ref() {
        let record = record.unwrap();
        if record.path().extension() == Some("queue".as_ref()) {
            file.write_all(record.bytes()).unwrap();
            queued += 1;
        }
    }
    file.into_inner().unwrap();
    let claims: Vec<Claim> = outcomes.iter().map(|outcome| outcome.claim).collect();
    let mut files = all_files(&scratch.log);
    files.push(copy);
    let verdict = check(&files, &claims);
    assert!(verdict.is_clean(), "{queued} read of queues: {verdict:?}");
}

/// Starts processes that recover, and kills them, until no queue is left; returns how many it killed.
fn kill_recoverers(scratch: &Scratch) -> u32 {
    let mut numbers = Numbers::new(4);
    let mut kills = 0;
    let log = scratch.log.to_str().unwrap();
    while !queues_in(scratch.dir.path()).is_empty() {
        let mut recoverer = crate::common::child_command("queues::recovers", &[log]);
        let mut recoverer = recoverer.spawn().unwrap();
        thread::sleep(Duration::from_micros(numbers.below(6_000)));
        kills += u32::from(recoverer.try_wait().unwrap().is_none());
        recoverer.kill().unwrap();
        recoverer.wait().unwrap();
    }
    kills
}

#[test]
#[ignore = "a child of the storms"]
fn recovers() {
    let Some(arguments) = crate::common::arguments() else {
        return;
    };
    let builder = FileAppender::builder().max_file_size(1_000_000);
    builder.build(&arguments[0]).unwrap();
}
