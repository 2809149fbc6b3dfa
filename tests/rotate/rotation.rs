//! Files that are full, or whose period is over.

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::{
    all_files, arguments, hold, left, lines, rotating, say, scratch, set_modified, write, Child,
};
use tracing_fallback_file::{Family, FileAppender, Period};
use tracing_subscriber::fmt::MakeWriter;

fn all_lines(log: &Path) -> Vec<String> {
    all_files(log).iter().flat_map(|file| lines(file)).collect()
}

fn length(file: &Path) -> u64 {
    file.metadata().unwrap().len()
}

#[test]
fn a_file_is_rotated_before_it_gets_too_large() {
    let scratch = scratch();
    let appender = rotating(100).build(&scratch.log).unwrap();
    for n in 0..10 {
        write(&appender, &format!("{n:0>29}"));
    }
    let family = Family::of(&scratch.log).unwrap();
    assert_eq!(family.primary, Some(scratch.log.clone()));
    assert_eq!(family.archives.len(), 3);
    for archive in &family.archives {
        assert_eq!(length(archive), 90);
    }
    let expected: Vec<_> = (0..10).map(|n| format!("{n:0>29}")).collect();
    assert_eq!(all_lines(&scratch.log), expected, "oldest first");
    let stats = appender.stats();
    assert_eq!((stats.rotations, stats.written, stats.switches), (3, 10, 0));
}

#[test]
fn a_record_larger_than_a_file_may_be_gets_one_of_its_own() {
    let scratch = scratch();
    let appender = rotating(100).build(&scratch.log).unwrap();
    let large = "x".repeat(500);
    for record in ["a", &large, "b", &large, &large] {
        write(&appender, record);
    }
    let lengths: Vec<u64> = all_files(&scratch.log).iter().map(|f| length(f)).collect();
    assert_eq!(lengths, [2, 501, 2, 501, 501]);
}

// Wine answers "More data available" to such a rename.
#[cfg(unix)]
#[test]
fn a_long_name_rotates_as_far_as_an_archive_s_name_is_possible() {
    let scratch = scratch();
    // With ".2026-11-23T07-55-01.123456Z" it is as long as a name may be.
    let log = scratch.path(&format!("{}.log", "n".repeat(223)));
    let appender = rotating(100).build(&log).unwrap();
    write(&appender, &"x".repeat(99));
    write(&appender, &"y".repeat(99));
    assert_eq!(appender.stats().rotations, 1);
}

#[test]
fn what_waits_and_batches_rotate_too() {
    let scratch = scratch();
    let appender = rotating(1_000).max_variants(0).build(&scratch.log).unwrap();
    let held = hold(&scratch.log);
    for n in 0..100 {
        write(&appender, &format!("{n:0>99}"));
    }
    drop(held);
    appender.flush(Duration::from_secs(5)).unwrap();
    let (writer, guard) = appender.non_blocking();
    for n in 100..200 {
        let record = format!("{n:0>99}\n");
        std::io::Write::write_all(&mut writer.make_writer(), record.as_bytes()).unwrap();
    }
    drop(guard);
    let expected: Vec<_> = (0..200).map(|n| format!("{n:0>99}")).collect();
    assert_eq!(all_lines(&scratch.log), expected);
    for file in all_files(&scratch.log) {
        assert!(length(&file) <= 1_000, "{}", length(&file));
    }
}

#[test]
fn variants_rotate_like_the_primary() {
    let scratch = scratch();
    let appender = rotating(100).build(&scratch.log).unwrap();
    let held = hold(&scratch.log);
    for n in 0..10 {
        write(&appender, &format!("{n:0>29}"));
    }
    drop(held);
    let family = Family::of(&scratch.log).unwrap();
    assert_eq!(family.variants, [scratch.variant(1)]);
    assert_eq!(family.archives.len(), 3);
    for archive in family.archives {
        let name = archive.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("app.001.2"), "{name}");
        assert_eq!(length(&archive), 90);
    }
}

#[test]
fn the_first_record_of_a_period_rotates_after_a_restart_too() {
    const DAY: Duration = Duration::from_secs(86_400);
    for (period, length) in [
        (Period::Minutely, Duration::from_secs(60)),
        (Period::Hourly, Duration::from_secs(3_600)),
        (Period::Daily, DAY),
        (Period::Weekly, 7 * DAY),
    ] {
        let scratch = scratch();
        left(&scratch.log, length);
        let build = || {
            let builder = FileAppender::builder().rotate_every(period);
            builder.build(&scratch.log).unwrap()
        };
        let appender = build();
        write(&appender, "new");
        assert_eq!(appender.stats().rotations, 1, "{period:?}");
        assert_eq!(all_lines(&scratch.log), ["old", "new"]);
        assert_eq!(lines(&scratch.log), ["new"]);

        // While it runs.
        let appender = build();
        write(&appender, "newer");
        let set_back = || set_modified(&scratch.log, SystemTime::now() - length);
        set_back();
        write(&appender, "newest");
        assert_eq!(all_lines(&scratch.log), ["old", "new", "newer", "newest"]);
        assert_eq!(lines(&scratch.log), ["newest"]);

        // The clock of a network disk may be behind: once in a period is enough.
        set_back();
        write(&appender, "last");
        assert_eq!(lines(&scratch.log), ["newest", "last"]);
    }
}

#[test]
fn a_clock_set_back_rotates_nothing() {
    let scratch = scratch();
    fs::write(&scratch.log, "from the future\n").unwrap();
    let future = SystemTime::now() + Duration::from_secs(30 * 86_400);
    set_modified(&scratch.log, future);
    let appender = FileAppender::builder()
        .rotate_every(Period::Minutely)
        .build(&scratch.log)
        .unwrap();
    write(&appender, "now");
    assert_eq!(lines(&scratch.log), ["from the future", "now"]);
}

#[test]
fn an_empty_file_is_never_rotated() {
    let scratch = scratch();
    fs::write(&scratch.log, "").unwrap();
    set_modified(&scratch.log, SystemTime::UNIX_EPOCH);
    let appender = rotating(1)
        .rotate_every(Period::Minutely)
        .build(&scratch.log)
        .unwrap();
    write(&appender, "one");
    assert_eq!(Family::of(&scratch.log).unwrap().archives.len(), 0);
}

#[cfg(unix)]
#[test]
fn of_a_link_the_file_that_it_leads_to_is_rotated() {
    let scratch = scratch();
    let real = scratch.path("elsewhere/real.log");
    fs::create_dir(scratch.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere/real.log", &scratch.log).unwrap();
    let appender = rotating(10).build(&scratch.log).unwrap();
    for n in 0..3 {
        write(&appender, &format!("record {n}"));
    }
    assert!(scratch.log.is_symlink());
    assert_eq!(Family::of(&real).unwrap().archives.len(), 2);
    assert_eq!(all_lines(&real), ["record 0", "record 1", "record 2"]);
}

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
                "rotation::writer",
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
    assert!(rotations > u64::from(RECORDS) / 400, "{rotations}");
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
    assert!(
        archives().len() > RECORDS as usize / 400,
        "{}",
        archives().len()
    );
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

#[cfg(unix)]
#[test]
fn a_rename_that_fails_is_said_once_and_writes_on() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = scratch();
    fs::create_dir(scratch.path("d")).unwrap();
    let log = scratch.path("d/app.log");
    fs::write(&log, "").unwrap();
    let mut command = common::as_nobody(
        "rotation::rotates_in_vain",
        &[log.to_str().unwrap()],
        &scratch,
    );
    fs::set_permissions(scratch.path("d"), fs::Permissions::from_mode(0o555)).unwrap();
    let said = Child::from_command(&mut command).end();
    fs::set_permissions(scratch.path("d"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(lines(&log).len(), 20);
    assert_eq!(
        Family::of(&log).unwrap().archives,
        [""; 0].map(PathBuf::from)
    );
    let warnings: Vec<_> = said
        .iter()
        .filter(|line| line.contains("not rotated"))
        .collect();
    assert_eq!(warnings.len(), 1, "{said:?}");
}

#[test]
#[ignore = "a child of another one"]
fn rotates_in_vain() {
    use tracing_subscriber::{fmt, prelude::*};

    let Some(arguments) = arguments() else { return };
    let appender = rotating(50).build(&arguments[0]).unwrap();
    let (heard, hears) = std::sync::mpsc::channel();
    let layer = fmt::layer()
        .with_ansi(false)
        .with_writer(move || Tell(heard.clone()));
    let subscriber = tracing_subscriber::registry().with(appender.attach(layer));
    tracing::subscriber::with_default(subscriber, || {
        for n in 0..20 {
            write(&appender, &format!("record {n}"));
        }
    });
    drop(appender);
    for line in hears.try_iter() {
        say(line.trim_end());
    }
}

struct Tell(std::sync::mpsc::Sender<String>);

impl std::io::Write for Tell {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod odd_files {
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    use super::*;
    use common::SmallDisk;

    /// As of a redirection whose file somebody has removed.
    #[test]
    fn a_file_without_a_name_is_written_all_the_same() {
        let scratch = scratch();
        let file = File::create(scratch.path("gone")).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let appender = rotating(1_000).build(&path).unwrap();
        fs::remove_file(scratch.path("gone")).unwrap();
        for n in 0..3 {
            write(&appender, &format!("record {n}"));
        }
        let stats = appender.stats();
        assert_eq!((stats.written, stats.pending, stats.switches), (3, 0, 0));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    /// As `/dev/stdout` is where it is redirected to a file.
    #[test]
    fn a_name_that_follows_its_file_is_not_rotated() {
        let scratch = scratch();
        let file = File::create(scratch.path("out.log")).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let appender = rotating(10).build(&path).unwrap();
        for n in 0..10 {
            write(&appender, &format!("record {n}"));
        }
        assert_eq!(appender.stats().rotations, 0);
        assert_eq!(lines(&scratch.path("out.log")).len(), 10);
        assert_eq!(fs::read_dir(scratch.dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn where_no_new_file_can_be_made_the_old_one_is_written_on() {
        let test = "where_no_new_file_can_be_made_the_old_one_is_written_on";
        let Some(disk) = SmallDisk::mount_with(test, "size=1m,nr_inodes=20") else {
            return;
        };
        let appender = rotating(1_000).build(&disk.0.log).unwrap();
        write(&appender, "first");
        let mut fillers = 0;
        while File::create(disk.0.path(&format!("filler {fillers}"))).is_ok() {
            fillers += 1;
        }
        for n in 0..50 {
            write(&appender, &format!("{n:0>99}"));
        }
        let stats = appender.stats();
        assert_eq!((stats.written, stats.pending, stats.switches), (51, 0, 0));
        assert_eq!(lines(&disk.0.log).len(), 51, "in one file, under its name");
    }

    #[test]
    fn room_is_needed_where_a_link_leads_to() {
        let test = "room_is_needed_where_a_link_leads_to";
        let Some(disk) = SmallDisk::mount(test, 64) else {
            return;
        };
        let scratch = scratch();
        let real = scratch.path("real.log");
        symlink(&real, &disk.0.log).unwrap();
        let appender = rotating(1_000).build(&disk.0.log).unwrap();
        let full = fs::write(disk.0.path("filler"), vec![0; 1 << 20]);
        assert!(full.is_err());
        for n in 0..30 {
            write(&appender, &format!("{n:0>99}"));
        }
        assert_eq!(appender.stats().pending, 0);
        assert_eq!(all_lines(&real).len(), 30);
        assert_eq!(Family::of(&real).unwrap().archives.len(), 2);
    }

    /// As NFS: a plain rename would replace a file of that name.
    #[test]
    fn where_a_rename_can_t_spare_a_file_of_that_name_a_link_does() {
        let scratch = scratch();
        let trace = scratch.path("trace");
        let calls = "trace=rename,renameat,renameat2,link,linkat";
        let options = ["-e", calls, "-e", "inject=renameat2:error=EINVAL"];
        let log = scratch.log.to_str().unwrap();
        let name = "rotation::odd_files::rotates_twice";
        let Some(child) = common::trace::start(name, &[log], &trace, &options) else {
            return;
        };
        child.end();
        assert_eq!(all_lines(&scratch.log), ["one", "two", "three"]);
        assert_eq!(Family::of(&scratch.log).unwrap().archives.len(), 2);
        let calls = fs::read_to_string(&trace).unwrap();
        let replacing = |call: &&str| call.contains(" rename(") || call.contains(" renameat(");
        assert_eq!(calls.lines().filter(replacing).count(), 0, "{calls}");
    }

    #[test]
    #[ignore = "a child of another one"]
    fn rotates_twice() {
        let Some(arguments) = arguments() else { return };
        let appender = rotating(5).build(&arguments[0]).unwrap();
        for record in ["one", "two", "three"] {
            write(&appender, record);
        }
        assert_eq!(appender.stats().rotations, 2);
    }
    /// The primary can't be rotated, as its link leads to a directory that takes no file.
    #[test]
    fn a_variant_rotates_although_the_primary_could_not() {
        use std::os::unix::fs::PermissionsExt;

        let scratch = scratch();
        fs::create_dir(scratch.path("closed")).unwrap();
        fs::write(scratch.path("closed/real.log"), "").unwrap();
        symlink("closed/real.log", &scratch.log).unwrap();
        let log = scratch.log.to_str().unwrap();
        let name = "rotation::odd_files::rotates_the_variant_only";
        let mut command = common::as_nobody(name, &[log], &scratch);
        let closed = |mode| {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(scratch.path("closed"), mode).unwrap();
        };
        closed(0o555);
        Child::from_command(&mut command).end();
        closed(0o755);
        assert_eq!(lines(&scratch.path("closed/real.log")).len(), 4);
        let family = Family::of(&scratch.log).unwrap();
        assert_eq!(family.archives.len(), 4);
        assert_eq!(lines(&scratch.variant(1)), ["4"]);
    }

    #[test]
    #[ignore = "a child of another one"]
    fn rotates_the_variant_only() {
        let Some(arguments) = arguments() else { return };
        let log = Path::new(&arguments[0]);
        let appender = rotating(3).build(log).unwrap();
        (0..4).for_each(|n| write(&appender, &n.to_string()));
        let _held = hold(log);
        (0..5).for_each(|n| write(&appender, &n.to_string()));
    }
}
