//! The order of records by their times.

use super::*;
use crate::numbers::Numbers;

const WINDOW: Duration = Duration::from_millis(100);

fn at(millis: u64) -> Timestamp {
    Timestamp::of_integer(1_795_420_501_000 + millis).unwrap()
}

/// The order in which records with those times, in milliseconds, are returned, by number; taken
/// in pieces of that many.
fn order(times: &[Option<u64>], piece: usize, backward: bool) -> Vec<usize> {
    let entry = |(n, millis): (usize, &Option<u64>)| Entry::new(n..n + 1, millis.map(at));
    let entries: Vec<Entry> = times.iter().enumerate().map(entry).collect();
    let mut reorder = Reorder::new(WINDOW, backward, late_records(1));
    let mut out = Vec::new();
    let mut pieces: Vec<&[Entry]> = match backward {
        false => entries.chunks(piece).collect(),
        true => entries.rchunks(piece).collect(),
    };
    pieces.reverse();
    while let Some(piece) = pieces.pop() {
        reorder.extend(&mut piece.to_vec());
        reorder.settle(pieces.is_empty());
        while let Some(entry) = reorder.peek() {
            out.push(entry.range().start);
            reorder.pop();
        }
    }
    assert!(reorder.is_empty());
    out
}

#[test]
fn records_that_are_late_by_less_than_the_window_are_sorted() {
    for (times, expected) in [
        (&[0, 10, 20, 30][..], &[0, 1, 2, 3][..]),
        (&[0, 10, 5, 30, 29, 28], &[0, 2, 1, 5, 4, 3]),
        (&[0, 0, 0], &[0, 1, 2]),
        // Late by more.
        (&[1_000, 2_000, 3_000, 0, 4_000, 5_000], &[0, 3, 1, 2, 4, 5]),
        (
            &[1_000, 2_000, 3_000, 0, 10, 20, 30, 4_000],
            &[3, 4, 5, 6, 0, 1, 2, 7],
        ),
        // One that is far too early.
        (
            &[0, 10, 99_999_999_999, 200, 300, 400, 500],
            &[0, 1, 3, 4, 2, 5, 6],
        ),
        (
            &[0, 10, 99_999_999_999, 99_999_999_998, 200, 300, 400, 500],
            &[0, 1, 4, 5, 2, 3, 6, 7],
        ),
        (&[99_999_999_999, 10, 200, 300], &[1, 2, 0, 3]),
    ] {
        let times: Vec<_> = times.iter().copied().map(Some).collect();
        assert_eq!(order(&times, 1, false), expected, "{times:?}");
        let mut backward = order(&times, 2, true);
        backward.reverse();
        assert_eq!(backward, expected, "{times:?} from the end");
    }
}

/// In whatever pieces they come, and from which end: all of them, in one order.
#[test]
fn both_directions_have_one_order() {
    let mut numbers = Numbers::new(1);
    for _ in 0..256 {
        let mut now = 1_000;
        let times: Vec<Option<u64>> = (0..numbers.below(200))
            .map(|_| {
                now += numbers.below(40);
                let late = numbers.below(40);
                (numbers.below(8) > 0).then_some(now - late)
            })
            .collect();
        let mut piece = || 1 + numbers.below(49) as usize;
        let forward = order(&times, piece(), false);
        assert_eq!(forward.len(), times.len());
        let timed: Vec<_> = forward.iter().filter_map(|n| times[*n]).collect();
        assert!(timed.windows(2).all(|two| two[0] <= two[1]), "{timed:?}");
        let mut backward = order(&times, piece(), true);
        backward.reverse();
        assert_eq!(forward, backward, "{times:?}");
    }
}
