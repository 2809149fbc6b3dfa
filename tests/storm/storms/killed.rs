//! Writers that are killed at random.

use std::thread;
use std::time::{Duration, Instant};

use super::Row;
use crate::common::{all_files, scratch, Numbers, Scratch};
use crate::writer::{Plan, Writer, PLAN};

#[test]
#[ignore = "a storm"]
fn killed_writers() {
    kill_for(Duration::from_secs(20), "", &[PLAN]);
}

#[test]
#[ignore = "a storm"]
fn killed_writers_that_rotate() {
    let plan = Plan {
        largest: 2_000,
        max_size: 100_000,
        ..PLAN
    };
    let others = [0, 30_000, 250_000].map(|max_size| Plan {
        max_size,
        ..plan.clone()
    });
    let time = Duration::from_secs(10);
    kill_for(time, ", rotation at 100 kB", std::slice::from_ref(&plan));
    let plans: Vec<Plan> = others.into_iter().chain([plan]).collect();
    kill_for(
        time,
        ", rotation at 30, 100 and 250 kB or not at all",
        &plans,
    );
}

#[cfg(feature = "gzip")]
#[test]
#[ignore = "a storm"]
fn killed_writers_that_compress() {
    let plan = Plan {
        largest: 2_000,
        max_size: 1_000_000,
        gzip: true,
        ..PLAN
    };
    let how = ", rotation at 1 MB and gzip";
    // A writer compresses what it has found unchanged for two seconds: most live longer here.
    let most = Duration::from_millis(800);
    let scratch = kill_every(most, Duration::from_secs(20), how, &[plan]);
    let entries = std::fs::read_dir(scratch.dir.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
    let (compressed, cut_short) = (count(".gz"), count(".gz.tmp"));
    println!("{compressed} compressed, {cut_short} cut short");
    assert!(compressed > 0);
}

/// Eight writers at a time, of all the plans, at random one of them is killed.
fn kill_for(time: Duration, how: &str, plans: &[Plan]) -> Scratch {
    kill_every(Duration::from_millis(60), time, how, plans)
}

/// The same with another bound of the time between two kills.
fn kill_every(most: Duration, time: Duration, how: &str, plans: &[Plan]) -> Scratch {
    let scratch = scratch();
    let mut numbers = Numbers::new(42);
    let mut next_id = 0;
    let mut start = || {
        let plan = &plans[next_id as usize % plans.len()];
        let mut writer = Writer::start(&scratch.log, next_id, plan);
        next_id += 1;
        writer.go();
        writer
    };
    let mut writers: Vec<Writer> = (0..8).map(|_| start()).collect();
    let mut outcomes = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(
            numbers.below(most.as_millis() as u64),
        ));
        let victim = numbers.below(8) as usize;
        let killed = std::mem::replace(&mut writers[victim], start());
        outcomes.push(killed.kill());
    }
    let killed = outcomes.len();
    outcomes.extend(writers.into_iter().map(Writer::stop));
    let seconds = time.as_secs();
    let what = format!("`kill -9` of {killed} writers in {seconds} s, 8 at a time, flat out{how}");
    Row::new(what, &all_files(&scratch.log), &outcomes).prove();
    scratch
}
