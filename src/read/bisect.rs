//! Which part of a file has the records between two times.

use std::io;
use std::ops::Range;
use std::time::Duration;

use super::line::Line;
use super::log_file::LogFile;
use super::timestamp::{Timestamp, Zone};

/// Length below which a part is read rather than searched.
const SMALL: u64 = 64 * 1024;

/// Bytes read at once to find times: the first read, and the maximum.
const PROBE: usize = 4 * 1024;
const MAX_PROBE: usize = 4 * 1024 * 1024;

/// How much earlier than a record before it a record may be, if the window is not longer.
const MARGIN: Duration = Duration::from_secs(1);

/// The times that are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Times {
    pub(crate) fn contain(&self, time: Option<Timestamp>) -> bool {
        self.since.is_none_or(|since| time >= Some(since))
            && self
                .until
                .is_none_or(|until| time.is_some_and(|time| time <= until))
    }

    /// Returns true if nothing after a record of that time is asked for, or backward nothing before
    /// it.
    pub(crate) fn end_at(&self, time: Option<Timestamp>, window: Duration, backward: bool) -> bool {
        let margin = window.max(MARGIN);
        match backward {
            false => (self.until).is_some_and(|until| time > Some(until.plus(margin))),
            true => (self.since).is_some_and(|since| time < Some(since.minus(margin))),
        }
    }

    /// Reads as little of the file as can be, as far as it is in the order of time; returns false if
    /// there is nothing to be read of it.
    pub(crate) fn narrow(
        &self,
        file: &mut LogFile,
        zone: &Zone,
        window: Duration,
    ) -> io::Result<bool> {
        if self.since.is_none() && self.until.is_none() {
            return Ok(true);
        }
        if file.is_sequential() {
            let is_over = |latest| self.since.is_some_and(|since| latest < since);
            return Ok(!file.latest().is_some_and(is_over));
        }
        let (mut range, opened) = file.seekable();
        opened?;
        let margin = window.max(MARGIN);
        if let Some(since) = self.since {
            range.start = search(file, range.clone(), zone, since.minus(margin))?.start;
        }
        if let Some(until) = self.until {
            range.end = search(file, range.clone(), zone, until.plus(margin))?.end;
        }
        let is_wanted = !range.is_empty();
        file.narrow(range);
        Ok(is_wanted)
    }
}

/// Where in a part of a file the first record of that time or a later one is: it begins in the
/// result, and so do all others between those before that time and those after it.
fn search(
    file: &mut LogFile,
    part: Range<u64>,
    zone: &Zone,
    time: Timestamp,
) -> io::Result<Range<u64>> {
    let mut found = part.clone();
    // Where the part that is searched ends, of which the first record after it begins at `found.end`.
    let mut end = part.end;
    while end - found.start > SMALL {
        let middle = found.start + (end - found.start) / 2;
        match probe(file, middle..end, zone)? {
            Some((probed, at)) if probed < time => found.start = at,
            Some((_, at)) => {
                end = middle;
                found.end = at;
            }
            None => end = middle,
        }
    }
    // The last records before the end may be later than those after it.
    Ok(found)
}

/// The middle one of the first three times in a part of a file, and where the first of them begins.
fn probe(
    file: &mut LogFile,
    part: Range<u64>,
    zone: &Zone,
) -> io::Result<Option<(Timestamp, u64)>> {
    let mut length = PROBE;
    let mut buffer = Vec::new();
    loop {
        let left = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
        buffer.resize(length.min(left), 0);
        let read = file.read_at(part.start, &mut buffer)?;
        let mut times = Vec::new();
        let mut first = None;
        let mut at = part.start;
        // The first of them is the end of a line that begins before the part.
        for (n, line) in buffer[..read]
            .split_inclusive(|byte| *byte == b'\n')
            .enumerate()
        {
            let end = at + line.len() as u64;
            if n > 0 && line.ends_with(b"\n") && times.len() < 3 {
                if let Some(time) = Line::of(line, zone).time() {
                    times.push(time);
                    first = first.or(Some(at));
                }
            }
            at = end;
        }
        let is_all = read < length || length >= MAX_PROBE;
        if times.len() == 3 || is_all {
            times.sort_unstable();
            let middle = times.get(times.len().saturating_sub(1) / 2).copied();
            return Ok(middle.zip(first));
        }
        length *= 4;
    }
}
