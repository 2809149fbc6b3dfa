use std::fs;

use super::*;
use crate::queue::lines::{batch, batch_end, check_lines, skip, Cursor};
use crate::queue::segment::{Memory, Segment};

/// A segment of this length with lines of up to `longest` bytes, in memory and in a file.
fn segment(length: usize, longest: usize) -> (Segment, tempfile::NamedTempFile) {
    let mut segment = Segment::new(Memory::Heap(vec![0; length].into()));
    segment.open(1);
    let mut n = 0;
    loop {
        n += 1;
        let mut line = vec![b'x'; n * 7_919 % longest];
        line.push(b'\n');
        if !segment.append(&line, n % 3 > 0) {
            break;
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = [&[0; HEADER], segment.bytes()].concat();
    fs::write(file.path(), bytes).unwrap();
    (segment, file)
}

/// What is read of a file is what is in memory, wherever its pieces end, and takes a few pieces.
#[test]
fn a_segment_in_a_file_is_read_as_one_in_memory() {
    for (length, longest) in [
        (4096, 100),
        (PIECE, 10_000),
        (3 * PIECE + 4096, 13),
        (5 * PIECE, 3 * PIECE / 2),
    ] {
        let (segment, file) = segment(length, longest);
        let memory = segment.bytes();
        let file = sys::open(file.path()).unwrap();
        let mut pieces = Pieces::default();
        let mut of_file = FileSegment::new(&file, 0, length, &mut pieces);
        let (end, _) = skip(&mut { memory }, Cursor::START, usize::MAX).unwrap();
        assert!(end.line > 1 && end.at > length / 8, "{end:?}");
        assert_eq!(check_lines(&mut of_file, end.at).unwrap(), end);
        assert_eq!(of_file.length(), memory.len());
        for limit in [1, 1_000, 64 * 1024, usize::MAX] {
            let (mut from, [mut ends, mut same]) = (Cursor::START, [Vec::new(), Vec::new()]);
            while let Some(expected) = batch(memory, from, limit, &mut ends) {
                let (next, records) = batch_end(&mut of_file, from, limit, &mut same).unwrap();
                assert_eq!((next, records), (expected.next, expected.records));
                assert_eq!(same, ends);
                let is_same = of_file.bytes(from.at..next.at).unwrap() == expected.bytes;
                assert!(is_same, "{from:?}");
                from = next;
            }
            assert_eq!(from, end);
        }
        let mut copy = Vec::new();
        let whole = Cursor::START.at..end.at;
        of_file
            .for_each_piece(whole.clone(), |piece| {
                copy.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        assert!(copy == memory[whole]);
    }
}

#[test]
fn of_a_file_that_is_cut_short_meanwhile_no_byte_is_read() {
    let length = 2 * PIECE;
    let (segment, file) = segment(length, 1_000);
    let (end, _) = skip(&mut segment.bytes(), Cursor::START, usize::MAX).unwrap();
    let open = sys::open(file.path()).unwrap();
    let mut pieces = Pieces::default();
    let mut of_file = FileSegment::new(&open, 0, length, &mut pieces);
    file.as_file()
        .set_len((HEADER + length / 2) as u64)
        .unwrap();
    for failed in [
        check_lines(&mut of_file, end.at).unwrap_err(),
        skip(&mut of_file, Cursor::START, usize::MAX).unwrap_err(),
        of_file.bytes(0..length).unwrap_err(),
        of_file.bytes(length - 1..length + 1).unwrap_err(),
    ] {
        assert_eq!(failed.kind(), io::ErrorKind::InvalidData);
    }
}
