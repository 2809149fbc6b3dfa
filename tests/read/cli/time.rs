//! The times of records: which are known, how they are shown, and the order by them.

use std::fs;

use super::{command, printed, run, small, Follower};
use crate::common::scratch;

#[test]
fn times_of_each_timer_and_format_are_known() {
    use tracing_subscriber::fmt::format::Writer;
    use tracing_subscriber::fmt::time::FormatTime;
    /// Writes one time in one form.
    #[derive(Clone)]
    struct Timer(&'static str);
    impl FormatTime for Timer {
        fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
            writer.write_str(self.0)
        }
    }
    const BERLIN: &[&str] = &["--assume-tz", "+01:00"];
    for (timer, arguments, is_known) in [
        ("2026-11-21T07:55:01.123456Z", &[][..], true),
        // chrono
        ("2026-11-21T08:55:01.123456+01:00", &[], true),
        ("2026-11-21 08:55:01.123", BERLIN, true),
        ("2026-11-21 07:55:01.123456789 UTC", &[], true),
        ("2026-11-21 08:55:01.123 +01:00", &[], true),
        ("Sat, 21 Nov 2026 07:55:01 +0000", &[], true),
        // time
        ("2026-11-21 7:55:01.0 +00:00:00", &[], true),
        // jiff
        ("2026-11-21T08:55:01.5+01:00[Europe/Berlin]", &[], true),
        ("2026-11-21T08:55:01", BERLIN, true),
        ("1795247701", &[], true),
        ("1795247701.25", &[], true),
        ("1795247701250", &[], true),
        // Uptime
        ("   0.000123456s", &[], false),
        ("07:55:01.123", &[], false),
    ] {
        for format in ["full", "compact", "pretty", "json"] {
            let scratch = scratch();
            let file = fs::File::create(&scratch.log).unwrap();
            let builder = tracing_subscriber::fmt()
                .with_timer(Timer(timer))
                .with_ansi(false)
                .with_writer(std::sync::Mutex::new(file));
            let log = || {
                tracing::info!("one\n    two");
                tracing::warn!(n = 1, "three");
            };
            match format {
                "full" => tracing::subscriber::with_default(builder.finish(), log),
                "compact" => tracing::subscriber::with_default(builder.compact().finish(), log),
                "pretty" => tracing::subscriber::with_default(builder.pretty().finish(), log),
                _ => tracing::subscriber::with_default(builder.json().finish(), log),
            }
            let run = |more: &[&str]| run(&[arguments, more].concat(), &scratch.log);
            let what = format!("{timer} {format}");
            let all = fs::read(&scratch.log).unwrap();
            let second = "2026-11-21T07:55:01Z";
            let output = run(&["--since", second, "--until", "2026-11-21T07:55:02Z"]);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            if is_known {
                assert_eq!(output.stdout, all, "{what}: {told}");
                assert_eq!(told, "", "{what}");
                let output = run(&["--since", "2026-11-21T07:55:02Z"]);
                assert_eq!(output.status.code(), Some(1), "{what}");
                let output = run(&["--level", "warn"]);
                let text = String::from_utf8(output.stdout).unwrap();
                assert!(
                    text.contains("three") && !text.contains("one"),
                    "{what}: {text}"
                );
            } else {
                assert_eq!(
                    (output.status.code(), &*output.stdout),
                    (Some(1), &b""[..]),
                    "{what}"
                );
                assert_eq!(told.lines().count(), 1, "{what}: {told}");
                assert!(told.contains("no time is known"), "{what}: {told}");
                let output = run(&[]);
                assert_eq!(output.stdout, all, "{what}");
                let last = run(&["-n", "1"]);
                let mut lines = all.split_inclusive(|byte| *byte == b'\n');
                assert_eq!(last.stdout, lines.next_back().unwrap(), "{what}");
            }
        }
    }
}

/// On another day than today.
#[test]
fn a_date_with_a_time_is_of_that_date() {
    let scratch = scratch();
    fs::write(
        &scratch.log,
        "2026-11-20T07:30:00Z a\n2026-11-21T06:30:00Z b\n2026-11-21T07:30:00Z c\n",
    )
    .unwrap();
    let run = |since: &str| {
        let output = command(&["--since", since], &scratch.log)
            .env("TZ", "UTC")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    assert_eq!(run("2026-11-21 07:00"), 1);
    assert_eq!(run("2026-11-21T06:00"), 2);
    assert_eq!(run("2026-11-21"), 2);
    assert_eq!(run("@1795160000"), 2);
}

#[test]
fn a_json_line_is_a_record_of_its_own() {
    let scratch = scratch();
    let panic = "thread 'main' panicked at src/main.rs:1:1:\nboom\n";
    let no_time = "{\"message\":\"no time\",\"level\":\"ERROR\"}\n";
    let info = "{\"timestamp\":\"2026-11-23T07:55:01Z\",\"level\":\"INFO\"}\n";
    let text = format!("banner\n{no_time}{no_time}{info}{panic}{info}");
    fs::write(&scratch.log, &text).unwrap();
    assert_eq!(printed(&[], &scratch.log), text);
    let output = run(&["--level", "error"], &scratch.log);
    let expected = format!("banner\n{no_time}{no_time}{panic}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("1 of these records have no level"), "{told}");
    let output = run(&["-n", "2"], &scratch.log);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("{panic}{info}")
    );
    // It happened after that record.
    let output = run(&["--since", "2026-11-23T07:55:01Z"], &scratch.log);
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(found.ends_with(&format!("{info}{panic}{info}")), "{found}");
}

#[test]
fn times_are_shown_in_another_zone() {
    let scratch = small();
    for (zone, expected) in [
        ("UTC", "2026-11-23T07:55:02Z  INFO app: two"),
        ("Asia/Kolkata", "2026-11-23T13:25:02+05:30  INFO app: two"),
    ] {
        let output = command(&["--local", "--output", "text"], &scratch.log)
            .env("TZ", zone)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().nth(1).unwrap(), expected);
    }
    let text = printed(&["--utc", "--output", "text"], &scratch.log);
    assert!(
        text.starts_with("2026-11-23T07:55:01Z  INFO app: one"),
        "{text}"
    );
}

/// Whether an archive is young or old makes no difference.
#[test]
fn of_equal_times_the_archive_comes_first() {
    let scratch = scratch();
    let record = |text: &str| format!("2026-11-23T07:55:01Z {text}\n");
    fs::write(scratch.path("app.2026-11-23T07-55-01Z.log"), record("old")).unwrap();
    fs::write(&scratch.log, record("new")).unwrap();
    fs::write(scratch.variant(1), record("variant")).unwrap();
    let expected = ["old", "new", "variant"].map(record).concat();
    assert_eq!(printed(&[], &scratch.log), expected);
    let mut follower = Follower::start(&["-n", "all"], &scratch.log);
    for line in expected.lines() {
        assert_eq!(follower.line(), line);
    }
}
