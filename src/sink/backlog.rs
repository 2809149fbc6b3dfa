//! Records that no file has taken yet, in order, and how many there was no room for.

use std::collections::VecDeque;

use super::gap_line::{gap_line, is_json};

#[derive(Debug)]
pub(crate) struct Backlog {
    limit: usize,
    /// Maximum length in bytes of a commit of more than one record.
    batch: usize,
    /// What waits, from `start` on; what is before that is in a file already.
    bytes: Vec<u8>,
    start: usize,
    /// The lines that a commit may not split.
    lines: VecDeque<Line>,
    records: u64,
    /// Records dropped since the last one taken, and whether they are JSON.
    missing: u64,
    json: bool,
}

#[derive(Debug)]
struct Line {
    len: usize,
    /// A record, or a line of ours.
    is_record: bool,
    /// The record of a notice.
    is_notice: bool,
}

/// The first lines of a backlog, to be written in one commit.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The line for what is missing at the end; then there is nothing else.
    gap: Option<String>,
    pub(crate) len: usize,
    pub(crate) lines: usize,
    pub(crate) records: u64,
    /// All of them are records of notices.
    pub(crate) are_notices: bool,
}

impl Backlog {
    pub(crate) fn new(limit: usize, batch: usize) -> Self {
        Backlog {
            limit,
            batch,
            bytes: Vec::new(),
            start: 0,
            lines: VecDeque::new(),
            records: 0,
            missing: 0,
            json: false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.missing == 0
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Describes what waits; `None` if nothing does.
    pub(crate) fn waiting(&self) -> Option<String> {
        match (self.records, self.missing) {
            _ if self.is_empty() => None,
            (0, missing) => Some(format!(
                "no file says yet that {missing} records are missing"
            )),
            (records, _) => Some(format!("{records} records are in no file yet")),
        }
    }

    /// Takes a record behind what is there, or drops it, the newest, when it would go over the
    /// limit. Returns true if it has taken it.
    #[must_use]
    pub(crate) fn push(&mut self, record: &[u8], is_notice: bool) -> bool {
        let gap = self.gap_line();
        let waiting = self.bytes.len() - self.start;
        let len = record.len() + gap.as_ref().map_or(0, String::len);
        if self.limit.saturating_sub(waiting) < len {
            self.missing += 1;
            self.json = is_json(record);
            return false;
        }
        if let Some(line) = gap {
            self.append(line.as_bytes(), false, false);
            self.missing = 0;
        }
        self.append(record, true, is_notice);
        true
    }

    /// What the next commit should write, if anything waits: not more than `most` bytes of several
    /// lines.
    #[inline]
    pub(crate) fn front(&self, most: usize) -> Option<Batch> {
        // Called for each record, and mostly true.
        if self.is_empty() {
            return None;
        }
        self.first_lines(most)
    }

    fn first_lines(&self, most: usize) -> Option<Batch> {
        // A line that is larger than a batch goes alone.
        let first = self.lines.front().map_or(0, |line| line.len);
        let mut batch = self.first_lines_within(self.batch.min(most).max(first));
        if batch.lines == 0 {
            batch.gap = Some(self.gap_line()?);
            batch.are_notices = false;
        }
        Some(batch)
    }

    /// The first lines that are within `bytes` bytes.
    pub(crate) fn first_lines_within(&self, bytes: usize) -> Batch {
        let mut batch = Batch {
            gap: None,
            len: 0,
            lines: 0,
            records: 0,
            are_notices: true,
        };
        for line in &self.lines {
            if batch.len + line.len > bytes {
                break;
            }
            batch.len += line.len;
            batch.lines += 1;
            batch.records += u64::from(line.is_record);
            batch.are_notices &= line.is_notice;
        }
        batch
    }

    pub(crate) fn bytes<'a>(&'a self, batch: &'a Batch) -> &'a [u8] {
        match &batch.gap {
            Some(line) => line.as_bytes(),
            None => &self.bytes[self.start..self.start + batch.len],
        }
    }

    /// Forgets a batch that is in a file now.
    pub(crate) fn pop(&mut self, batch: Batch) {
        if batch.gap.is_some() {
            self.missing = 0;
        }
        self.start += batch.len;
        self.records -= batch.records;
        self.lines.drain(..batch.lines);
        if self.lines.is_empty() {
            // Gives the memory of a flood back.
            self.bytes = Vec::new();
            self.start = 0;
        } else if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    fn append(&mut self, line: &[u8], is_record: bool, is_notice: bool) {
        self.bytes.extend_from_slice(line);
        self.lines.push_back(Line {
            len: line.len(),
            is_record,
            is_notice,
        });
        self.records += u64::from(is_record);
    }

    /// The line that stands where records are missing.
    fn gap_line(&self) -> Option<String> {
        if self.missing == 0 {
            return None;
        }
        Some(gap_line("the backlog was full", self.missing, self.json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: usize = 64 * 1024;

    fn take_all(backlog: &mut Backlog) -> String {
        let mut all = Vec::new();
        while let Some(batch) = backlog.front(usize::MAX) {
            all.extend_from_slice(backlog.bytes(&batch));
            backlog.pop(batch);
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn what_goes_in_comes_out_in_order_in_batches_of_whole_records() {
        let mut backlog = Backlog::new(1 << 20, BATCH);
        let mut expected = String::new();
        for n in 0..3_000 {
            let record = format!("{n} {}\n", "x".repeat(n % 97));
            expected.push_str(&record);
            assert!(backlog.push(record.as_bytes(), false));
        }
        assert_eq!(backlog.records(), 3_000);
        let batch = backlog.front(usize::MAX).unwrap();
        let bytes = backlog.bytes(&batch);
        assert!(bytes.len() <= BATCH && bytes.len() > BATCH - 100);
        assert_eq!(bytes.last(), Some(&b'\n'));
        assert_eq!(take_all(&mut backlog), expected);
        assert!(backlog.is_empty());
        assert_eq!(backlog.records(), 0);
    }

    #[test]
    fn a_record_larger_than_a_batch_goes_alone() {
        let mut backlog = Backlog::new(1 << 20, BATCH);
        let large = vec![b'x'; BATCH * 2];
        assert!(
            backlog.push(b"a\n", false)
                && backlog.push(&large, false)
                && backlog.push(b"b\n", false)
        );
        for expected in [2, BATCH * 2, 2] {
            let batch = backlog.front(usize::MAX).unwrap();
            assert_eq!(backlog.bytes(&batch).len(), expected);
            backlog.pop(batch);
        }
    }

    #[test]
    fn over_the_limit_the_newest_go_and_a_line_stands_where_they_are_missing() {
        let mut backlog = Backlog::new(200, BATCH);
        assert!(backlog.push(&[b'a'; 99], false));
        assert!(backlog.push(&[b'b'; 99], false));
        assert!(!backlog.push(b"ccc\n", false));
        assert!(!backlog.push(b"ddd\n", false));
        assert!(
            !backlog.push(b"e\n", false),
            "a gap needs room for its line, too"
        );
        let batch = backlog.front(usize::MAX).unwrap();
        backlog.pop(batch);
        assert!(!backlog.is_empty(), "the count still has to get out");
        assert!(backlog.push(b"fff\n", false));
        let rest = take_all(&mut backlog);
        assert!(rest.contains("missing=3\nfff\n"), "{rest}");
        assert!(backlog.is_empty());

        assert!(!backlog.push(&[b'{'; 201], false));
        let line: serde_json::Value = serde_json::from_str(&take_all(&mut backlog)).unwrap();
        assert_eq!(line["fields"]["missing"], 1);
        assert!(backlog.is_empty());
    }

    #[test]
    fn no_limit_is_too_large_or_too_small() {
        assert!(!Backlog::new(0, BATCH).push(b"x\n", false));
        assert!(Backlog::new(usize::MAX, BATCH).push(b"x\n", false));
    }
}
