//! Processes that rotate one log at the same time.

use std::path::{Path, PathBuf};

use tracing_fallback_file::{Family, FileAppender};

use super::{all_lines, least_rotations, length};
use crate::common::{self, arguments, rotating, say, scratch, write, Child};

/// Wine is slow.
const RECORDS: u32 = if cfg!(windows) { 4_000 } else { 40_000 };

#[test]
#[ignore = "a child of the others"]
fn writer() {
    let Some(arguments) = arguments() else { return };
    let mut builder = match arguments[1].parse().unwrap() {
        0 => FileAppender::builder(),
        size => rotating(size),
    };
    if arguments[3] == "true" {
        builder = common::compressing(builder);
    }
    let appender = builder.build(&arguments[0]).unwrap();
    let id = &arguments[2];
    say("ready");
    common::hear();
    for n in 0..RECORDS {
        write(
            &appender,
            &format!("{id} {n} {}", "x".repeat((n % 100) as usize)),
        );
    }
    say(&appender.stats().rotations.to_string());
}

/// Runs a process for each size, all on one log, until all have written all; returns their
/// rotations.
fn together(log: &Path, sizes: &[u64], compressed: bool) -> u64 {
    let mut children: Vec<Child> = (0..)
        .zip(sizes)
        .map(|(id, size): (u32, _)| {
            let arguments = [size.to_string(), id.to_string(), compressed.to_string()];
            let [size, id, compressed] = &arguments;
            Child::start(
                "rotation::processes::writer",
                &[log.to_str().unwrap(), size, id, compressed],
            )
        })
        .collect();
    children.iter_mut().for_each(|child| child.expect("ready"));
    children.iter_mut().for_each(|child| child.tell("go"));
    let rotations = children.into_iter().map(|mut child| {
        let rotations: u64 = child.hear().parse().unwrap();
        child.end();
        rotations
    });
    rotations.sum()
}

fn assert_all_there_once(log: &Path, writers: usize) {
    let mut found = vec![vec![0_u8; RECORDS as usize]; writers];
    for line in all_lines(log) {
        let mut words = line.split(' ');
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let (id, n) = (number(), number());
        let payload = words.next().unwrap_or_default();
        assert!(
            payload.len() == n % 100 && words.next().is_none(),
            "torn: {line}"
        );
        found[id][n] += 1;
    }
    for (id, numbers) in found.iter().enumerate() {
        let wrong = numbers.iter().filter(|times| **times != 1).count();
        assert_eq!(wrong, 0, "of writer {id}");
    }
}

#[test]
fn six_processes_that_rotate_one_path_lose_nothing() {
    let scratch = scratch();
    let rotations = together(&scratch.log, &[100_000; 6], false);
    assert_all_there_once(&scratch.log, 6);
    let archives = Family::of(&scratch.log).unwrap().archives;
    assert_eq!(archives.len() as u64, rotations);
    assert!(archives.len() >= least_rotations(&scratch.log, 100_000));
    for archive in archives {
        let length = length(&archive);
        // Nobody rotated what another one had just made.
        assert!((99_800..=100_000).contains(&length), "{length}");
    }
}

#[cfg(feature = "gzip")]
#[test]
fn six_processes_that_rotate_and_compress_lose_nothing() {
    let scratch = scratch();
    together(&scratch.log, &[100_000; 6], true);
    let compressing = common::compressing(rotating(100_000)).build(&scratch.log);
    let archives = || Family::of(&scratch.log).unwrap().archives;
    let is_compressed = |file: &PathBuf| file.extension() == Some("gz".as_ref());
    common::wait_until(|| {
        let mut plain = archives();
        plain.retain(|file| !is_compressed(file));
        plain.len() == 1
    });
    drop(compressing);
    assert!(archives().len() >= least_rotations(&scratch.log, 100_000));
    assert_all_there_once(&scratch.log, 6);
    for archive in archives() {
        let length = common::contents(&archive).len();
        assert!((99_800..=100_000).contains(&length), "{length}");
    }
}

#[test]
fn processes_with_other_sizes_or_none_lose_nothing_either() {
    let scratch = scratch();
    together(
        &scratch.log,
        &[100_000, 100_000, 100_000, 50_000, 200_000, 0],
        false,
    );
    assert_all_there_once(&scratch.log, 6);
    for archive in Family::of(&scratch.log).unwrap().archives {
        assert!(length(&archive) > 0);
    }
}
