use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Instant;

use super::super::journal::{Header, Journal};
use super::super::lines::batch;
use super::super::segment::{Memory, Segment};
use super::*;

const TO: Destination = Destination {
    number: 7,
    identity: (1, 2, None),
    offset: 1_000,
    newline: true,
};

/// The file as it is after each store that another process could find it at.
#[derive(Clone, Default)]
struct Shots(Rc<RefCell<Vec<Vec<u8>>>>);

struct ShotHeader {
    bytes: Vec<u8>,
    shots: Shots,
}

impl Header for ShotHeader {
    fn put(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        // One byte after the other: a store of several bytes need not be one.
        for (n, byte) in bytes.iter().enumerate() {
            self.bytes[at + n] = *byte;
            self.shots.0.borrow_mut().push(self.bytes.clone());
        }
        Ok(())
    }
}

fn header(segment: usize) -> Vec<u8> {
    let mut header = vec![0; HEADER];
    write_header(&mut header, segment);
    write_magic(&mut header);
    header
}

fn segment(sequence: u64, lines: &[impl AsRef<str>]) -> Segment {
    let mut segment = Segment::new(Memory::Heap(vec![0; MIN_SEGMENT].into()));
    segment.open(sequence);
    for line in lines {
        assert!(segment.append(line.as_ref().as_bytes(), true));
    }
    segment
}

fn texts(segment: &[u8], from: Cursor) -> Vec<String> {
    let mut ends = Vec::new();
    let Some(batch) = batch(segment, from, usize::MAX, &mut ends) else {
        return Vec::new();
    };
    let starts = [0].into_iter().chain(ends.iter().copied());
    let lines = starts
        .zip(&ends)
        .map(|(start, end)| &batch.bytes[start..*end]);
    lines
        .map(|line| String::from_utf8(line.to_owned()).unwrap())
        .collect()
}

/// The lines that a recoverer would write, without those that may be in the log.
fn pending(header: &[u8], segments: [&[u8]; 2]) -> Vec<String> {
    let contents = parse(header, segments).unwrap();
    let of = |pending: &Pending| texts(segments[pending.index], pending.from);
    contents.pending.iter().flat_map(of).collect()
}

#[test]
fn lines_come_out_in_order_in_batches() {
    let segment = segment(1, &["a\n", "bb\n", "a\nb\n", "c\n"]);
    let bytes = segment.bytes();
    let mut ends = Vec::new();
    let mut from = Cursor::START;
    for (limit, expected, all) in [
        (5, "a\nbb\n", vec![2, 5]),
        (1, "a\nb\n", vec![4]),
        (9, "c\n", vec![2]),
    ] {
        let batch = batch(bytes, from, limit, &mut ends).unwrap();
        assert_eq!((batch.bytes, &ends), (expected.as_bytes(), &all));
        from = batch.next;
    }
    assert!(batch(bytes, from, 1, &mut ends).is_none());
    assert_eq!(
        skip(&mut { bytes }, Cursor::START, 8).unwrap(),
        (Cursor { line: 2, at: 21 }, 2)
    );
}

#[test]
fn a_segment_takes_lines_up_to_its_table() {
    let mut segment = Segment::new(Memory::Heap(vec![0; MIN_SEGMENT].into()));
    segment.open(1);
    assert!(!segment.append(&vec![b'x'; Segment::capacity(MIN_SEGMENT) + 1], true));
    let mut lines = 0;
    while segment.append(b"0123456\n", true) {
        lines += 1;
    }
    assert_eq!(lines, (MIN_SEGMENT - SEGMENT_HEADER) / (8 + ENTRY));
    assert_eq!(texts(segment.bytes(), Cursor::START).len(), lines);
    segment.close();
    let bytes = segment.bytes();
    assert_eq!((bytes[0], bytes[MIN_SEGMENT - 1]), (0, 0), "out of use");
    assert!(batch(bytes, Cursor::START, 1, &mut Vec::new()).is_none());
    segment.open(2);
    assert!(segment.append(&vec![b'x'; Segment::capacity(MIN_SEGMENT)], true));
}

#[test]
fn a_line_is_there_from_one_store_on() {
    let whole = segment(1, &["first\n", "second\n"]);
    let before = segment(1, &["first\n"]);
    let header = header(MIN_SEGMENT);
    let unused = vec![0; MIN_SEGMENT];
    let entry = MIN_SEGMENT - 2 * ENTRY;
    // The bytes of the line, then those of its entry, one after the other.
    let mut bytes = before.bytes().to_owned();
    for at in (22..29).chain(entry..entry + ENTRY) {
        assert_eq!(pending(&header, [&bytes, &unused]), ["first\n"]);
        bytes[at] = whole.bytes()[at];
    }
    assert_eq!(bytes, whole.bytes());
    assert_eq!(pending(&header, [&bytes, &unused]), ["first\n", "second\n"]);
}

/// Lines of a segment that is taken out of use are never recovered, whatever its table says.
#[test]
fn a_segment_is_out_of_use_from_one_store_on() {
    let lines = ["first\n", "second\n"];
    let done = Span {
        sequence: 1,
        start: 16,
        end: 29,
    };
    let mut header = header(MIN_SEGMENT);
    header[slot_at(1)..][..SLOT].copy_from_slice(&encode_slot(1, done, None));
    header[slot_at(1)] = SlotState::Done as u8;
    let next = segment(2, &["third\n"]);
    let mut bytes = segment(1, &lines).bytes().to_owned();
    assert_eq!(pending(&header, [&bytes, next.bytes()]), ["third\n"]);
    bytes[0] = 0;
    for at in (0..2 * ENTRY).rev() {
        assert_eq!(pending(&header, [&bytes, next.bytes()]), ["third\n"]);
        bytes[MIN_SEGMENT - 1 - at] = 0;
    }
    assert_eq!(pending(&header, [&bytes, next.bytes()]), ["third\n"]);
}

/// Killed at any store to the slots, a process leaves a file that says what is in the log, or which
/// lines may be.
#[test]
fn one_slot_counts_at_every_instant() {
    let lines = ["first\n", "second\n", "third\n"];
    let segment = segment(3, &lines);
    let unused = vec![0; MIN_SEGMENT];
    let shots = Shots::default();
    let span = |start, end| Span {
        sequence: 3,
        start,
        end,
    };
    let journal = |last| {
        let header = ShotHeader {
            bytes: header(MIN_SEGMENT),
            shots: shots.clone(),
        };
        Journal::new(header, last)
    };
    let contents = || {
        let shots = shots.0.take();
        let parsed = shots
            .iter()
            .map(|header| parse(header, [segment.bytes(), &unused]).unwrap());
        parsed
            .map(|contents| {
                let from = contents.pending[0].from.at;
                (
                    from,
                    contents.noted.map(|(span, to)| (span.start, span.end, to)),
                )
            })
            .collect::<Vec<_>>()
    };
    let mut journal = journal(0);
    let mut from = 16;
    for end in [22, 29] {
        journal.note_at(span(from, end), TO).unwrap();
        let found = contents();
        let noted = Some((from, end, TO));
        let last = found.len() - 1;
        for (n, found) in found.into_iter().enumerate() {
            let noted = noted.filter(|_| n == last);
            assert_eq!(found, (from as usize, noted));
        }
        journal.done().unwrap();
        assert_eq!(contents().pop(), Some((end as usize, None)));
        from = end;
    }
    // A commit that failed, and one that left a line.
    journal.note_at(span(29, 35), TO).unwrap();
    journal.cancel().unwrap();
    assert_eq!(contents().pop(), Some((29, None)));
    let mut journal = Journal::new(journal.into_header(), 1);
    journal.note_at(span(22, 35), TO).unwrap();
    contents();
    journal.settle(span(29, 29)).unwrap();
    let found = contents();
    let (last, before) = found.split_last().unwrap();
    assert_eq!(*last, (29, None));
    for found in before {
        assert_eq!(*found, (22, Some((22, 35, TO))));
    }
}

#[test]
fn what_no_owner_leaves_is_no_queue() {
    let lines = segment(2, &["first\n", "second\n"]);
    let unused = vec![0; MIN_SEGMENT];
    let good = header(MIN_SEGMENT);
    let length = (HEADER + 2 * MIN_SEGMENT) as u64;
    assert_eq!(segment_length(&good, length), Some(MIN_SEGMENT));
    assert_eq!(segment_length(&good, length - 1), None);
    assert_eq!(segment_length(&good[..20], length), None);
    for (at, byte) in [
        (0, b'x'),
        (VERSION_AT, 2),
        (LENGTH_AT, 1),
        (LENGTH_AT + 7, 1),
    ] {
        let mut header = good.clone();
        header[at] = byte;
        assert_eq!(segment_length(&header, length), None, "{at}");
    }
    // Ends: beyond the table, before the line's start, within a line. A sequence number twice.
    for (at, byte) in [(4093, 16), (4095, 0xbf), (4092, 15), (4092, 20), (0, 2)] {
        let mut segment = lines.bytes().to_owned();
        segment[at] = byte;
        assert_eq!(parse(&good, [&segment[..], &unused]), Err(Invalid), "{at}");
    }
    assert_eq!(parse(&good, [lines.bytes(), lines.bytes()]), Err(Invalid));
    // Slots: of no state, of lines that are not there, of files that there are not.
    for (state, span, number) in [
        (3, (2, 16, 22), 0),
        (1, (2, 16, 21), 0),
        (1, (2, 17, 22), 0),
        (1, (2, 22, 22), 0),
        (1, (2, 22, 16), 0),
        (1, (3, 16, 22), 0),
        (1, (2, 16, u64::MAX), 0),
        (2, (2, 16, 21), 0),
        (1, (2, 16, 22), 1_000),
    ] {
        let (sequence, start, end) = span;
        let to = Destination { number, ..TO };
        let span = Span {
            sequence,
            start,
            end,
        };
        let mut header = good.clone();
        header[slot_at(1)..][..SLOT].copy_from_slice(&encode_slot(1, span, Some(to)));
        header[slot_at(1)] = state;
        let found = parse(&header, [lines.bytes(), &unused]);
        assert_eq!(found, Err(Invalid), "{state} {span:?} {number}");
    }
}

/// Whatever the bytes are, what is read of them is within them. Returns true if they are a queue.
fn read(bytes: &[u8]) -> bool {
    is_unfinished(&bytes[..bytes.len().min(HEADER)]);
    let header = &bytes[..bytes.len().min(HEADER)];
    let Some(segment) = segment_length(header, bytes.len() as u64) else {
        return false;
    };
    let (first, second) = bytes[HEADER..].split_at(segment);
    let Ok(contents) = parse(header, [first, second]) else {
        return false;
    };
    let segments = [first, second];
    for pending in &contents.pending {
        let mut records = 0;
        for line in texts_lossy(segments[pending.index], pending.from) {
            assert!(line.ends_with(b"\n"));
            records += 1;
        }
        assert!(records >= pending.records);
    }
    if let Some((span, _)) = contents.noted {
        let pending = contents
            .pending
            .iter()
            .find(|pending| pending.sequence == span.sequence);
        let pending = pending.unwrap();
        assert!(pending.from.at < span.end as usize && span.end as usize <= segment);
    }
    true
}

fn texts_lossy(segment: &[u8], mut from: Cursor) -> Vec<&[u8]> {
    let (mut lines, mut ends) = (Vec::new(), Vec::new());
    while let Some(batch) = batch(segment, from, 1, &mut ends) {
        lines.push(batch.bytes);
        from = batch.next;
    }
    lines
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn lines(&mut self) -> Vec<String> {
        let lines = self.below(20);
        (0..lines)
            .map(|_| format!("{}\n", "x".repeat(self.below(30))))
            .collect()
    }
}

/// A queue with two segments in use and slots that may be right, and some of its bytes changed.
fn arbitrary_queue(numbers: &mut Numbers) -> Vec<u8> {
    const LENGTH: usize = HEADER + 2 * MIN_SEGMENT;
    let mut bytes = header(MIN_SEGMENT);
    for _ in 0..numbers.below(3) {
        let n = numbers.below(4) as u64;
        let span = Span {
            sequence: numbers.below(3) as u64,
            start: 16 + numbers.below(40) as u64,
            end: 16 + numbers.below(80) as u64,
        };
        let at = slot_at(n);
        bytes[at..][..SLOT].copy_from_slice(&encode_slot(n, span, Some(TO)));
        bytes[at] = numbers.below(4) as u8;
    }
    for sequence in [1, 2] {
        bytes.extend_from_slice(segment(sequence, &numbers.lines()).bytes());
    }
    for _ in 0..numbers.below(4) {
        // In a slot, at the start of a segment, at the end of a table, or anywhere.
        let (start, length) = [
            (0, 384),
            (HEADER, 64),
            (HEADER + MIN_SEGMENT - 96, 160),
            (LENGTH - 96, 96),
            (0, LENGTH),
        ][numbers.below(5)];
        bytes[start + numbers.below(length)] = numbers.below(256) as u8;
    }
    bytes
}

fn read_arbitrary(numbers: &mut Numbers, files: u32) -> u32 {
    let read_one = |_| u32::from(read(&arbitrary_queue(numbers)));
    (0..files).map(read_one).sum()
}

#[test]
fn what_is_read_is_within_the_file() {
    // Miri takes a thousand times as long.
    let files = if cfg!(miri) { 20 } else { 2_000 };
    let queues = read_arbitrary(&mut Numbers(42), files);
    let some = files / 10..files - files / 10;
    assert!(some.contains(&queues), "{queues} of {files} are queues");
    let mut numbers = Numbers(1);
    for _ in 0..files {
        let length = numbers.below(500);
        let bytes: Vec<u8> = (0..length).map(|_| numbers.below(256) as u8).collect();
        assert!(!read(&bytes));
    }
}

/// For `FUZZ_SECONDS` seconds.
#[test]
#[ignore = "takes as long as it is told to"]
fn arbitrary_queue_files() {
    let seconds = std::env::var("FUZZ_SECONDS").map_or(1.0, |seconds| seconds.parse().unwrap());
    let began = Instant::now();
    let seed = std::process::id();
    let mut numbers = Numbers(u64::from(seed) << 1 | 1);
    let (mut files, mut queues) = (0, 0);
    while began.elapsed().as_secs_f64() < seconds {
        queues += read_arbitrary(&mut numbers, 1_000);
        files += 1_000;
    }
    println!("{files} files read, {queues} of them queues, seed {seed}");
}
