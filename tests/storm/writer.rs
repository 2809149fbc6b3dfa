//! The writer processes: this test binary again.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing_fallback_file::{FileAppender, Period, SyncPolicy};
use tracing_subscriber::fmt::MakeWriter;

use crate::common::{self, Numbers};
use crate::record::{record, Claim};

/// A fault that the checker has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlantedFault {
    Lose,
    Double,
    Tear,
}

/// What a writer is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Stops after this number of records, or when it is told to.
    pub records: u64,
    /// Between two records, in µs, at random.
    pub pause: (u64, u64),
    pub largest: u64,
    pub wait: Duration,
    pub variants: u16,
    pub returns: bool,
    pub backlog: usize,
    /// Rotates at this number of bytes; 0 is never.
    pub max_size: u64,
    pub minutely: bool,
    /// Compresses archives, where the feature is on.
    pub gzip: bool,
    pub sync: bool,
    /// The size of its queue; 0 is none: each call writes.
    pub queue: usize,
    /// What it does wrong with every twentieth record.
    pub fault: Option<PlantedFault>,
}

pub const PLAN: Plan = Plan {
    records: u64::MAX,
    pause: (0, 0),
    largest: 64 * 1024,
    wait: Duration::from_millis(10),
    variants: 999,
    returns: false,
    backlog: 64 * 1024 * 1024,
    max_size: 0,
    minutely: false,
    gzip: false,
    sync: false,
    queue: 0,
    fault: None,
};

impl Plan {
    /// What the child `writer::writes` is told.
    pub fn arguments(&self, log: &Path, id: u32) -> [String; 3] {
        let plan = serde_json::to_string(self).unwrap();
        [log.to_str().unwrap().to_owned(), id.to_string(), plan]
    }
}

/// How a writer is ended in the middle of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Kill,
    /// It has no handler.
    #[cfg(unix)]
    Term,
    Abort,
    Exit,
}

const ABORT: &str = "abort";
const EXIT: &str = "exit";

/// A running writer.
pub struct Writer {
    id: u32,
    queued: bool,
    pub process: Child,
    listener: JoinHandle<(u64, Option<End>)>,
}

/// What a writer says at its end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct End {
    pub longest: Duration,
    pub switches: u64,
    pub dropped: u64,
    /// The most records that waited in memory at once.
    pub pending: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub claim: Claim,
    pub end: Option<End>,
}

impl Writer {
    pub fn start(log: &Path, id: u32, plan: &Plan) -> Writer {
        Writer::start_under(&[], log, id, plan)
    }

    /// Under another program, such as strace or a shell that sets limits.
    pub fn start_under(wrapper: &[&str], log: &Path, id: u32, plan: &Plan) -> Writer {
        let arguments = plan.arguments(log, id);
        let child =
            common::child_command("writer::writes", &arguments.each_ref().map(String::as_str));
        let mut command = common::wrapped(wrapper, &child);
        Writer {
            queued: plan.queue > 0,
            ..Writer::from_command(id, &mut command)
        }
    }

    pub fn from_command(id: u32, command: &mut Command) -> Writer {
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        common::await_word(&mut output, "ready");
        let listener = thread::spawn(move || {
            let (mut acknowledged, mut end) = (0, None);
            for line in output.lines().map_while(Result::ok) {
                // A line that a kill has cut short is no acknowledgement.
                if let Some(number) = line.strip_prefix("@ a ").and_then(|n| n.strip_suffix('.')) {
                    acknowledged = number.parse::<u64>().unwrap() + 1;
                } else if let Some(figures) = line.strip_prefix("@ end ") {
                    end = Some(serde_json::from_str(figures).unwrap());
                }
            }
            (acknowledged, end)
        });
        Writer {
            id,
            queued: false,
            process,
            listener,
        }
    }

    pub fn go(&mut self) {
        self.process
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"go\n")
            .unwrap();
    }

    pub fn kill(self) -> Outcome {
        Writer::end_all(vec![self], Ending::Kill).remove(0)
    }

    /// Ends all of them at once.
    pub fn end_all(mut writers: Vec<Writer>, ending: Ending) -> Vec<Outcome> {
        for Writer { process, .. } in &mut writers {
            let word = match ending {
                Ending::Kill => {
                    process.kill().unwrap();
                    continue;
                }
                #[cfg(unix)]
                Ending::Term => {
                    use rustix::process::{kill_process, Pid, Signal};
                    kill_process(Pid::from_child(process), Signal::TERM).unwrap();
                    continue;
                }
                Ending::Abort => ABORT,
                Ending::Exit => EXIT,
            };
            let input = process.stdin.as_mut().unwrap();
            input.write_all(format!("{word}\n").as_bytes()).unwrap();
        }
        writers.into_iter().map(Writer::outcome).collect()
    }

    /// Lets it finish its records, or at once if it has no end of its own.
    pub fn stop(mut self) -> Outcome {
        drop(self.process.stdin.take());
        self.outcome()
    }

    fn outcome(mut self) -> Outcome {
        let status = self.process.wait().unwrap();
        let (acknowledged, end) = self.listener.join().unwrap();
        let killed = end.is_none();
        assert_eq!(status.success(), !killed, "{status}");
        Outcome {
            claim: Claim {
                writer: self.id,
                acknowledged,
                killed,
                queued: self.queued,
            },
            end,
        }
    }
}

#[test]
#[ignore = "a child of the storms"]
fn writes() {
    let Some(arguments) = common::arguments() else {
        return;
    };
    let [log, id, plan] = &arguments[..] else {
        panic!("{arguments:?}");
    };
    let id: u32 = id.parse().unwrap();
    let plan: Plan = serde_json::from_str(plan).unwrap();
    let mut builder = FileAppender::builder()
        .lock_wait(plan.wait)
        .max_variants(plan.variants)
        .backlog_limit(plan.backlog);
    if plan.returns {
        builder = builder.return_to_primary(Duration::ZERO);
    }
    if plan.max_size > 0 {
        builder = builder.max_file_size(plan.max_size);
    }
    if plan.sync {
        builder = builder.sync(SyncPolicy::EveryCommit);
    }
    if plan.minutely {
        builder = builder.rotate_every(Period::Minutely);
    }
    if plan.gzip {
        builder = common::compressing(builder);
    }
    let appender = builder.queue_size(plan.queue.max(1)).build(log).unwrap();
    let off_thread = (plan.queue > 0).then(|| appender.non_blocking());
    let mut numbers = Numbers::new(u64::from(id) + 1);
    common::say("ready");
    common::hear();
    // The end of the input ends the writer, unless its number of records is set.
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    if plan.records == u64::MAX {
        let stop = std::sync::Arc::clone(&stop);
        thread::spawn(move || {
            match common::hear().as_deref() {
                Some(ABORT) => std::process::abort(),
                Some(EXIT) => std::process::exit(1),
                _ => {}
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
    let mut longest = Duration::ZERO;
    let mut pending = 0;
    for number in 0..plan.records {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            break;
        }
        let record = record(id, number, &numbers.payload(plan.largest));
        let write = || {
            let began = Instant::now();
            let written = match &off_thread {
                Some((writer, _)) => writer.make_writer().write_all(&record),
                None => appender.make_writer().write_all(&record),
            };
            (written, began.elapsed())
        };
        let (written, took) = match plan.fault.filter(|_| number % 20 == 7) {
            None => write(),
            Some(PlantedFault::Lose) => (Ok(()), Duration::ZERO),
            Some(PlantedFault::Double) => {
                let _ = write();
                write()
            }
            Some(PlantedFault::Tear) => {
                let mut file = fs::OpenOptions::new().append(true).open(log).unwrap();
                file.write_all(&record[..record.len() / 2]).unwrap();
                let _ = write();
                file.write_all(&record[record.len() / 2..]).unwrap();
                (Ok(()), Duration::ZERO)
            }
        };
        longest = longest.max(took);
        pending = pending.max(appender.stats().pending);
        if written.is_err() || appender.stats().dropped > 0 {
            // Not acknowledged, and the numbers would not be without a gap any more.
            break;
        }
        common::say(&format!("a {number}."));
        let (shortest, longest) = plan.pause;
        if longest > 0 {
            let pause = shortest + numbers.below(longest - shortest + 1);
            thread::sleep(Duration::from_micros(pause));
        }
    }
    if let Some((_, guard)) = off_thread {
        guard.shutdown(Duration::from_secs(30)).unwrap();
    }
    appender.flush(Duration::from_secs(30)).unwrap();
    let stats = appender.stats();
    let end = End {
        longest,
        switches: stats.switches,
        dropped: stats.dropped,
        pending,
    };
    common::say(&format!("end {}", serde_json::to_string(&end).unwrap()));
}
