//! Disks that fill up, files and directories that go or change, calls that fail, programs that
//! rotate. Each with its real cause, as far as this machine and user allow.

use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit};
use tracing_fallback_file::FileAppender;

use crate::common::{self, as_nobody, family, scratch, Scratch, SmallDisk};
use crate::record::{check, record, Claim};
use crate::storms::{run, Row};
use crate::writer::{Outcome, Plan, Writer, PLAN};

/// Writes about a thousand records a second, of up to 2 KB.
fn paced() -> Plan {
    Plan {
        pause: (500, 1_500),
        largest: 2_000,
        ..PLAN
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Every file below a directory.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}

/// A row of three paced writers, with `meanwhile` done to them and their directory; of the files
/// there every one counts but those called `not-a-log`.
fn fault(what: &str, scratch: &Scratch, plan: Plan, meanwhile: impl FnOnce(&mut [Writer])) -> Row {
    let outcomes = run(&scratch.log, &vec![plan; 3], meanwhile);
    row(what, scratch, &outcomes)
}

pub fn row(what: &str, scratch: &Scratch, outcomes: &[Outcome]) -> Row {
    let mut files = files_below(scratch.dir.path());
    files.retain(|file| file.file_name().unwrap() != "not-a-log");
    Row::new(what, &files, outcomes)
}

#[test]
#[ignore = "a storm"]
fn a_disk_that_fills_up() {
    let Some(disk) = SmallDisk::mount("a disk that fills up", 64 * 1024) else {
        return;
    };
    let scratch = &disk.0;
    let what = "disk full in mid-record, freed and filled again 5 times";
    fault(what, scratch, paced(), |_| {
        let filler = scratch.path("not-a-log");
        for _ in 0..5 {
            thread::sleep(ms(300));
            let mut file = fs::File::create(&filler).unwrap();
            let block = vec![0; 1 << 20];
            while std::io::Write::write_all(&mut file, &block).is_ok() {}
            thread::sleep(ms(300));
            drop(file);
            fs::remove_file(&filler).unwrap();
        }
        thread::sleep(ms(200));
    })
    .prove();
}

#[test]
#[ignore = "a storm"]
fn a_read_only_remount() {
    let Some(disk) = SmallDisk::mount("a read-only remount", 64 * 1024) else {
        return;
    };
    let scratch = &disk.0;
    let remount = |how: &str| {
        let options = format!("remount,{how}");
        let directory = scratch.dir.path();
        let mount = || {
            Command::new("mount")
                .args(["-o", &options])
                .arg(directory)
                .output()
        };
        // It is refused while somebody is just writing.
        while !mount().unwrap().status.success() {}
    };
    fault(
        "remounted read-only and back, 5 times",
        scratch,
        paced(),
        |_| {
            for _ in 0..5 {
                thread::sleep(ms(200));
                remount("ro");
                thread::sleep(ms(200));
                remount("rw");
            }
        },
    )
    .prove();
}

#[test]
#[ignore = "a storm"]
fn a_limit_on_file_size() {
    let scratch = scratch();
    let plan = Plan {
        records: 1_000,
        largest: 2_000,
        ..PLAN
    };
    let shell = ["sh", "-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh"];
    let mut writers: Vec<Writer> = (0..3)
        .map(|id| Writer::start_under(&shell, &scratch.log, id, &plan))
        .collect();
    writers.iter_mut().for_each(Writer::go);
    let outcomes: Vec<Outcome> = writers.into_iter().map(Writer::stop).collect();
    row(
        "`RLIMIT_FSIZE` reached in mid-record, file by file",
        &scratch,
        &outcomes,
    )
    .prove();
}

#[test]
#[ignore = "a storm"]
fn no_descriptors_left() {
    let scratch = scratch();
    fault(
        "`RLIMIT_NOFILE`: no descriptors left, 5 times",
        &scratch,
        paced(),
        |writers| {
            for _ in 0..5 {
                for current in [Some(3), Some(1_024)] {
                    thread::sleep(ms(200));
                    for writer in &mut *writers {
                        let pid = Pid::from_child(&writer.process);
                        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
                        let limit = Rlimit { current, maximum };
                        rustix::process::prlimit(Some(pid), Resource::Nofile, limit).unwrap();
                    }
                }
            }
        },
    )
    .prove();
}

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

#[test]
#[ignore = "a storm"]
fn permission_taken_away() {
    let mut scratch = scratch();
    let directory = scratch.path("logs");
    fs::create_dir(&directory).unwrap();
    scratch.log = directory.join("app.log");
    let plan = Plan {
        returns: true,
        ..paced()
    };
    let mut writers: Vec<Writer> = (0..3)
        .map(|id| {
            let arguments = plan.arguments(&scratch.log, id);
            let arguments = arguments.each_ref().map(String::as_str);
            Writer::from_command(id, &mut as_nobody("writer::writes", &arguments, &scratch))
        })
        .collect();
    writers.iter_mut().for_each(Writer::go);
    let allow = |path: &Path, mode| {
        // Of a file that is not there yet there is nothing to take away.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
        thread::sleep(ms(100));
    };
    for _ in 0..5 {
        allow(&scratch.log, 0o000);
        allow(&scratch.log, 0o644);
        allow(&directory, 0o000);
        allow(&directory, 0o755);
    }
    let outcomes: Vec<Outcome> = writers.into_iter().map(Writer::stop).collect();
    let _ = fs::remove_file(scratch.path("binary"));
    row(
        "permission of file and directory taken away and given back",
        &scratch,
        &outcomes,
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

/// Runs three writers, each with some of its system calls on log files failing as `inject` says.
fn injected(what: &str, inject: &[&str], sees: &str) {
    let plan = Plan {
        records: 600,
        largest: 2_000,
        ..PLAN
    };
    injected_into(&plan, what, inject, sees);
}

fn injected_into(plan: &Plan, what: &str, inject: &[&str], sees: &str) {
    let scratch = scratch();
    let log = scratch.log.to_str().unwrap().to_owned();
    let variants: Vec<String> = (1..=3)
        .map(|n| scratch.variant(n).to_str().unwrap().to_owned())
        .collect();
    let mut strace = vec!["strace", "-f", "-qq", "-o", "/dev/null", "-P", &log];
    variants
        .iter()
        .for_each(|variant| strace.extend(["-P", variant]));
    let calls = "trace=openat,flock,write,close,statx,rename,fdatasync";
    strace.extend(["-e", calls]);
    inject
        .iter()
        .for_each(|inject| strace.extend(["-e", inject]));
    let mut writers: Vec<Writer> = (0..3)
        .map(|id| Writer::start_under(&strace, &scratch.log, id, plan))
        .collect();
    writers.iter_mut().for_each(Writer::go);
    let outcomes: Vec<Outcome> = writers.into_iter().map(Writer::stop).collect();
    let mut row = row(what, &scratch, &outcomes);
    row.sees = [row.sees.as_str(), sees]
        .join("; ")
        .trim_end_matches("; ")
        .to_owned();
    row.prove();
}

#[test]
#[ignore = "a storm"]
fn system_calls_that_fail() {
    if !Command::new("strace")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success())
    {
        eprintln!("SKIPPED system calls that fail: there is no strace here");
        return;
    }
    injected(
        "file system without locks (`flock`: ENOLCK)",
        &["inject=flock:error=ENOLCK"],
        "one warning each",
    );
    injected(
        "lock refused by a security module (`flock`: EACCES)",
        &["inject=flock:error=EACCES"],
        "one warning each",
    );
    injected(
        "`EINTR` from open, lock, write and close",
        &["inject=openat,flock,write,close:error=EINTR:when=2+3"],
        "",
    );
    injected(
        "`EIO` from open, lock, write and close",
        &["inject=openat,flock,write,close:error=EIO:when=3+7"],
        "",
    );
    let plan = Plan {
        records: 600,
        largest: 2_000,
        max_size: 20_000,
        sync: true,
        ..PLAN
    };
    injected_into(
        &plan,
        "`EIO` from rename and sync, rotation at 20 kB, `SyncPolicy::EveryCommit`",
        &["inject=rename,fdatasync:error=EIO:when=3+7"],
        "",
    );
    injected(
        "`ENOLCK` now and then",
        &["inject=flock:error=ENOLCK:when=2+3"],
        "one warning each",
    );
}

/// Runs three writers with a library loaded before the system's.
fn interposed(what: &str, variable: &str) {
    let scratch = scratch();
    let library = scratch.path("not-a-log");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storm/interpose.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED {what}: there is no C compiler here");
        return;
    }
    let preload = format!("LD_PRELOAD={}", library.display());
    let wrapper = ["env", &preload, &format!("{variable}=1")];
    let plan = Plan {
        records: 2_000,
        largest: 2_000,
        ..PLAN
    };
    let mut writers: Vec<Writer> = (0..3)
        .map(|id| Writer::start_under(&wrapper, &scratch.log, id, &plan))
        .collect();
    writers.iter_mut().for_each(Writer::go);
    let outcomes: Vec<Outcome> = writers.into_iter().map(Writer::stop).collect();
    row(what, &scratch, &outcomes).prove();
}

#[test]
#[ignore = "a storm"]
fn short_writes_and_a_clock_set_back() {
    interposed("every write takes half of what it is given", "SHORT_WRITES");
    interposed(
        "the clock jumps back an hour at every look (only time stamps look)",
        "CLOCK_BACK",
    );
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
            "copytruncate" => row.report("loses what is written between copy and truncation"),
            _ => row.prove(),
        }
    }
}

#[test]
#[ignore = "a storm"]
fn forks_without_exec() {
    let scratch = scratch();
    let mut child = common::Child::start("faults::forks", &[scratch.log.to_str().unwrap()]);
    let began = Instant::now();
    let mut claims: Vec<Claim> = (100..200)
        .map(|writer| Claim {
            writer,
            acknowledged: 20,
            killed: false,
            queued: false,
        })
        .collect();
    for writer in 0..3 {
        let acknowledged = child.hear().parse().unwrap();
        claims.push(Claim {
            writer,
            acknowledged,
            killed: false,
            queued: false,
        });
    }
    let longest = Duration::from_micros(child.hear().parse().unwrap());
    child.end();
    assert!(began.elapsed() < ms(60_000));
    let files = family(&scratch.log).unwrap();
    Row {
        what: "`fork` without `exec` of a writer with 3 threads, 100 times; the longest is fork, 20 records and end of a child"
            .into(),
        verdict: check(&files, &claims),
        longest,
        files: files.len(),
        sees: "a child that finds a lock held for ever waits for it once".into(),
    }
    .prove();
}

#[test]
#[ignore = "a child of the storms"]
fn forks() {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tracing_subscriber::fmt::MakeWriter;

    let Some(arguments) = common::arguments() else {
        return;
    };
    let appender = FileAppender::new(&arguments[0]).unwrap();
    let write = |writer, number| {
        let record = record(writer, number, b"a payload of some length");
        appender.make_writer().write_all(&record).unwrap();
    };
    let busy = AtomicBool::new(true);
    let mut longest = Duration::ZERO;
    let written: Vec<u64> = thread::scope(|scope| {
        let (busy, write) = (&busy, &write);
        let threads: Vec<_> = (0..3)
            .map(|writer| {
                scope.spawn(move || {
                    let mut numbers = 0..;
                    while busy.load(Ordering::Relaxed) {
                        write(writer, numbers.next().unwrap());
                    }
                    numbers.start
                })
            })
            .collect();
        for writer in 100..200 {
            let began = Instant::now();
            match fork::fork().unwrap() {
                fork::Fork::Child => {
                    (0..20).for_each(|number| write(writer, number));
                    let this = rustix::process::getpid();
                    rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
                }
                fork::Fork::Parent(child) => {
                    let options = rustix::process::WaitOptions::empty();
                    rustix::process::waitpid(Pid::from_raw(child), options).unwrap();
                    longest = longest.max(began.elapsed());
                }
            }
        }
        busy.store(false, Ordering::Relaxed);
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    written.iter().for_each(|n| common::say(&n.to_string()));
    common::say(&longest.as_micros().to_string());
}
