//! Which files exceed the limits on number, age and size. No function here uses the file system.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::sys::FileState;

/// The limits of a log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) max_files: Option<usize>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_total_size: Option<u64>,
}

/// A file of the log that the limits count.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) state: FileState,
    /// The number of a variant; `None` for an archive.
    pub(super) variant: Option<u16>,
}

impl Limits {
    pub(crate) fn any(&self) -> bool {
        self.max_files.is_some() || self.max_age.is_some() || self.max_total_size.is_some()
    }

    /// Returns how many of the `removable` files, oldest first, have to be removed; the `kept` ones
    /// count, and stay.
    pub(super) fn surplus(
        &self,
        removable: &[Candidate],
        kept: &[Candidate],
        now: SystemTime,
    ) -> usize {
        let mut files = removable.len() + kept.len();
        let sizes = removable.iter().chain(kept).map(|file| file.state.length);
        let mut size = sizes.fold(0, u64::saturating_add);
        for (n, Candidate { state, .. }) in removable.iter().enumerate() {
            // A file with a time in the future has no age: the clock was set back, or is another
            // machine's.
            let age = now.duration_since(state.modified).unwrap_or_default();
            let goes = self.max_files.is_some_and(|max| files > max)
                || self.max_total_size.is_some_and(|max| size > max)
                || self.max_age.is_some_and(|max| age > max);
            if !goes {
                return n;
            }
            files -= 1;
            size = size.saturating_sub(state.length);
        }
        removable.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(length: u64, modified: SystemTime) -> Candidate {
        Candidate {
            path: PathBuf::new(),
            state: FileState {
                identity: None,
                length,
                modified,
                changed: None,
            },
            variant: None,
        }
    }

    fn files(sizes_and_ages: &[(u64, u64)], now: SystemTime) -> Vec<Candidate> {
        let files = sizes_and_ages.iter();
        files
            .map(|(size, age)| file(*size, now - Duration::from_secs(*age)))
            .collect()
    }

    #[test]
    fn the_oldest_go_until_what_stays_is_within_all_limits() {
        let now = SystemTime::now();
        let removable = files(&[(10, 50), (20, 40), (30, 30), (40, 20)], now);
        let kept = files(&[(100, 0)], now);
        let none = Limits::default();
        let files = |n| Limits {
            max_files: Some(n),
            ..none
        };
        let age = |seconds| Limits {
            max_age: Some(Duration::from_secs(seconds)),
            ..none
        };
        let size = |bytes| Limits {
            max_total_size: Some(bytes),
            ..none
        };
        let both = Limits {
            max_age: Some(Duration::from_secs(35)),
            ..files(4)
        };
        for (limits, surplus) in [
            (none, 0),
            (files(5), 0),
            (files(4), 1),
            (files(1), 4),
            (age(60), 0),
            (age(45), 1),
            (age(0), 4),
            (size(200), 0),
            (size(199), 1),
            (size(171), 2),
            (size(1), 4),
            (both, 2),
        ] {
            assert_eq!(
                limits.surplus(&removable, &kept, now),
                surplus,
                "{limits:?}"
            );
        }
        let future = [file(10, now + Duration::from_secs(60))];
        assert_eq!(age(0).surplus(&future, &[], now), 0, "a clock set back");
    }
}
