//! Everything at once.

use std::fs::{self, File};
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};

use crate::common::{family, try_hold, Held, Numbers, Scratch, SmallDisk};
use crate::faults::row;
use crate::storms::run;
use crate::writer::{Plan, Writer, PLAN};

/// Six writers, each with other options.
fn plans() -> Vec<Plan> {
    let paced = Plan {
        pause: (200, 2_000),
        largest: 2_000,
        ..PLAN
    };
    vec![
        paced.clone(),
        Plan {
            max_size: 100_000,
            ..paced.clone()
        },
        Plan {
            max_size: 30_000,
            minutely: true,
            ..paced.clone()
        },
        Plan {
            wait: Duration::ZERO,
            variants: 3,
            returns: true,
            ..paced.clone()
        },
        Plan {
            sync: true,
            wait: Duration::from_millis(50),
            ..paced.clone()
        },
        Plan {
            variants: 0,
            largest: 64 * 1024,
            pause: (5_000, 20_000),
            ..paced
        },
    ]
}

/// What is done to the writers and their files, a little of it at a time.
struct Chaos<'a> {
    scratch: &'a Scratch,
    numbers: Numbers,
    held: Vec<(Instant, Held)>,
    stopped: Vec<(Instant, Pid)>,
    full: Option<Instant>,
    moved: u32,
}

impl Chaos<'_> {
    fn step(&mut self, writers: &[Writer]) {
        let now = Instant::now();
        let in_a_while = now + Duration::from_millis(self.numbers.below(300));
        self.held.retain(|(until, _)| *until > now);
        self.stopped.retain(|(until, writer)| {
            let is_stopped = *until > now;
            if !is_stopped {
                kill_process(*writer, Signal::CONT).unwrap();
            }
            is_stopped
        });
        if self.full.is_some_and(|until| until <= now) {
            self.full = None;
            fs::remove_file(self.scratch.path("not-a-log")).unwrap();
        }
        let files = family(&self.scratch.log).unwrap();
        let file = files.get(self.numbers.below(files.len() as u64) as usize);
        match (self.numbers.below(20), file) {
            (0..=4, Some(file)) => {
                let held = try_hold(file).map(|held| (in_a_while, held));
                self.held.extend(held);
            }
            (5..=7, Some(file)) => {
                self.moved += 1;
                let to = self.scratch.path(&format!("moved-{}", self.moved));
                // A writer that rotates may have been faster.
                let _ = fs::rename(file, to);
            }
            (8..=10, _) => {
                let writer = self.numbers.below(writers.len() as u64) as usize;
                let writer = Pid::from_child(&writers[writer].process);
                kill_process(writer, Signal::STOP).unwrap();
                self.stopped.push((in_a_while, writer));
            }
            (11, _) if self.full.is_none() => {
                self.full = Some(in_a_while);
                let mut filler = File::create(self.scratch.path("not-a-log")).unwrap();
                while filler.write_all(&[0; 1 << 16]).is_ok() {}
            }
            _ => {}
        }
    }

    fn end(mut self) {
        self.held.clear();
        for (_, writer) in self.stopped {
            kill_process(writer, Signal::CONT).unwrap();
        }
        if self.full.is_some() {
            fs::remove_file(self.scratch.path("not-a-log")).unwrap();
        }
    }
}

#[test]
#[ignore = "a storm"]
fn chaos() {
    let Some(disk) = SmallDisk::mount("chaos", 512 * 1024) else {
        return;
    };
    let scratch = &disk.0;
    let outcomes = run(&scratch.log, &plans(), |writers| {
        let mut chaos = Chaos {
            scratch,
            numbers: Numbers::new(17),
            held: Vec::new(),
            stopped: Vec::new(),
            full: None,
            moved: 0,
        };
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            chaos.step(writers);
            thread::sleep(Duration::from_millis(chaos.numbers.below(20)));
        }
        chaos.end();
    });
    let what = "chaos for 30 s: 6 writers with different options; `SIGSTOP`, strangers' locks, \
                renames, a full disk, at random";
    row(what, scratch, &outcomes).prove();
}
