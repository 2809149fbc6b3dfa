//! Records of one file in the order of their times, as far as these differ from that of the file by
//! no more than a window.
//!
//! Processes and threads read the clock before they have the lock, so a file may have a record that
//! is earlier than the one before it.

use std::time::Duration;

use super::split::Entry;
use super::timestamp::Timestamp;

/// Number of neighbours on each side whose times a record's is compared with.
pub(crate) const NEIGHBOURS: usize = 3;

/// How many records of a file wait for one that is later than the window: what is written when a file
/// is free again may be older than that. They take memory, so of very many files fewer wait.
pub(crate) fn late_records(files: usize) -> usize {
    (5_000 / files.max(1)).clamp(20, 100)
}

/// The number of records for which room is kept.
const MIN_CAPACITY: usize = 1_024;

/// Records that have been found, but not returned.
#[derive(Debug)]
pub(crate) struct Reorder {
    window: Duration,
    backward: bool,
    late: usize,
    /// In the order of the file; of the records at one end of them not all neighbours are known.
    fresh: Vec<Entry>,
    /// The times of the records that were sorted last, next to those.
    neighbours: Vec<Timestamp>,
    /// What records without a time are sorted by: the time before them.
    lead: Option<Timestamp>,
    /// In the order in which they are returned, up to `ready` for good.
    sorted: Vec<Entry>,
    next: usize,
    ready: usize,
    furthest: Option<Timestamp>,
    times: Vec<Timestamp>,
}

impl Reorder {
    pub(crate) fn new(window: Duration, backward: bool, late: usize) -> Self {
        Reorder {
            window,
            backward,
            late,
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

    /// The record that is returned next, if that is known.
    pub(crate) fn peek(&self) -> Option<&Entry> {
        self.sorted[..self.ready].get(self.next)
    }

    pub(crate) fn pop(&mut self) {
        self.next += 1;
        self.skip_marks();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of records that have not been given out.
    pub(crate) fn len(&self) -> usize {
        self.sorted.len() - self.next + self.fresh.len()
    }

    /// Those that have not been returned.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sorted[self.next..].iter().chain(&self.fresh)
    }

    pub(crate) fn first_byte(&self) -> Option<usize> {
        let entries = self.entries().filter(|entry| !entry.is_mark());
        entries.map(|entry| entry.range().start).min()
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
        for list in [&mut self.sorted, &mut self.fresh] {
            // What was short for a while takes no memory for good.
            if list.capacity() / 4 > list.len().max(MIN_CAPACITY) {
                list.shrink_to(2 * list.len());
            }
        }
        let entries = self.sorted.iter_mut().chain(&mut self.fresh);
        for entry in entries.filter(|entry| !entry.is_mark()) {
            let range = entry.range();
            entry.set_range(moved(range.start)..moved(range.end));
        }
    }

    /// Takes records in the order of the file: behind those that are there, or before.
    pub(crate) fn extend(&mut self, entries: &mut Vec<Entry>) {
        let new = entries.len();
        self.fresh.append(entries);
        if self.backward {
            self.fresh.rotate_right(new);
        }
    }

    /// Sorts what can be sorted, which is all `at_end`.
    pub(crate) fn settle(&mut self, at_end: bool) {
        if self.sorted.len() == self.next {
            self.sorted.clear();
            self.next = 0;
            self.ready = 0;
        }
        let from = self.sorted.len();
        match self.backward {
            false => self.settle_forward(at_end),
            true => self.settle_backward(at_end),
        }
        self.sort(from, at_end);
        self.skip_marks();
    }

    /// The next ones go out, whatever comes after them.
    pub(crate) fn force(&mut self) {
        if self.ready == self.sorted.len() {
            self.settle(true);
        }
        let waiting = self.sorted.len() - self.ready;
        self.ready += waiting - waiting / 2;
        self.skip_marks();
    }

    fn settle_forward(&mut self, at_end: bool) {
        let timed = (0..self.fresh.len()).rev();
        let mut timed = timed.filter(|n| self.fresh[*n].time.is_some());
        let cut = match at_end {
            true => Some(self.fresh.len()),
            false => timed.nth(NEIGHBOURS - 1),
        };
        let Some(cut) = cut else { return };
        self.times.clear();
        self.times.append(&mut self.neighbours);
        let mut at = self.times.len();
        let times = self.fresh.iter().filter_map(|entry| entry.time);
        self.times.extend(times);
        let in_order = self.window.is_zero() || self.times.is_sorted();
        for mut entry in self.fresh.drain(..cut) {
            if let Some(time) = entry.time {
                self.lead = Some(match in_order {
                    true => time,
                    false => key(&self.times, at, time, self.window),
                });
                at += 1;
            }
            entry.key = self.lead;
            self.sorted.push(entry);
        }
        let from = at.saturating_sub(NEIGHBOURS);
        self.neighbours.extend_from_slice(&self.times[from..at]);
    }

    fn settle_backward(&mut self, at_end: bool) {
        let timed = 0..self.fresh.len();
        let mut timed = timed.filter(|n| self.fresh[*n].time.is_some());
        // What has no time is sorted by what is before it.
        let cut = match at_end {
            true => Some(0),
            false => timed.nth(NEIGHBOURS),
        };
        let Some(cut) = cut else { return };
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
        self.sorted.extend(self.fresh.drain(cut..).rev());
    }

    /// Puts the records from there on in order with those that wait already.
    fn sort(&mut self, from: usize, at_end: bool) {
        let backward = self.backward;
        let keys = self.sorted[from..].iter().map(|entry| entry.key);
        let furthest = match backward {
            false => keys.max(),
            true => keys.min(),
        };
        self.furthest = match (self.furthest, furthest.flatten()) {
            (Some(a), Some(b)) => Some(if backward { a.min(b) } else { a.max(b) }),
            (a, b) => a.or(b),
        };
        if self.window.is_zero() {
            self.ready = self.sorted.len();
            return;
        }
        let before = |a: &Entry, b: &Entry| match backward {
            false => a.key.cmp(&b.key),
            true => b.key.cmp(&a.key),
        };
        // Those before `from` are in order.
        let unordered = from.saturating_sub(1).max(self.ready);
        let in_order = self.sorted[unordered..].is_sorted_by(|a, b| before(a, b).is_le());
        if let (false, Some(first)) = (
            in_order,
            self.sorted[from..].iter().min_by(|a, b| before(a, b)),
        ) {
            let waiting = &self.sorted[self.ready..from];
            let at = waiting.partition_point(|entry| before(entry, first).is_le());
            self.sorted[self.ready + at..].sort_by(before);
        }
        let waiting = &self.sorted[self.ready..];
        self.ready += match (at_end, self.furthest) {
            (false, Some(furthest)) => {
                let edge = match backward {
                    false => furthest.minus(self.window),
                    true => furthest.plus(self.window),
                };
                let is_ready = |entry: &Entry| match backward {
                    false => entry.key <= Some(edge),
                    true => entry.key >= Some(edge),
                };
                let most = waiting.len().saturating_sub(self.late);
                waiting.partition_point(is_ready).min(most)
            }
            _ => waiting.len(),
        };
    }

    /// Marks are never returned.
    fn skip_marks(&mut self) {
        let ready = &self.sorted[self.next..self.ready];
        self.next += ready.iter().take_while(|entry| entry.is_mark()).count();
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
#[path = "reorder_window_tests.rs"]
mod tests;
