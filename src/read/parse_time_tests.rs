//! Which times are known, and which are not.

use super::super::line::Line;
use super::*;

fn time(seconds: i64, nanos: u32) -> Option<Timestamp> {
    Some(Timestamp::new(seconds, nanos))
}

#[test]
fn a_record_begins_with_its_time_and_other_lines_do_not() {
    const AT: i64 = 1_795_420_501;
    for (line, expected) in [
        (
            "2026-11-23T07:55:01.123456Z  INFO app: hello",
            time(AT, 123_456_000),
        ),
        ("2026-11-23T07:55:01Z", time(AT, 0)),
        ("2026-11-23t07:55:01z x", time(AT, 0)),
        ("2026-11-23 07:55:01Z x", time(AT, 0)),
        ("2026-11-23T08:55:01+01:00 x", time(AT, 0)),
        ("2026-11-22T18:25:01.5-13:30 x", time(AT, 500_000_000)),
        (
            "2026-11-23T07:55:01.1234567891234Z x",
            time(AT, 123_456_789),
        ),
        (
            "\x1b[2m2026-11-23T07:55:01Z\x1b[0m \x1b[32m INFO\x1b[0m x",
            time(AT, 0),
        ),
        ("  \x1b[2m2026-11-23T07:55:01Z\x1b[0m x", time(AT, 0)),
        ("  2026-11-23T07:55:01Z  INFO pretty", time(AT, 0)),
        ("[2026-11-23T07:55:01Z INFO env_logger]", time(AT, 0)),
        ("2026-11-23 08:55:01 +01:00 x", time(AT, 0)),
        ("2026-11-23T08:55:01+0100 x", time(AT, 0)),
        ("2026-11-23T07:55:01 -x", time(AT, 0)),
        ("2026-11-23 07:55:01.5 hello", time(AT, 500_000_000)),
        ("2026-11-23 07:55:01,5 hello", time(AT, 500_000_000)),
        ("2026-11-23 07:55:01.5 UTC hello", time(AT, 500_000_000)),
        (
            "2026-11-23 7:55:01.5 +00:00:00 hello",
            time(AT, 500_000_000),
        ),
        ("2026-11-23T08:55:01+01:00[Europe/Berlin] x", time(AT, 0)),
        ("Mon, 23 Nov 2026 07:55:01 +0000 x", time(AT, 0)),
        ("Mon, 23 Nov 2026 07:55:01 GMT x", time(AT, 0)),
        ("Mon, 23 Nov 2026 07:55:01", None),
        ("Mon, 31 Nov 2026 07:55:01 +0000 x", None),
        ("1795420501 x", time(AT, 0)),
        ("1795420501.25 x", time(AT, 250_000_000)),
        ("1795420501250 x", time(AT, 250_000_000)),
        ("17954205012 x", None),
        (r#"{"ts":"1795420501.25"}"#, time(AT, 250_000_000)),
        (r#"{"ts":"1795420501250001"}"#, time(AT, 250_001_000)),
        (
            r#"{"time":"2026-11-23T08:55:01+01:00[Europe/Berlin]"}"#,
            time(AT, 0),
        ),
        (r#"{"time":"2026-11-23 07:55:01"}"#, time(AT, 0)),
        (r#"{"time":"2026-11-23 07:55:01 x"}"#, None),
        ("2016-12-31T23:59:60Z x", time(1_483_228_800, 0)),
        ("1969-12-31T23:59:59.25Z x", time(-1, 250_000_000)),
        ("0000-01-01T00:00:00Z", time(-62_167_219_200, 0)),
        ("9999-12-31T23:59:59Z", time(253_402_300_799, 0)),
        ("2000-02-29T00:00:00Z", time(951_782_400, 0)),
        (
            r#"{"timestamp":"2026-11-23T07:55:01Z","level":"INFO"}"#,
            time(AT, 0),
        ),
        (r#"{"timestamp":"2026-11-23T07:55:01Z","le"#, time(AT, 0)),
        (
            r#"{ "level": "INFO", "time": "2026-11-23T08:55:01+01:00" }"#,
            time(AT, 0),
        ),
        (r#"{"ts":1795420501.25,"msg":"zap"}"#, time(AT, 250_000_000)),
        (
            r#"{"level":30,"time":1795420501250}"#,
            time(AT, 250_000_000),
        ),
        (
            r#"{"ts":1795420501250001,"msg":"us"}"#,
            time(AT, 250_001_000),
        ),
        (
            r#"{"ts":1795420501250001002,"msg":"ns"}"#,
            time(AT, 250_001_002),
        ),
        (r#"{"@timestamp":"2026-11-23T07:55:01Z"}"#, time(AT, 0)),
        (
            r#"{"ts":"none","@timestamp":"2026-11-23T07:55:01Z"}"#,
            time(AT, 0),
        ),
        (
            r#"{"ts":1,"timestamp":"2026-11-23T07:55:01Z"}"#,
            time(AT, 0),
        ),
        (r#"{"fields":{"timestamp":"2026-11-23T07:55:01Z"}}"#, None),
        (r#"{"timestamp":"2026-11-23"}"#, None),
        (r#"{"time":-1}"#, None),
        (r#"{"time":"2026-11-23T07:55:01Z""#, None),
        (r#"{"time":1e300}"#, None),
        ("", None),
        ("    at src/main.rs:12", None),
        ("   2026-11-23T07:55:01Z in a list", None),
        ("thread 'main' panicked at src/main.rs:1:1:", None),
        ("2026-11-23T07:55:01 no zone", time(AT, 0)),
        ("2026-11-23T07:55:01.Z", None),
        ("2026-11-23T07:55:01Zulu", None),
        ("2026-11-23T07:55:01+1:00", None),
        ("2026-11-23T07:55:01+24:00", None),
        ("2026-13-23T07:55:01Z", None),
        ("2026-02-29T07:55:01Z", None),
        ("1900-02-29T07:55:01Z", None),
        ("2026-11-00T07:55:01Z", None),
        ("2026-11-23T24:00:00Z", None),
        ("2026-11-23T07:60:01Z", None),
        ("2026-11-23T07:55:61Z", None),
        ("2026-11-23", None),
        ("\x1b[2", None),
    ] {
        assert_eq!(
            Line::of(line.as_bytes(), &Zone::default()).time(),
            expected,
            "{line}"
        );
    }
}
