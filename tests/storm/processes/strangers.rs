//! Writers beside a stranger who has the lock.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rustix::process::{kill_process, Pid, Signal};
use serde::{Deserialize, Serialize};

use super::{longest_call, median, outcome, start, Outcome, Plan, PLAN};
use crate::common::{self, arguments, say, scratch, Child};

/// What a stranger does who has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Stranger {
    Sleeps,
    /// With SIGSTOP.
    IsStopped,
    /// Every 100 ms, through another handle.
    Writes,
    /// For 1 ms of every 10.
    LetsGo,
}

#[test]
#[ignore = "a child of `strangers`"]
fn stranger() {
    let Some(arguments) = arguments() else { return };
    let stranger: Stranger = serde_json::from_str(&arguments[1]).unwrap();
    let log = Path::new(&arguments[0]);
    let mut held = Some(common::hold(log));
    say("locked");
    let mut file = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    loop {
        let pause = match stranger {
            Stranger::LetsGo => 9,
            _ => 100,
        };
        std::thread::sleep(Duration::from_millis(pause));
        match stranger {
            Stranger::Sleeps | Stranger::IsStopped => {}
            Stranger::Writes => file.write_all(b"a stranger's line\n").unwrap(),
            Stranger::LetsGo => {
                drop(held.take());
                std::thread::sleep(Duration::from_millis(1));
                held = Some(common::hold_when_free(log));
            }
        }
    }
}

/// Writers beside a stranger who has the lock: each switches, and after that nothing waits.
#[test]
#[ignore = "figures: run it alone, with --release and --nocapture"]
fn strangers() {
    let runs = std::env::var("RUNS").map_or(20, |runs| runs.parse().unwrap());
    println!("| the stranger | writers | switched | longest call, median (max) | until the switch, median |");
    println!("|---|---:|---:|---:|---:|");
    for stranger in [
        Stranger::Sleeps,
        Stranger::IsStopped,
        Stranger::Writes,
        Stranger::LetsGo,
    ] {
        for writers in [1, 4] {
            let (mut switched, mut longest, mut until) = (0, vec![], vec![]);
            for _ in 0..runs {
                let scratch = scratch();
                let plan = Plan {
                    pause: Duration::from_micros(100),
                    time: Duration::from_secs(1),
                    control: false,
                    ..PLAN
                };
                let mut children: Vec<Child> =
                    (0..writers).map(|_| start(&scratch.log, plan)).collect();
                let plan = serde_json::to_string(&stranger).unwrap();
                let arguments = [scratch.log.to_str().unwrap(), &plan];
                let mut other = Child::start("processes::strangers::stranger", &arguments);
                other.expect("locked");
                let pid = Pid::from_raw(other.id() as i32).unwrap();
                if stranger == Stranger::IsStopped {
                    kill_process(pid, Signal::STOP).unwrap();
                }
                children.iter_mut().for_each(|child| child.tell("go"));
                let outcomes: Vec<Outcome> = children.iter_mut().map(outcome).collect();
                kill_process(pid, Signal::KILL).unwrap();
                for child in children {
                    child.end();
                }
                switched += outcomes
                    .iter()
                    .filter(|outcome| outcome.switches > 0)
                    .count();
                longest.push(longest_call(&outcomes));
                until.extend(outcomes.iter().filter_map(|outcome| outcome.switched_after));
            }
            println!(
                "| {stranger:?} | {writers} | {switched} of {} | {:.1} ms ({:.1} ms) | {:.0} ms |",
                runs * writers,
                median(longest.clone()).as_secs_f64() * 1e3,
                longest.iter().max().unwrap().as_secs_f64() * 1e3,
                median(until).as_secs_f64() * 1e3,
            );
        }
    }
}
