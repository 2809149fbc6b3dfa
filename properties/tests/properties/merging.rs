//! Bytes in, bytes out: what `Merge` reads, whatever is in the files.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tracing_fallback_file::{Merge, MergeBuilder, Record};

use crate::common::files::{scratch, Scratch};

/// A record of that second of a minute.
fn text(second: u32) -> Vec<u8> {
    format!("2026-11-23T07:55:{second:02}Z  INFO x\n").into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
    /// Whatever is in the files, each byte comes out once: without a window in the order of its file,
    /// from the end on in the opposite order.
    #[test]
    fn bytes_out_are_bytes_in(files in prop::collection::vec(prop::collection::vec(line(), 0..60), 1..5)) {
        let scratch = scratch();
        let contents: Vec<Vec<u8>> = files.iter().map(|lines| lines.concat()).collect();
        bytes_are_those(&scratch, &contents);
    }
}

fn bytes_are_those(scratch: &Scratch, contents: &[Vec<u8>]) {
    let mut expected = BTreeMap::new();
    for (n, content) in contents.iter().enumerate() {
        let path = match n {
            0 => scratch.log.clone(),
            n => scratch.variant(n as u16),
        };
        fs::write(&path, content).unwrap();
        if !content.is_empty() {
            expected.insert(path, content.clone());
        }
    }
    let collect = |records: &mut dyn Iterator<Item = &Record>| {
        let mut found: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        for record in records {
            assert!(!record.bytes().is_empty());
            let path = record.path().to_owned();
            found.entry(path).or_default().extend(record.bytes());
        }
        found
    };
    let read = |builder: MergeBuilder| -> Vec<Record> {
        builder
            .open(&scratch.log)
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let in_order = Merge::builder().window(Duration::ZERO);
    let forward = read(in_order.clone());
    assert!(collect(&mut forward.iter()) == expected, "forward");
    let backward = read(in_order.newest_first(true));
    assert!(collect(&mut backward.iter().rev()) == expected, "backward");
    for newest_first in [false, true] {
        let lengths = |records: &[Record]| {
            let mut lengths: BTreeMap<PathBuf, usize> = BTreeMap::new();
            for record in records {
                *lengths.entry(record.path().to_owned()).or_default() += record.bytes().len();
            }
            lengths
        };
        let sorted = read(Merge::builder().newest_first(newest_first));
        assert!(lengths(&sorted) == lengths(&forward), "with a window");
    }
}

/// Bytes that hardly anybody writes: pieces of records, of lines and of neither, put together at
/// random, for `FUZZ_SECONDS`, or one second.
#[test]
#[ignore = "a fuzz: asked for with a time"]
fn arbitrary_bytes_come_out_as_they_are() {
    let seconds = std::env::var("FUZZ_SECONDS").ok();
    let seconds = seconds.map_or(1, |seconds| seconds.parse().unwrap());
    let began = std::time::Instant::now();
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64;
    println!("seed {seed}");
    let mut random = seed | 1;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 16) as usize % below
    };
    let mut rounds = 0;
    while began.elapsed() < Duration::from_secs(seconds) {
        let scratch = scratch();
        let mut contents = Vec::new();
        for _ in 0..1 + next(4) {
            let mut content = Vec::new();
            for _ in 0..next(200) {
                let piece: Vec<u8> = match next(12) {
                    0 => (0..next(300)).map(|_| next(256) as u8).collect(),
                    1 => b"\n".to_vec(),
                    2 => vec![0; next(100_000)],
                    3 => text(next(60) as u32),
                    4 => format!(
                        "{{\"ts\":{},\"level\":{}}}\n",
                        1_795_420_501_000 + next(60_000),
                        next(60)
                    )
                    .into_bytes(),
                    5 => b"{\"timestamp\":\"2026-11-23T07:55:".to_vec(),
                    6 => b"thread 'main' panicked at x\n".to_vec(),
                    7 => b"{\"a\":[1,2,{\"b\":\"\\u00e4\"}]}\n".to_vec(),
                    8 => format!("2026-11-23 7:55:{:02} +00:00:00 x\n", next(60)).into_bytes(),
                    9 => b"Mon, 23 Nov 2026 07:55:01 +0000 x\n".to_vec(),
                    10 => b"2099-01-01T00:00:00Z x\n".to_vec(),
                    _ => b"    at x\n".repeat(next(1_000)),
                };
                content.extend(piece);
            }
            contents.push(content);
        }
        bytes_are_those(&scratch, &contents);
        rounds += 1;
    }
    println!("{rounds} rounds");
}

/// Times, other lines, pieces of lines, and long ones that do not fit into a buffer.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let second = 0..60_u32;
    prop_oneof![
        second.clone().prop_map(text),
        second.prop_map(|second| {
            format!("{{\"timestamp\":\"2026-11-23T07:55:{second:02}Z\"}}\n").into_bytes()
        }),
        any::<Vec<u8>>(),
        Just(b"\n".to_vec()),
        Just(b"2026-11-23T07:".to_vec()),
        (1_usize..100_000).prop_map(|length| vec![b'y'; length]),
    ]
}
