//! Records that tell who wrote them, and the checker that looks for every one.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use crate::common::{contents, Numbers};

/// `writer number checksum payload`, and a newline.
pub fn record(writer: u32, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut record = format!("{writer} {number} {:016x} ", checksum(payload)).into_bytes();
    record.extend_from_slice(payload);
    record.push(b'\n');
    record
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The writer and number of a line that is a whole record.
fn parse(line: &[u8]) -> Option<(u32, u64)> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let mut text = || std::str::from_utf8(parts.next()?).ok();
    let (writer, number) = (text()?.parse().ok()?, text()?.parse().ok()?);
    let expected = u64::from_str_radix(text()?, 16).ok()?;
    (checksum(parts.next()?) == expected).then_some((writer, number))
}

/// What a writer says that it got an Ok for: the records 0 to `acknowledged`, that one excluded.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub writer: u32,
    pub acknowledged: u64,
    /// It may have written one record more, or a piece of it, without having said so.
    pub killed: bool,
    /// Through a queue: a piece that is left of a write is that of any record.
    pub queued: bool,
}

/// What is in the files, against what was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged.
    pub records: u64,
    pub lost: u64,
    pub doubled: u64,
    /// Lines that are no record, and no first piece of one whose writer was killed.
    pub torn: u64,
    /// Records behind a later one of the same writer in the same file.
    pub disordered: u64,
    /// Whole records that nobody acknowledged, other than one in flight.
    pub strange: u64,
    /// First pieces of records whose writer was killed: not acknowledged, so nobody's loss.
    pub pieces: u64,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        let Verdict {
            lost,
            doubled,
            torn,
            disordered,
            strange,
            ..
        } = *self;
        [lost, doubled, torn, disordered, strange] == [0; 5]
    }
}

pub fn check(files: &[PathBuf], claims: &[Claim]) -> Verdict {
    let claims: HashMap<u32, Claim> = claims.iter().map(|claim| (claim.writer, *claim)).collect();
    let mut verdict = Verdict::default();
    let mut found: HashMap<u32, HashMap<u64, u64>> = HashMap::new();
    let mut pieces = HashSet::new();
    for file in files {
        let mut last: HashMap<u32, u64> = HashMap::new();
        for line in contents(file).split_inclusive(|byte| *byte == b'\n') {
            let Some((writer, number)) = line.strip_suffix(b"\n").and_then(parse) else {
                // A killed writer leaves one piece at the most.
                match piece_of(line, &claims) {
                    Some(writer) if pieces.insert(writer) => verdict.pieces += 1,
                    _ => verdict.torn += 1,
                }
                continue;
            };
            let times = found.entry(writer).or_default().entry(number).or_default();
            *times += 1;
            verdict.doubled += u64::from(*times > 1);
            if last
                .insert(writer, number)
                .is_some_and(|last| last > number)
            {
                verdict.disordered += 1;
            }
        }
    }
    for claim in claims.values() {
        let numbers = found.remove(&claim.writer).unwrap_or_default();
        verdict.records += claim.acknowledged;
        let known = numbers
            .keys()
            .filter(|number| **number < claim.acknowledged)
            .count() as u64;
        verdict.lost += claim.acknowledged - known;
        let in_flight = u64::from(claim.killed && numbers.contains_key(&claim.acknowledged));
        verdict.strange += numbers.len() as u64 - known - in_flight;
    }
    verdict.strange += found
        .values()
        .map(|numbers| numbers.len() as u64)
        .sum::<u64>();
    verdict
}

/// Whose record this is the beginning of, if it is one that a killed writer had in hand.
fn piece_of(line: &[u8], claims: &HashMap<u32, Claim>) -> Option<u32> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    let is_piece = |claim: &&Claim| {
        let start = format!("{} {} ", claim.writer, claim.acknowledged);
        // What was queued has been acknowledged before it was written.
        let start = match claim.queued {
            true => format!("{} ", claim.writer),
            false => start,
        };
        claim.killed && (text.starts_with(&start) || start.starts_with(&*text))
    };
    let found = claims
        .values()
        .find(is_piece)
        .filter(|_| !line.is_empty())?;
    Some(found.writer)
}

impl Numbers {
    /// 20 bytes to `largest`, small ones more often than large ones.
    pub fn payload(&mut self, largest: u64) -> Vec<u8> {
        let limit = self.below(largest - 19);
        let size = 20 + self.below(limit + 1);
        let first = self.below(26);
        (0..size).map(|n| b'a' + ((first + n) % 26) as u8).collect()
    }
}
