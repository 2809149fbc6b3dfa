//! Records of one file in the order of their times, as far as these differ from that of the file by
//! no more than a window.
//!
//! Processes and threads look at the clock before they have the lock, so a file may have a record
//! that is earlier than the one before it.

use std::time::Duration;

use super::records::Entry;
use super::timestamp::Timestamp;

/// The times that a record's is compared with: so many on each side of it.
const NEIGHBOURS: usize = 3;

/// Of so many records each finds its place, however late it is: what is written when a file is free
/// again may be older than the window.
const LATE: usize = 100;

/// Records that have been found, but not given out.
#[derive(Debug)]
pub(crate) struct Reorder {
    window: Duration,
    backward: bool,
    /// In the order of the file; of the records at one end of them not all neighbours are known.
    fresh: Vec<Entry>,
    /// The times of the records that were sorted last, next to those.
    neighbours: Vec<Timestamp>,
    /// What records without a time are sorted by: the time before them.
    lead: Option<Timestamp>,
    /// In the order in which they are given out, up to `ready` for good.
    sorted: Vec<Entry>,
    next: usize,
    ready: usize,
    furthest: Option<Timestamp>,
    times: Vec<Timestamp>,
}

impl Reorder {
    pub(crate) fn new(window: Duration, backward: bool) -> Self {
        Reorder {
            window,
            backward,
            fresh: Vec::new(),
            neighbours: Vec::new(),
            lead: None,
            sorted: Vec::new(),
            next: 0,
            ready: 0,
            furthest: None,
            times: Vec::new(),
        }
    }

    /// What records before the first time are sorted by.
    pub(crate) fn set_lead(&mut self, lead: Option<Timestamp>) {
        self.lead = lead;
    }

    /// The record that is given out next, if that is known.
    pub(crate) fn peek(&self) -> Option<&Entry> {
        self.sorted[..self.ready].get(self.next)
    }

    pub(crate) fn pop(&mut self) {
        self.next += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.next == self.sorted.len()
    }

    /// Those that have not been given out.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sorted[self.next..].iter().chain(&self.fresh)
    }

    pub(crate) fn first_byte(&self) -> Option<usize> {
        self.entries().map(|entry| entry.range().start).min()
    }

    pub(crate) fn end(&self) -> Option<usize> {
        self.entries().map(|entry| entry.range().end).max()
    }

    /// The first of those whose neighbours are not known, in the order of the file.
    pub(crate) fn first_fresh(&self) -> Option<&Entry> {
        self.fresh.first()
    }

    /// The buffer has moved.
    pub(crate) fn shift(&mut self, moved: impl Fn(usize) -> usize) {
        self.sorted.drain(..self.next);
        self.ready -= self.next;
        self.next = 0;
        for entry in self.sorted.iter_mut().chain(&mut self.fresh) {
            let range = entry.range();
            entry.set_range(moved(range.start)..moved(range.end));
        }
    }

    /// Takes records in the order of the file: behind those that are there, or before.
    pub(crate) fn extend(&mut self, mut entries: Vec<Entry>) {
        if self.backward {
            entries.append(&mut self.fresh);
            self.fresh = entries;
        } else {
            self.fresh.append(&mut entries);
        }
    }

    /// Sorts what can be sorted, which is all `at_end`.
    pub(crate) fn settle(&mut self, at_end: bool) {
        let settled = match self.backward {
            false => self.known_forward(at_end),
            true => self.known_backward(at_end),
        };
        self.sort(settled, at_end);
    }

    /// The next ones go out, whatever comes after them.
    pub(crate) fn force(&mut self) {
        if self.ready == self.sorted.len() {
            self.settle(true);
        }
        let waiting = self.sorted.len() - self.ready;
        self.ready += waiting - waiting / 2;
    }

    fn known_forward(&mut self, at_end: bool) -> Vec<Entry> {
        let timed = (0..self.fresh.len()).rev();
        let mut timed = timed.filter(|n| self.fresh[*n].time.is_some());
        let cut = match at_end {
            true => Some(self.fresh.len()),
            false => timed.nth(NEIGHBOURS - 1),
        };
        let Some(cut) = cut else {
            return Vec::new();
        };
        self.times.clear();
        self.times.append(&mut self.neighbours);
        let before = self.times.len();
        let times = self.fresh.iter().filter_map(|entry| entry.time);
        self.times.extend(times);
        let mut at = before;
        for entry in &mut self.fresh[..cut] {
            if let Some(time) = entry.time {
                self.lead = Some(key(&self.times, at, time, self.window));
                at += 1;
            }
            entry.key = self.lead;
        }
        let from = at.saturating_sub(NEIGHBOURS);
        self.neighbours.extend_from_slice(&self.times[from..at]);
        let rest = self.fresh.split_off(cut);
        std::mem::replace(&mut self.fresh, rest)
    }

    fn known_backward(&mut self, at_end: bool) -> Vec<Entry> {
        let timed = 0..self.fresh.len();
        let mut timed = timed.filter(|n| self.fresh[*n].time.is_some());
        // What has no time is sorted by what is before it.
        let cut = match at_end {
            true => Some(0),
            false => timed.nth(NEIGHBOURS),
        };
        let Some(cut) = cut else {
            return Vec::new();
        };
        self.times.clear();
        let times = self.fresh.iter().filter_map(|entry| entry.time);
        self.times.extend(times);
        self.times.append(&mut self.neighbours);
        let held = self.fresh[..cut].iter();
        let first = held.filter(|entry| entry.time.is_some()).count();
        let mut at = first;
        let mut lead = self.lead;
        for entry in &mut self.fresh[cut..] {
            if let Some(time) = entry.time {
                lead = Some(key(&self.times, at, time, self.window));
                at += 1;
            }
            entry.key = lead;
        }
        let end = (first + NEIGHBOURS).min(self.times.len());
        self.neighbours.extend_from_slice(&self.times[first..end]);
        let mut known = self.fresh.split_off(cut);
        known.reverse();
        known
    }

    fn sort(&mut self, mut settled: Vec<Entry>, at_end: bool) {
        let keys = settled.iter().map(|entry| entry.key);
        let furthest = match self.backward {
            false => keys.max(),
            true => keys.min(),
        };
        let backward = self.backward;
        self.furthest = match (self.furthest, furthest.flatten()) {
            (Some(a), Some(b)) => Some(if backward { a.min(b) } else { a.max(b) }),
            (a, b) => a.or(b),
        };
        if self.sorted.len() == self.next {
            self.sorted.clear();
            self.next = 0;
            self.ready = 0;
        }
        self.sorted.append(&mut settled);
        if self.window.is_zero() {
            self.ready = self.sorted.len();
            return;
        }
        let before = |a: &Entry, b: &Entry| match backward {
            false => a.key.cmp(&b.key),
            true => b.key.cmp(&a.key),
        };
        let waiting = &mut self.sorted[self.ready..];
        let in_order = waiting
            .windows(2)
            .all(|two| before(&two[0], &two[1]).is_le());
        if !in_order {
            waiting.sort_by(before);
        }
        let waiting = &self.sorted[self.ready..];
        self.ready += match (at_end, self.furthest) {
            (false, Some(furthest)) => {
                let is_ready = |entry: &Entry| match backward {
                    false => entry.key <= Some(furthest.minus(self.window)),
                    true => entry.key >= Some(furthest.plus(self.window)),
                };
                let most = waiting.len().saturating_sub(LATE);
                waiting.partition_point(is_ready).min(most)
            }
            _ => waiting.len(),
        };
    }
}

/// The time of a record; but where it is far before or behind those on both sides of it, not further
/// than the window from them: a record or two with a wrong time stay with their neighbours.
fn key(times: &[Timestamp], at: usize, time: Timestamp, window: Duration) -> Timestamp {
    let before = &times[at.saturating_sub(NEIGHBOURS)..at];
    let after = &times[at + 1..times.len().min(at + 1 + NEIGHBOURS)];
    let is_in_order = |times: &[Timestamp]| times.windows(2).all(|two| two[0] <= two[1]);
    let near = &times[at - before.len()..at + 1 + after.len()];
    if window.is_zero() || is_in_order(near) {
        return time;
    }
    // Without one of them, as it may be wrong itself.
    let extremes = |times: &[Timestamp]| {
        let mut sorted = [time; NEIGHBOURS];
        let sorted = &mut sorted[..times.len()];
        sorted.copy_from_slice(times);
        sorted.sort_unstable();
        match sorted {
            [] => None,
            [only] => Some((*only, *only)),
            [low, high] => Some((*low, *high)),
            [_, middle, ..] => Some((*middle, *middle)),
        }
    };
    let (is_after_known, is_before_known) = (after.len() > 1, before.len() > 1);
    let (before, after) = (extremes(before), extremes(after));
    let mut key = time;
    // Later than what is after it, and not because a pause is over.
    if let Some((_, high)) = after.filter(|_| is_after_known) {
        let high = before.map_or(high, |(_, before)| before.max(high));
        key = key.min(high.plus(window));
    }
    if let Some((low, _)) = before.filter(|_| is_before_known) {
        let low = after.map_or(low, |(after, _)| after.min(low));
        key = key.max(low.minus(window));
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::Numbers;

    const WINDOW: Duration = Duration::from_millis(100);

    fn at(millis: u64) -> Timestamp {
        Timestamp::of_integer(1_795_420_501_000 + millis).unwrap()
    }

    /// The order in which records with those times, in milliseconds, are given out, by number; taken
    /// in pieces of that many.
    fn order(times: &[Option<u64>], piece: usize, backward: bool) -> Vec<usize> {
        let entry = |(n, millis): (usize, &Option<u64>)| Entry::new(n..n + 1, millis.map(at));
        let entries: Vec<Entry> = times.iter().enumerate().map(entry).collect();
        let mut reorder = Reorder::new(WINDOW, backward);
        let mut out = Vec::new();
        let mut pieces: Vec<&[Entry]> = match backward {
            false => entries.chunks(piece).collect(),
            true => entries.rchunks(piece).collect(),
        };
        pieces.reverse();
        while let Some(piece) = pieces.pop() {
            reorder.extend(piece.to_vec());
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
}
