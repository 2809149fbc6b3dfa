//! Which records are shown, and with which others.

use std::fs::{self, OpenOptions};
use std::io::Write;

use tracing_fallback_file::{Family, Merge};

use super::{printed, run, small};
use crate::common::{self, hold, rotating, scratch};

#[test]
fn options_leave_out_records() {
    let scratch = small();
    let said = |arguments: &[&str]| -> String {
        let arguments = [arguments, &["--output", "text"]].concat();
        let text = printed(&arguments, &scratch.log);
        let records = text.lines().filter(|line| line.starts_with("2026"));
        records
            .map(|line| line.split("app: ").nth(1).unwrap().chars().next().unwrap())
            .collect()
    };
    for (arguments, expected) in [
        (&["--level", "WARN"][..], "t"),
        (&["-l", "info"], "ott"),
        (&["--since", "2026-11-23T07:55:02Z"], "tt"),
        (&["--until", "2026-11-23T08:55:02+01:00"], "ot"),
        (&["--since", "2026-11-23T07:55:02Z", "--level", "warn"], "t"),
        (&["--grep", "o[ne]"], "o"),
        (&["--grep", "src/main"], "t"),
        (&["--grep", "rs:1$"], "t"),
        (&["--grep", "^    at"], "t"),
        (&["-n", "2"], "tt"),
        (&["-n2", "--grep", "e"], "ot"),
        (&["--lines", "100"], "ott"),
        (&["--since", "-999999h"], "ott"),
    ] {
        assert_eq!(said(arguments), expected, "{arguments:?}");
    }
    assert_eq!(printed(&["-n", "0"], &scratch.log), "");
    assert_eq!(printed(&["-n", "2"], &scratch.log).lines().count(), 3);
    for arguments in [
        ["--grep", "nowhere"],
        ["--level", "error"],
        ["--since", "now"],
    ] {
        let output = run(&arguments, &scratch.log);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    }
}

#[test]
fn the_last_records_are_those_of_the_whole() {
    let scratch = scratch();
    let appender = rotating(3_000).build(&scratch.log).unwrap();
    let mut held = None;
    for n in 0..600 {
        if n % 100 == 50 {
            held = Some(hold(&appender.current_path()));
        }
        let time = format!("2026-11-23T07:{:02}:{:02}Z", n / 60, n % 60);
        common::write(&appender, &format!("{time} {n}\n  more"));
    }
    drop(held);
    let archives = Family::of(&scratch.log).unwrap().archives;
    assert!(archives.len() > 3);
    // One of them compressed, and one that ends half-way.
    common::gzip_archive(&archives[2]);
    let mut half = OpenOptions::new().append(true).open(&archives[1]).unwrap();
    half.write_all(b"half").unwrap();
    let whole: Vec<Vec<u8>> = Merge::open(&scratch.log)
        .unwrap()
        .map(|record| record.unwrap().bytes().to_vec())
        .collect();
    for n in [1, 2, 10, 57, 300, 599, 1_000] {
        let mut expected = whole[whole.len().saturating_sub(n)..].concat();
        expected.retain(|byte| *byte != b'\n');
        let mut found = printed(&["-n", &n.to_string()], &scratch.log).into_bytes();
        found.retain(|byte| *byte != b'\n');
        assert_eq!(
            String::from_utf8_lossy(&found),
            String::from_utf8_lossy(&expected),
            "{n}"
        );
    }
}

/// One that was stopped between its look at the clock and its lock writes late.
#[test]
fn a_late_record_at_the_end_hides_no_other() {
    let scratch = scratch();
    let records = |from: u32, to: u32| -> String {
        let record = |n| format!("2026-11-23T07:{:02}:{:02}Z {n}\n", n / 60, n % 60);
        (from..to).map(record).collect()
    };
    fs::write(
        &scratch.log,
        records(500, 700) + "2026-11-23T05:00:00Z late\n",
    )
    .unwrap();
    fs::write(scratch.variant(1), records(0, 400)).unwrap();
    let all = printed(&[], &scratch.log);
    let last: Vec<&str> = all.lines().rev().take(10).collect();
    let found = printed(&["-n", "10"], &scratch.log);
    assert_eq!(found.lines().rev().collect::<Vec<_>>(), last);
    let since = printed(&["--since", "2026-11-23T07:10:00Z"], &scratch.log);
    assert_eq!(since.lines().count(), 100);
}

#[test]
fn levels_have_several_names() {
    let scratch = scratch();
    let records = [
        r#"{"time":1795420501000,"level":50,"msg":"pino"}"#,
        r#"{"time":"2026-11-23T07:55:01Z","severity":"ERROR"}"#,
        r#"{"time":"2026-11-23T07:55:01Z","lvl":"eror","level":"fatal"}"#,
        "2026-11-23T08:55:01+01:00[Europe/Berlin] error x",
        "[2026-11-23T07:55:01Z ERROR x]",
        "2026-11-23 07:55:01 UTC Error: x",
    ];
    let others = [
        r#"{"time":1795420501000,"level":30}"#,
        r#"{"time":"2026-11-23T07:55:01Z","severity":"info"}"#,
        "2026-11-23T08:55:01+01:00[Europe/Berlin] info error",
    ];
    fs::write(
        &scratch.log,
        records.join("\n") + "\n" + &others.join("\n") + "\n",
    )
    .unwrap();
    assert_eq!(
        printed(&["-l", "error"], &scratch.log),
        records.join("\n") + "\n"
    );
}

#[test]
fn context_and_order_and_fields() {
    let scratch = scratch();
    let record = |n: u32| format!("2026-11-23T07:55:{n:02}Z  INFO s{{id={n}}}: app: m n={n}\n");
    fs::write(&scratch.log, (0..30).map(record).collect::<String>()).unwrap();
    let numbers = |arguments: &[&str]| -> Vec<String> {
        let arguments = [arguments, &["--output", "text"]].concat();
        let text = printed(&arguments, &scratch.log);
        let number = |line: &str| line.rsplit('=').next().unwrap().to_owned();
        text.lines().map(number).collect()
    };
    assert_eq!(numbers(&["--grep", "n=7$", "-A", "1"]), ["7", "8"]);
    assert_eq!(numbers(&["--grep", "n=7$", "-B", "2"]), ["5", "6", "7"]);
    assert_eq!(
        numbers(&["--grep", "n=(7|9)$", "-C", "1"]),
        ["6", "7", "8", "9", "10"]
    );
    let apart = ["6", "7", "8", "--", "19", "20", "21"];
    assert_eq!(numbers(&["--grep", "n=(7|20)$", "-C", "1"]), apart);
    assert_eq!(numbers(&["-r", "--grep", "n=7$", "-A", "1"]), ["8", "7"]);
    assert_eq!(numbers(&["-r", "-n", "3"]), ["29", "28", "27"]);
    let with = |more: &[&str]| numbers(&[&["--grep", "n=(2|7|9|20)$", "-C", "1"], more].concat());
    assert_eq!(with(&["-n", "1"]), ["19", "20", "21"]);
    assert_eq!(with(&["-n", "2"]), ["8", "9", "10", "--", "19", "20", "21"]);
    let three = ["6", "7", "8", "9", "10", "--", "19", "20", "21"];
    assert_eq!(with(&["-n", "3"]), three);
    let all = [&["1", "2", "3", "--"][..], &three].concat();
    assert_eq!(with(&["-n", "9"]), all);
    assert_eq!(with(&[]), all);
    let reversed: Vec<&str> = all.iter().copied().rev().collect();
    assert_eq!(with(&["-r"]), reversed);
    assert_eq!(with(&["-r", "-n", "2"]), reversed[..7]);
    assert_eq!(numbers(&["--grep", "n=29", "-n", "1", "-A", "9"]), ["29"]);
    assert_eq!(numbers(&["-n", "2", "--grep", "n=1"]), ["18", "19"]);
    assert_eq!(numbers(&["--grep", "N=7$", "-i"]), ["7"]);
    assert_eq!(numbers(&["--grep", "n=2", "-v", "-n", "2"]), ["18", "19"]);
    assert_eq!(numbers(&["--field", "n>27"]), ["28", "29"]);
    assert_eq!(numbers(&["--field", "id=3"]), ["3"]);
    assert_eq!(numbers(&["--field", "target=app", "-n", "1"]), ["29"]);
}

/// A search skips records; which ones are found, and their order, is as without it.
#[test]
fn what_a_search_finds_is_what_is_there() {
    let scratch = scratch();
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for file in 0..3 {
        let mut text = String::from("a rare line before all\n");
        for n in 0..20_000_u64 {
            let late = if random(50) == 0 { random(300) } else { 0 };
            let millis = n * 20 + file - late.min(n * 20);
            let time = format!(
                "2026-11-23T{:02}:{:02}:{:02}.{:03}Z",
                millis / 3_600_000,
                millis / 60_000 % 60,
                millis / 1_000 % 60,
                millis % 1_000
            );
            let what = if random(3_000) == 0 { "rare" } else { "usual" };
            text += &match random(40) {
                0 => format!("{{\"message\":\"{what} {n}\"}}\n"),
                1 => format!("{{\"n\":{n},\"message\":\"{what}\",\"timestamp\":\"{time}\"}}\n"),
                2 => format!("{time} INFO {n}\n    {what}\n    and more\n"),
                3 => format!("thread 'main' panicked at {n}\n{what}\n"),
                _ => format!("{time} INFO {what} {n}\n"),
            };
        }
        let path = if file == 0 {
            scratch.log.clone()
        } else {
            scratch.variant(file as u16)
        };
        fs::write(path, text).unwrap();
    }
    let mut whole = Merge::open(&scratch.log).unwrap();
    let mut expected = Vec::new();
    while let Some(record) = whole.next_ref() {
        let bytes = record.unwrap().bytes();
        if bytes.windows(4).any(|part| part == b"rare") {
            expected.extend_from_slice(bytes);
        }
    }
    let expected = String::from_utf8(expected).unwrap();
    assert!(expected.lines().count() > 10, "{expected}");
    assert_eq!(printed(&["--grep", "rare"], &scratch.log), expected);
    assert_eq!(printed(&["--grep", "r[a]re"], &scratch.log), expected);
    assert_eq!(printed(&["--grep", "(?-u)rare"], &scratch.log), expected);
}
