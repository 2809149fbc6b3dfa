//! Files and directories that are renamed, removed or replaced, by programs that rotate among others.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use super::{fault, ms, paced, row};
use crate::common::{self, scratch, Scratch};
use crate::storms::{run, Row};
use crate::writer::{Plan, PLAN};

#[test]
#[ignore = "a storm"]
fn a_directory_taken_away() {
    let mut scratch = scratch();
    let directory = scratch.path("logs");
    scratch.log = directory.join("app.log");
    fault(
        "directory moved away, 10 times, and a file put in its place",
        &scratch,
        paced(),
        |_| {
            for n in 0..10 {
                thread::sleep(ms(100));
                fs::rename(&directory, scratch.path(&format!("moved-{n}"))).unwrap();
                if n % 2 == 0 && fs::File::create_new(&directory).is_ok() {
                    thread::sleep(ms(100));
                    fs::remove_file(&directory).unwrap();
                }
            }
            thread::sleep(ms(200));
        },
    )
    .prove();
}

/// Puts something else in the primary's place for a while, again and again.
fn replaced(what: &str, plan: Plan, make: impl Fn(&Scratch)) -> Row {
    let scratch = scratch();
    fault(
        what,
        &scratch,
        Plan {
            returns: true,
            ..plan
        },
        |_| {
            for n in 0..10 {
                thread::sleep(ms(50));
                // Nobody may make the file again before the other thing is there.
                let _ = fs::rename(&scratch.log, scratch.path(&format!("moved-{n}.log")));
                while {
                    make(&scratch);
                    fs::symlink_metadata(&scratch.log).is_ok_and(|found| found.is_file())
                } {
                    let again = scratch.path(&format!("moved-again-{n}-{}.log", fastrand()));
                    let _ = fs::rename(&scratch.log, again);
                }
                thread::sleep(ms(50));
                let _ = fs::remove_dir(&scratch.log).or_else(|_| fs::remove_file(&scratch.log));
            }
        },
    )
}

fn fastrand() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos()
}

#[test]
#[ignore = "a storm"]
fn something_else_in_the_primary_s_place() {
    replaced(
        "primary replaced by a directory, 10 times",
        paced(),
        |scratch| {
            let _ = fs::create_dir(&scratch.log);
        },
    )
    .prove();
    replaced(
        "primary replaced by a looping link, 10 times",
        paced(),
        |scratch| {
            let _ = symlink("app.log", &scratch.log);
        },
    )
    .prove();
    replaced(
        "primary replaced by a dangling link, 10 times",
        paced(),
        |scratch| {
            let _ = symlink("nowhere/app.log", &scratch.log);
        },
    )
    .prove();
    let row = replaced(
        "primary replaced by a FIFO that nobody reads, 10 times",
        paced(),
        |scratch| {
            let _ = Command::new("mkfifo")
                .arg(&scratch.log)
                .stderr(Stdio::null())
                .status();
        },
    );
    row.report("what goes into the FIFO is gone, until it is noticed");
}

#[test]
#[ignore = "a storm"]
fn a_file_renamed_or_deleted_at_every_point() {
    let scratch = scratch();
    let until = |limit| {
        let start = Instant::now();
        move || start.elapsed() < limit
    };
    let plan = Plan {
        largest: 2_000,
        ..PLAN
    };
    let what = "file renamed as fast as possible, flat out";
    fault(what, &scratch, plan.clone(), |_| {
        let goes_on = until(ms(2_000));
        for n in (0..).take_while(|_| goes_on()) {
            let _ = fs::rename(&scratch.log, scratch.path(&format!("renamed-{n}.log")));
        }
    })
    .prove();
    let scratch = common::scratch();
    let what = "file deleted as fast as possible, flat out (what was in it still counts)";
    fault(what, &scratch, plan, |_| {
        let goes_on = until(ms(2_000));
        for n in (0..).take_while(|_| goes_on()) {
            // A second name keeps what is deleted for the checker.
            let kept = scratch.path(&format!("deleted-{n}.log"));
            if fs::hard_link(&scratch.log, &kept).is_ok() {
                fs::remove_file(&scratch.log).unwrap();
            }
        }
    })
    .prove();
}

#[test]
#[ignore = "a storm"]
fn logrotate() {
    if !Command::new("logrotate")
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success())
    {
        eprintln!("SKIPPED logrotate: it is not here");
        return;
    }
    for options in [
        "create",
        "nocreate",
        "create compress delaycompress",
        "copytruncate",
    ] {
        let scratch = scratch();
        let settings = scratch.path("not-a-log");
        let lines = options.replace(' ', "\n");
        let log = scratch.log.display();
        fs::write(&settings, format!("{log} {{\nrotate 1000\n{lines}\n}}\n")).unwrap();
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o644)).unwrap();
        let status = tempfile::NamedTempFile::new().unwrap();
        let mut rotations = 0;
        let outcomes = run(&scratch.log, &vec![paced(); 3], |_| {
            let end = Instant::now() + ms(4_000);
            while Instant::now() < end {
                thread::sleep(ms(100));
                let rotated = Command::new("logrotate")
                    .args(["--force", "--state"])
                    .args([status.path(), &*settings])
                    .output()
                    .unwrap();
                assert!(rotated.status.success(), "{rotated:?}");
                rotations += 1;
            }
        });
        let what = format!("logrotate every 100 ms, {rotations} times: `{options}`");
        let row = row(&what, &scratch, &outcomes);
        match options {
            // Its copy may also end in the middle of a record that is being written.
            "copytruncate" => row.report_cuts("loses what is written between copy and truncation"),
            _ => row.prove(),
        }
    }
}
