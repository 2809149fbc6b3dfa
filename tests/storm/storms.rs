//! Many processes, killed, stopped, locked out.

mod killed;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing_fallback_file::Family;

use crate::common::{all_files, family, scratch, Numbers, Scratch};
use crate::record::{check, Claim, Verdict};
use crate::writer::{Outcome, Plan, PlantedFault, Writer, PLAN};

/// One row of the table.
pub struct Row {
    pub what: String,
    pub verdict: Verdict,
    /// The longest call of any writer that lived to tell.
    pub longest: Duration,
    pub files: usize,
    pub sees: String,
}

impl Row {
    pub fn new(what: impl Into<String>, files: &[PathBuf], outcomes: &[Outcome]) -> Row {
        let claims: Vec<Claim> = outcomes.iter().map(|outcome| outcome.claim).collect();
        let ends = || outcomes.iter().filter_map(|outcome| outcome.end);
        assert_eq!(ends().map(|end| end.dropped).sum::<u64>(), 0, "dropped");
        let switches: u64 = ends().map(|end| end.switches).sum();
        let mut sees = match switches {
            0 => "nothing".to_owned(),
            1 => "1 switch".to_owned(),
            n => format!("{n} switches"),
        };
        if let Some(most @ 1..) = ends().map(|end| end.pending).max() {
            sees.push_str(&format!(
                "; up to {most} records of a writer waited in memory"
            ));
        }
        Row {
            what: what.into(),
            verdict: check(files, &claims),
            longest: ends().map(|end| end.longest).max().unwrap_or_default(),
            files: files.len(),
            sees,
        }
    }

    /// Prints the row, and fails if it isn't clean.
    pub fn prove(self) {
        let (what, verdict) = (self.what.clone(), self.verdict);
        self.print();
        assert!(
            verdict.records > 0 && verdict.is_clean(),
            "{what}: {verdict:?}"
        );
    }

    /// Prints a row in which records are lost by nature, and why; nothing else may be wrong.
    #[cfg(target_os = "linux")]
    pub fn report(self, why: &str) {
        self.tolerate(why, |verdict| Verdict { lost: 0, ..verdict });
    }

    /// The same where one that is lost may leave a piece.
    #[cfg(target_os = "linux")]
    pub fn report_cuts(self, why: &str) {
        self.tolerate(why, |verdict| Verdict {
            lost: 0,
            torn: 0,
            ..verdict
        });
    }

    /// Prints a row in which pieces stay by nature, and why; no record may be lost or doubled.
    #[cfg(target_os = "linux")]
    pub fn report_pieces(self, why: &str) {
        self.tolerate(why, |verdict| Verdict {
            torn: 0,
            // The record behind a piece comes again, after those written with it.
            disordered: 0,
            ..verdict
        });
    }

    /// Prints a row with what goes wrong by nature, which `without` takes out of the verdict.
    #[cfg(target_os = "linux")]
    fn tolerate(mut self, why: &str, without: impl Fn(Verdict) -> Verdict) {
        let (what, verdict) = (self.what.clone(), self.verdict);
        self.sees = format!("{}; **{why}**", self.sees);
        self.print();
        assert!(
            verdict.records > 0 && without(verdict).is_clean(),
            "{what}: {verdict:?}"
        );
    }

    fn print(self) {
        let Verdict {
            records,
            lost,
            doubled,
            torn,
            pieces,
            ..
        } = self.verdict;
        let Row {
            what,
            longest,
            files,
            mut sees,
            ..
        } = self;
        if pieces > 0 {
            sees.push_str(&format!(
                "; {pieces} first pieces of records of killed writers"
            ));
        }
        let longest = match longest {
            Duration::ZERO => "–".to_owned(),
            longest => format!("{:.1} ms", longest.as_secs_f64() * 1e3),
        };
        println!(
            "\nROW | {what} | {records} | {lost} | {torn} | {doubled} | {files} | {longest} | {sees} |"
        );
    }
}

/// Runs writers to their end, side by side, while `meanwhile` does its worst.
pub fn run(log: &Path, plans: &[Plan], meanwhile: impl FnOnce(&mut [Writer])) -> Vec<Outcome> {
    let mut writers: Vec<Writer> = (0..)
        .zip(plans)
        .map(|(id, plan)| Writer::start(log, id, plan))
        .collect();
    writers.iter_mut().for_each(Writer::go);
    meanwhile(&mut writers);
    writers.into_iter().map(Writer::stop).collect()
}

fn storm(what: impl Into<String>, plans: &[Plan], meanwhile: impl FnOnce(&Scratch, &mut [Writer])) {
    let scratch = scratch();
    let outcomes = run(&scratch.log, plans, |writers| meanwhile(&scratch, writers));
    Row::new(what, &all_files(&scratch.log), &outcomes).prove();
}

/// The checker itself, first of all.
#[test]
fn a_planted_fault_is_found() {
    use PlantedFault::{Double, Lose, Tear};
    for fault in [None, Some(Lose), Some(Double), Some(Tear)] {
        let scratch = scratch();
        let plan = Plan {
            records: 400,
            largest: 200,
            fault,
            ..PLAN
        };
        let outcomes = run(&scratch.log, &[plan.clone(), plan], |_| {});
        let claims: Vec<Claim> = outcomes.iter().map(|outcome| outcome.claim).collect();
        let verdict = check(&family(&scratch.log).unwrap(), &claims);
        assert_eq!(verdict.records, 800);
        match fault {
            None => assert!(verdict.is_clean(), "{verdict:?}"),
            // Every twentieth of 400, for each of two.
            Some(Lose) => assert_eq!((verdict.lost, verdict.doubled, verdict.torn), (40, 0, 0)),
            Some(Double) => assert_eq!((verdict.lost, verdict.doubled, verdict.torn), (0, 40, 0)),
            Some(Tear) => assert!(verdict.torn > 0 && !verdict.is_clean(), "{verdict:?}"),
        }
    }
}

#[test]
#[ignore = "a storm"]
fn many_processes() {
    for processes in [2, 8, 32, 200] {
        let records = 1_600 / processes as u64;
        let plan = Plan {
            records,
            pause: (100, 10_000),
            ..PLAN
        };
        let what = format!("{processes} processes × {records}, 0.1–10 ms between records");
        storm(what, &vec![plan; processes], |_, _| {});
        let records = 24_000 / processes as u64;
        let plan = Plan { records, ..PLAN };
        let what = format!("{processes} processes × {records}, flat out");
        storm(what, &vec![plan; processes], |_, _| {});
    }
    for (processes, records) in [(10, 1_000), (2, 6_000), (12, 600), (15, 1_500)] {
        let pause = if processes == 10 {
            (100, 10_000)
        } else {
            (0, 0)
        };
        let plan = Plan {
            records,
            pause,
            largest: 2_000,
            ..PLAN
        };
        let what = format!("{processes} processes × {records}, records up to 2 KB");
        storm(what, &vec![plan; processes], |_, _| {});
    }
}

#[test]
#[ignore = "a storm"]
fn busy_processes_that_rotate() {
    let plan = Plan {
        records: 5_000,
        largest: 2_000,
        max_size: 1_000_000,
        ..PLAN
    };
    let scratch = scratch();
    let outcomes = run(&scratch.log, &vec![plan; 32], |_| {});
    let what = "32 processes × 5000, records up to 2 KB, flat out, rotation at 1 MB";
    Row::new(what, &all_files(&scratch.log), &outcomes).prove();
}

#[test]
#[ignore = "a storm"]
fn two_minutes_that_end() {
    let plan = Plan {
        minutely: true,
        pause: (0, 1_000),
        largest: 2_000,
        ..PLAN
    };
    let scratch = scratch();
    let outcomes = run(&scratch.log, &vec![plan; 6], |_| {
        let minute = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            now.as_secs() / 60
        };
        let first = minute();
        // A second later all have met the new one.
        while minute() < first + 2 {
            thread::sleep(Duration::from_millis(500));
        }
        thread::sleep(Duration::from_secs(1));
    });
    let archives = Family::of(&scratch.log).unwrap().archives;
    // A writer that has switched rotates its variant as well.
    let is_of_primary = |archive: &&PathBuf| {
        let name = archive.file_name().unwrap().to_str().unwrap();
        name.starts_with("app.2")
    };
    let of_primary = archives.iter().filter(is_of_primary).count();
    assert_eq!(of_primary, 2, "one a minute: {archives:?}");
    let files = all_files(&scratch.log);
    Row::new(
        "6 writers, `Period::Minutely`, two minutes that end",
        &files,
        &outcomes,
    )
    .prove();
}

#[test]
#[ignore = "a storm"]
fn a_process_that_locks_at_random() {
    let plan = Plan {
        pause: (0, 500),
        largest: 2_000,
        ..PLAN
    };
    storm(
        "a stranger locks the primary at random, 4 writers",
        &vec![plan; 4],
        |scratch, _| {
            let mut numbers = Numbers::new(7);
            let end = Instant::now() + Duration::from_secs(8);
            while Instant::now() < end {
                let held = crate::common::hold_when_free(&scratch.log);
                thread::sleep(Duration::from_micros(numbers.below(30_000)));
                drop(held);
                thread::sleep(Duration::from_micros(numbers.below(5_000)));
            }
        },
    );
}

#[test]
#[ignore = "a storm"]
fn programs_with_different_options() {
    let hasty = Plan {
        wait: Duration::ZERO,
        variants: 3,
        returns: true,
        records: 4_000,
        ..PLAN
    };
    let patient = Plan {
        wait: Duration::from_millis(50),
        records: 4_000,
        ..PLAN
    };
    let plans = [hasty.clone(), hasty, patient.clone(), patient];
    let what = "2 programs: `lock_wait` 0, 3 variants, returning; and 50 ms";
    storm(what, &plans, |_, _| {});
}

#[test]
#[ignore = "a storm"]
fn a_thousand_variants_on_disk() {
    let plan = Plan {
        records: 2_000,
        wait: Duration::ZERO,
        largest: 2_000,
        ..PLAN
    };
    storm(
        "999 variants on disk already, 4 writers, `lock_wait` 0",
        &vec![plan; 4],
        |scratch, _| {
            for number in 1..=999 {
                drop(crate::common::hold_when_free(&scratch.variant(number)));
            }
        },
    );
}

#[cfg(unix)]
#[test]
#[ignore = "a storm"]
fn a_writer_stopped_while_it_holds_the_lock() {
    use rustix::process::{kill_process, Pid, Signal};

    let (mut longest, mut limit) = (Duration::MAX, Duration::ZERO);
    for _attempt in 0..3 {
        let scratch = scratch();
        // The victim writes large records, to be caught; the others are those who must not wait.
        let others = Plan {
            pause: (1_000, 1_000),
            largest: 200,
            ..PLAN
        };
        let plans = [PLAN, others.clone(), others];
        let control = crate::common::Control::start();
        let outcomes = run(&scratch.log, &plans, |writers| {
            let victim = Pid::from_child(&writers[0].process);
            let caught = || {
                kill_process(victim, Signal::STOP).unwrap();
                // The others hold it for microseconds; who has it for this long is stopped.
                let since = Instant::now();
                while since.elapsed() < Duration::from_millis(3) {
                    if crate::common::try_hold(&scratch.log).is_some() {
                        kill_process(victim, Signal::CONT).unwrap();
                        return false;
                    }
                }
                true
            };
            while !caught() {
                thread::sleep(Duration::from_micros(300));
            }
            thread::sleep(Duration::from_secs(3));
            kill_process(victim, Signal::CONT).unwrap();
            thread::sleep(Duration::from_millis(200));
        });
        let of_others = outcomes[1..]
            .iter()
            .map(|outcome| outcome.end.unwrap().longest)
            .max();
        let row = Row::new(
            "`SIGSTOP` for 3 s of a writer that holds the lock; longest call of 2 others",
            &family(&scratch.log).unwrap(),
            &outcomes,
        );
        longest = of_others.unwrap();
        // The file was seen changed in the first half of the wait, at the latest.
        limit = PLAN.wait * 3 / 2 + Duration::from_millis(5) + control.latest();
        let done = longest <= limit;
        // Nothing may be lost, whichever process was slow; times may exceed their bound by the
        // noise of the machine.
        if done || _attempt == 2 {
            Row { longest, ..row }.prove();
            break;
        }
        assert!(row.verdict.is_clean(), "{:?}", row.verdict);
    }
    assert!(longest <= limit, "{longest:?} of {limit:?}");
}
