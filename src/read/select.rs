//! What of a log nobody wants to see, and so need not be read.

use std::time::{Duration, SystemTime};

use super::log_file::LogFile;
use super::reverse_lines::ReverseLines;
use super::timestamp::Timestamp;

/// So many records at the end of a file may be earlier than those before them: of several processes
/// each looks at the clock before it has the lock.
const OUT_OF_ORDER: usize = 100;

/// The last record of a file is no later than its last change, give or take that.
const MARGIN: Duration = Duration::from_secs(3_600);

/// What is wanted. More may be given, but nothing is left out, as far as each file is nearly in order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Selection {
    /// So many records from the end.
    pub(crate) last: Option<usize>,
    pub(crate) since: Option<Timestamp>,
}

impl Selection {
    /// Leaves out files, and the first parts of files.
    pub(crate) fn apply(&self, inputs: Vec<LogFile>) -> Vec<LogFile> {
        if self.last.is_none() && self.since.is_none() {
            return inputs;
        }
        if self.last == Some(0) {
            return Vec::new();
        }
        // Of the last records of each file, the latest ones first.
        let mut times: Vec<Timestamp> = Vec::new();
        let mut kept = Vec::new();
        for mut input in inputs.into_iter().rev() {
            let of_last = self
                .last
                .and_then(|n| times.get(n.checked_sub(1)?).copied());
            let earliest = of_last.max(self.since);
            let ends_before = ends_before(&input, earliest);
            let Some((file, part)) = input.plain() else {
                if !(ends_before && input.rank().is_compressed()) {
                    kept.push(input);
                }
                continue;
            };
            let mut start = part.start;
            let mut found = 0;
            let mut latest = None;
            for line in ReverseLines::new(&file, part) {
                let Ok(line) = line else { break };
                let Some(time) = line.time else { continue };
                found += 1;
                times.push(time);
                latest = latest.max(line.time);
                if found == self.last.unwrap_or(0).saturating_add(OUT_OF_ORDER) {
                    start = self.last.map_or(start, |_| line.offset);
                    break;
                }
            }
            times.sort_unstable_by(|a, b| b.cmp(a));
            times.truncate(self.last.unwrap_or(0));
            if !(ends_before && latest.is_some() && latest < earliest) {
                kept.push(input.starting_at(start));
            }
        }
        kept.reverse();
        kept
    }
}

/// Whether a file was last changed so long before that it can have nothing from then on.
fn ends_before(input: &LogFile, earliest: Option<Timestamp>) -> bool {
    let modified = || input.path().metadata().and_then(|found| found.modified());
    let end = |modified: SystemTime| modified.checked_add(MARGIN);
    let earliest = earliest.and_then(Timestamp::to_system_time);
    earliest.is_some_and(|earliest| {
        modified().is_ok_and(|at| end(at).is_some_and(|end| end < earliest))
    })
}
