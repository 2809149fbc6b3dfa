//! The writer processes: this test binary again.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing_fallback_file::{FileAppender, Period, SyncPolicy};
use tracing_subscriber::fmt::MakeWriter;

use crate::common;
use crate::record::{record, Claim, Numbers};

/// What a writer is told.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Stops after so many, or when it is told to.
    pub records: u64,
    /// Between two records, in µs, at random.
    pub pause: (u64, u64),
    pub largest: u64,
    pub wait: Duration,
    pub variants: u16,
    pub returns: bool,
    pub backlog: usize,
    /// Rotates at so many bytes; 0 is never.
    pub max_size: u64,
    pub minutely: bool,
    /// Compresses archives, where the feature is on.
    pub gzip: bool,
    pub sync: bool,
    /// What it does wrong with every twentieth record: nothing, `lose`, `double` or `tear`.
    pub plant: &'static str,
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
    plant: "nothing",
};

impl Plan {
    pub fn arguments(&self, log: &Path, id: u32) -> Vec<String> {
        let Plan {
            records,
            pause,
            largest,
            wait,
            variants,
            returns,
            backlog,
            max_size,
            minutely,
            gzip,
            sync,
            plant,
        } = self;
        vec![
            log.to_str().unwrap().to_owned(),
            id.to_string(),
            records.to_string(),
            pause.0.to_string(),
            pause.1.to_string(),
            largest.to_string(),
            wait.as_micros().to_string(),
            variants.to_string(),
            returns.to_string(),
            backlog.to_string(),
            (*plant).to_owned(),
            max_size.to_string(),
            sync.to_string(),
            minutely.to_string(),
            gzip.to_string(),
        ]
    }
}

/// A running writer.
pub struct Writer {
    id: u32,
    pub process: Child,
    listener: JoinHandle<(u64, Option<End>)>,
}

/// What a writer says at its end.
#[derive(Clone, Copy, Debug)]
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
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let child = common::child_command("writer::writes", &arguments);
        let mut command = common::wrapped(wrapper, &child);
        Writer::from_command(id, &mut command)
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
                    let mut figures = figures.split(' ').map(|f| f.parse::<u64>().unwrap());
                    let mut next = || figures.next().unwrap();
                    let longest = Duration::from_micros(next());
                    end = Some(End {
                        longest,
                        switches: next(),
                        dropped: next(),
                        pending: next(),
                    });
                }
            }
            (acknowledged, end)
        });
        Writer {
            id,
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

    pub fn kill(mut self) -> Outcome {
        self.process.kill().unwrap();
        self.outcome()
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
    let number = |n: usize| arguments[n].parse::<u64>().unwrap();
    let (log, id, records) = (&arguments[0], number(1) as u32, number(2));
    let (pause, largest) = ((number(3), number(4)), number(5));
    let mut builder = FileAppender::builder()
        .lock_wait(Duration::from_micros(number(6)))
        .max_variants(number(7) as u16)
        .backlog_limit(number(9) as usize);
    if arguments[8] == "true" {
        builder = builder.return_to_primary(Duration::ZERO);
    }
    if number(11) > 0 {
        builder = builder.max_file_size(number(11));
    }
    if arguments[12] == "true" {
        builder = builder.sync(SyncPolicy::EveryCommit);
    }
    if arguments[13] == "true" {
        builder = builder.rotate_every(Period::Minutely);
    }
    if arguments[14] == "true" {
        builder = common::compressing(builder);
    }
    let appender = builder.build(log).unwrap();
    let plant = arguments[10].as_str();
    let mut numbers = Numbers::new(u64::from(id) + 1);
    common::say("ready");
    common::hear();
    // The end of the input ends the writer, unless it has so many records to write.
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    if records == u64::MAX {
        let stop = std::sync::Arc::clone(&stop);
        thread::spawn(move || {
            common::hear();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
    let mut longest = Duration::ZERO;
    let mut pending = 0;
    for number in 0..records {
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            break;
        }
        let record = record(id, number, &numbers.payload(largest));
        let write = || {
            let began = Instant::now();
            let written = appender.make_writer().write_all(&record);
            (written, began.elapsed())
        };
        let (written, took) = match plant {
            _ if number % 20 != 7 => write(),
            "lose" => (Ok(()), Duration::ZERO),
            "double" => {
                let _ = write();
                write()
            }
            "tear" => {
                let mut file = fs::OpenOptions::new().append(true).open(log).unwrap();
                file.write_all(&record[..record.len() / 2]).unwrap();
                let _ = write();
                file.write_all(&record[record.len() / 2..]).unwrap();
                (Ok(()), Duration::ZERO)
            }
            _ => write(),
        };
        longest = longest.max(took);
        pending = pending.max(appender.stats().pending);
        if written.is_err() || appender.stats().dropped > 0 {
            // Not acknowledged, and the numbers would not be without a gap any more.
            break;
        }
        common::say(&format!("a {number}."));
        if pause.1 > 0 {
            let pause = pause.0 + numbers.below(pause.1 - pause.0 + 1);
            thread::sleep(Duration::from_micros(pause));
        }
    }
    appender.flush(Duration::from_secs(30)).unwrap();
    let stats = appender.stats();
    common::say(&format!(
        "end {} {} {} {pending}",
        longest.as_micros(),
        stats.switches,
        stats.dropped
    ));
}
