//! Files that are full, or whose period is over.

use crate::common;

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use common::{
    all_files, arguments, hold, left, lines, rotating, say, scratch, set_modified, write,
};
use tracing_fallback_file::{Family, FileAppender, Period};
use tracing_subscriber::fmt::MakeWriter;

#[cfg(target_os = "linux")]
mod odd_files;
mod processes;

fn all_lines(log: &Path) -> Vec<String> {
    all_files(log).iter().flat_map(|file| lines(file)).collect()
}

fn length(file: &Path) -> u64 {
    file.metadata().unwrap().len()
}

/// How often files have been rotated at least that may have this size, if each file that is written
/// to has the rest of its own. On a slow machine some writers are on variants.
pub(crate) fn least_rotations(log: &Path, size: usize) -> usize {
    let bytes: usize = all_lines(log).iter().map(|line| line.len() + 1).sum();
    let written_to = 1 + Family::of(log).unwrap().variants.len();
    (bytes / size).saturating_sub(written_to)
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
    let said = common::Child::from_command(&mut command).end();
    fs::set_permissions(scratch.path("d"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(lines(&log).len(), 20);
    assert!(common::archives(&log).is_empty());
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
