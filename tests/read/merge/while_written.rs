//! A log whose files are written, renamed and compressed while they are read, and very many of them.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing_fallback_file::{Family, Merge};

use super::{at, records};
use crate::common::{self, arguments, hold, rotating, say, scratch, Child, Scratch};

/// A file of `records` records, of which the first is of that second.
fn long(path: &Path, first: u32, records: u32) {
    let line = |n: u32| {
        let (minute, second) = ((first + n) / 60, (first + n) % 60);
        let payload = "p".repeat(80);
        format!(
            "2026-11-23T07:{minute:02}:{second:02}Z  INFO {} {n} {payload}\n",
            path.display()
        )
    };
    fs::write(path, (0..records).map(line).collect::<String>()).unwrap();
}

/// Reads on while something is done to the files; returns what was read of each, and the errors.
fn read_while(scratch: &Scratch, mut change: impl FnMut()) -> (HashMap<PathBuf, usize>, usize) {
    let mut merge = Merge::open(&scratch.log).unwrap();
    let mut found: HashMap<PathBuf, usize> = HashMap::new();
    let mut errors = 0;
    for n in 0.. {
        match merge.next() {
            Some(Ok(record)) => *found.entry(record.path().to_owned()).or_default() += 1,
            Some(Err(_)) => errors += 1,
            None => break,
        }
        if n == 100 {
            change();
        }
    }
    (found, errors)
}

#[test]
fn what_happens_to_files_while_they_are_read_costs_nothing_else() {
    let scratch = scratch();
    let (log, other) = (scratch.log.clone(), scratch.variant(1));
    let set_up = || {
        for entry in fs::read_dir(scratch.dir.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        long(&log, 0, 3_000);
        long(&other, 0, 3_000);
    };
    let append = |path: &Path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(at(&[(59, "later")]).as_bytes()).unwrap();
    };

    set_up();
    let (found, errors) = read_while(&scratch, || append(&log));
    assert_eq!(
        (found[&log], found[&other], errors),
        (3_000, 3_000, 0),
        "what was there"
    );

    set_up();
    let (found, errors) = read_while(&scratch, || {
        fs::rename(&log, scratch.path("app.2026-11-23T08-55-09Z.log")).unwrap();
        fs::write(&log, "new\n").unwrap();
    });
    assert_eq!(
        (found[&log], found[&other], errors),
        (3_000, 3_000, 0),
        "rotated"
    );

    set_up();
    let (found, errors) = read_while(&scratch, || fs::write(&log, "").unwrap());
    assert!(found[&log] < 3_000, "cut off");
    assert_eq!((found[&other], errors), (3_000, 0));

    set_up();
    let (found, errors) = read_while(&scratch, || fs::remove_file(&log).unwrap());
    assert_eq!(
        (found[&log], found[&other], errors),
        (3_000, 3_000, 0),
        "still open"
    );

    set_up();
    let archive = scratch.path("app.2026-11-23T06-55-09Z.log");
    long(&archive, 500, 3_000);
    let (found, errors) = read_while(&scratch, || fs::remove_file(&archive).unwrap());
    assert_eq!((found[&archive], errors), (3_000, 0), "before its turn");
}

/// Records that do not fit into a file's part of the buffers.
const FEW: u32 = 1_200;

#[test]
#[ignore = "a child of another one"]
fn reads_with_few_descriptors() {
    let Some(arguments) = arguments() else { return };
    #[cfg(unix)]
    {
        use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
        let limit = Rlimit {
            current: Some(24),
            ..getrlimit(Resource::Nofile)
        };
        setrlimit(Resource::Nofile, limit).unwrap();
    }
    let log = Path::new(&arguments[0]);
    let variant = |n| log.with_file_name(format!("app.{n:03}.log"));
    let mut last = None;
    let (mut errors, mut of_removed) = (0, 0);
    let mut others = 0;
    for (n, record) in Merge::open(log).unwrap().enumerate() {
        match record {
            Ok(record) => {
                assert!(record.timestamp() >= last);
                last = record.timestamp();
                match record.path() == variant(3) {
                    true => of_removed += 1,
                    false => others += 1,
                }
            }
            Err(error) => {
                assert!(error.to_string().contains("app.003.log"), "{error}");
                errors += 1;
            }
        }
        if n == 1_000 {
            // By now most are closed.
            let archive = log.with_file_name("app.002.2026-11-23T08-55-09Z.log");
            fs::rename(variant(2), archive).unwrap();
            fs::remove_file(variant(3)).unwrap();
        }
    }
    assert!(errors == 1 && of_removed < FEW, "{errors} {of_removed}");
    say(&others.to_string());
}

#[test]
fn more_files_than_descriptors_are_read_all_the_same() {
    let scratch = scratch();
    long(&scratch.log, 0, FEW);
    for n in 1..=150 {
        long(&scratch.variant(n), n.into(), FEW);
    }
    let log = scratch.log.to_str().unwrap();
    let mut child = Child::start("merge::while_written::reads_with_few_descriptors", &[log]);
    child.expect(&(150 * FEW).to_string());
    child.end();
}

const WRITERS: u32 = 8;

#[test]
#[ignore = "a child of another one"]
fn writes_on_and_on() {
    let Some(arguments) = arguments() else { return };
    let builder = rotating(50_000).lock_wait(Duration::ZERO);
    let appender = common::compressing(builder).build(&arguments[0]).unwrap();
    say("ready");
    common::hear();
    for n in 0..5_000 {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let record = format!(
            "{{\"ts\":{},\"id\":\"{}-{n}\"}}",
            time.as_micros(),
            arguments[1]
        );
        common::write(&appender, &record);
        say(&n.to_string());
    }
    common::hear();
}

/// Eight processes that switch and rotate, with a locked file in their way, and a reader that comes
/// again and again meanwhile: what was written when it came, it finds once.
#[test]
fn at_any_time_every_record_is_found_once() {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap();
    let mut children: Vec<Child> = (0..WRITERS)
        .map(|id| {
            Child::start(
                "merge::while_written::writes_on_and_on",
                &[log, &id.to_string()],
            )
        })
        .collect();
    children.iter_mut().for_each(|child| child.expect("ready"));
    let held = hold(&scratch.log);
    children.iter_mut().for_each(|child| child.tell("go"));
    let mut held = Some(held);
    for written in (0..5_000).step_by(250).chain([4_999]) {
        for child in &mut children {
            let mut heard = child.hear();
            while heard.parse::<u32>().unwrap() < written {
                heard = child.hear();
            }
        }
        let mut found: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for record in Merge::open(&scratch.log).unwrap() {
            let record = record.unwrap();
            let path = record.path().to_owned();
            let record: serde_json::Value = serde_json::from_slice(record.bytes()).unwrap();
            let id = record["id"].as_str().unwrap().to_owned();
            found.entry(id).or_default().push(path);
        }
        for id in 0..WRITERS {
            for n in 0..=written {
                let id = format!("{id}-{n}");
                assert!(found.contains_key(&id), "{id} of {written}");
            }
        }
        for (id, files) in found {
            assert_eq!(files.len(), 1, "{id}: {files:?}");
        }
        held.take();
    }
    for mut child in children {
        child.tell("end");
        child.end();
    }
    let family = Family::of(&scratch.log).unwrap();
    assert!(
        family.variants.len() > 1 && family.archives.len() > 10,
        "{family:?}"
    );

    // Where each file is in order, so are all of them together.
    for file in common::all_files(&scratch.log) {
        let mut lines = common::lines(&file);
        lines.sort();
        fs::remove_file(&file).unwrap();
        let plain = file.to_str().unwrap().trim_end_matches(".gz");
        let lines = lines.into_iter().map(|line| line + "\n");
        fs::write(plain, lines.collect::<String>()).unwrap();
    }
    let records = records(&scratch.log);
    assert_eq!(records.len(), 8 * 5_000);
    assert!(records
        .windows(2)
        .all(|two| two[0].timestamp() <= two[1].timestamp()));
}
