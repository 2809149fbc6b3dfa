//! When a file may be removed or compressed: no process may be between its open and its lock.
//!
//! Nobody opens an archive by its name to write to it. But a process that opened the file before it
//! was renamed may not have its lock yet, and no system call says so. So the file is observed: when
//! it was the same for [`GRACE`], each such process has written its record.
//!
//! The time between two observations is measured with the monotonic clock. The age of a file by
//! the wall clock says nothing: the file system's clock may be another machine's, and both can be
//! set while a file is being renamed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::{self, FileState, Instant};

/// More than a process needs from its open to its lock, unless it is stopped in between. A process
/// that rotates notices even then.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// A file that is locked or has changed is tried again after twice the time, up to this.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A file that could not be handled is tried again after this, by the next sweep: none is started
/// for it.
const RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// An archive needs no second observation if its successor was changed this much later. Clocks are
/// usually set by less.
pub(super) const SETTLED: Duration = Duration::from_secs(60);

/// What the sweeps of one log have observed of the files that are to be removed or compressed.
///
/// It is empty when nothing is to be done.
#[derive(Debug, Default)]
pub(super) struct Observations {
    files: HashMap<PathBuf, Observation>,
    /// Those of the last sweep that this sweep has not observed yet.
    previous: HashMap<PathBuf, Observation>,
}

#[derive(Debug)]
struct Observation {
    state: FileState,
    /// When the file is handled if it is still in this state: at least [`GRACE`] after it was first
    /// seen in it.
    due: Instant,
    pause: Duration,
    is_left: bool,
}

/// What the observations say about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has been the same for [`GRACE`].
    Quiet,
    /// It has not been observed for long enough.
    Unknown,
    /// It was locked, has changed, or something went wrong: not now.
    Postponed,
}

impl Observations {
    /// Begins a sweep.
    pub(super) fn begin(&mut self) {
        self.previous = std::mem::take(&mut self.files);
    }

    /// Ends a sweep. What it has not observed is forgotten.
    pub(super) fn end(&mut self) {
        self.previous = HashMap::new();
    }

    /// Notes the state of a file.
    pub(super) fn observe(&mut self, path: &Path, state: &FileState, now: Instant) -> Verdict {
        let known = self.files.remove(path);
        let known = known.or_else(|| self.previous.remove(path));
        let observation = match known {
            Some(known) if known.state == *state => known,
            // Each change starts the observation again, with a longer interval: a process may write
            // to the file for days.
            Some(changed) => Observation::new(state, now, longer(changed.pause)),
            None => Observation::new(state, now, GRACE),
        };
        let verdict = match now >= observation.due {
            true => Verdict::Quiet,
            false if observation.pause == GRACE && !observation.is_left => Verdict::Unknown,
            false => Verdict::Postponed,
        };
        self.files.insert(path.to_owned(), observation);
        verdict
    }

    /// The file is in use.
    pub(super) fn postpone(&mut self, path: &Path, now: Instant) {
        if let Some(file) = self.files.get_mut(path) {
            file.pause = longer(file.pause);
            file.due = now + file.pause;
        }
    }

    /// The file could not be handled, or is better left as it is.
    pub(super) fn leave(&mut self, path: &Path, now: Instant) {
        if let Some(file) = self.files.get_mut(path) {
            file.is_left = true;
            file.due = now + RETRY_INTERVAL;
        }
    }

    /// The file is gone.
    pub(super) fn forget(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// When the next file is to be tried.
    pub(super) fn next(&self) -> Option<Instant> {
        let waiting = self.files.values().filter(|file| !file.is_left);
        waiting.map(|file| file.due).min()
    }

    pub(super) fn leaves_any(&self) -> bool {
        self.files.values().any(|file| file.is_left)
    }
}

impl Observation {
    fn new(state: &FileState, now: Instant, pause: Duration) -> Self {
        Observation {
            state: state.clone(),
            due: now + pause,
            pause,
            is_left: false,
        }
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(MAX_PAUSE)
}

/// Returns true if an archive was renamed so long ago that it needs no second observation. Without
/// this a program that runs for less than [`GRACE`] would never remove anything.
///
/// `successor` is the file that has the archive's former name: it was made after the rename. If it
/// was changed a minute later than the archive, by the one clock of their file system, then the
/// rename was a minute ago. Only a clock that is set ahead in that very moment can deceive.
pub(super) fn has_settled(archive: &FileState, successor: &Path, after: Duration) -> bool {
    // A link may be older than the rename, and lead to a file that is older too.
    if !sys::symlink_metadata(successor).is_ok_and(|found| found.is_file()) {
        return false;
    }
    let Ok(successor) = sys::state_at(successor) else {
        return false;
    };
    let device = |state: &FileState| state.identity.map(|(device, ..)| device);
    match (archive.changed, successor.changed) {
        (Some(renamed), Some(changed)) => {
            device(archive) == device(&successor)
                && changed
                    .duration_since(renamed)
                    .is_ok_and(|elapsed| elapsed >= after)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn state(length: u64) -> FileState {
        FileState {
            identity: Some((1, 2, None)),
            length,
            modified: SystemTime::UNIX_EPOCH,
            changed: None,
        }
    }

    /// Each row is one sweep: its time in seconds, the length found, and the verdict.
    fn sweep(observations: &mut Observations, rows: &[(f64, u64, Verdict)]) {
        let path = Path::new("app.2020-01-01T00-00-00Z.log");
        let start = Instant::now();
        for (seconds, length, expected) in rows {
            let now = start + Duration::from_secs_f64(*seconds);
            observations.begin();
            let verdict = observations.observe(path, &state(*length), now);
            observations.end();
            assert_eq!(verdict, *expected, "after {seconds} s");
        }
    }

    #[test]
    fn a_file_is_quiet_when_it_was_the_same_for_two_seconds() {
        use Verdict::{Postponed, Quiet, Unknown};
        for rows in [
            &[(0.0, 1, Unknown), (1.9, 1, Unknown), (2.0, 1, Quiet)][..],
            &[(0.0, 1, Unknown), (600.0, 1, Quiet)],
            // It has changed, and again.
            &[
                (0.0, 1, Unknown),
                (2.0, 2, Postponed),
                (4.0, 2, Postponed),
                (6.0, 3, Postponed),
                (13.9, 3, Postponed),
                (14.0, 3, Quiet),
            ],
        ] {
            sweep(&mut Observations::default(), rows);
        }
    }

    #[test]
    fn a_file_that_is_in_use_is_tried_ever_more_seldom() {
        let path = Path::new("app.2020-01-01T00-00-00Z.log");
        let start = Instant::now();
        let mut observations = Observations::default();
        observations.observe(path, &state(1), start);
        assert_eq!(observations.next(), Some(start + GRACE));
        let mut now = start + GRACE;
        for pause in [4, 8, 16, 30, 30] {
            observations.begin();
            assert_eq!(observations.observe(path, &state(1), now), Verdict::Quiet);
            observations.postpone(path, now);
            observations.end();
            let next = now + Duration::from_secs(pause);
            assert_eq!(observations.next(), Some(next));
            now = next;
        }
    }

    #[test]
    fn nobody_wakes_up_for_what_went_wrong_or_is_gone() {
        let (one, two) = (Path::new("one"), Path::new("two"));
        let start = Instant::now();
        let mut observations = Observations::default();
        observations.observe(one, &state(1), start);
        observations.observe(two, &state(1), start);
        observations.leave(one, start + GRACE);
        assert!(observations.leaves_any());
        observations.forget(two);
        assert_eq!(observations.next(), None);
        let again = start + GRACE + RETRY_INTERVAL;
        for (now, verdict) in [(again - GRACE, Verdict::Postponed), (again, Verdict::Quiet)] {
            observations.begin();
            assert_eq!(observations.observe(one, &state(1), now), verdict);
            observations.end();
        }
        observations.begin();
        observations.end();
        assert!(!observations.leaves_any());
    }

    #[test]
    fn a_successor_s_change_shows_that_the_rename_is_long_ago() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("archive"), "").unwrap();
        std::fs::write(path("successor"), "").unwrap();
        let archive = sys::state_at(&path("archive")).unwrap();
        // Where the system does not say when a file was renamed, nothing shows it.
        let can_tell = archive.changed.is_some();
        let has_settled = |successor: &str, after| has_settled(&archive, &path(successor), after);
        assert_eq!(has_settled("successor", Duration::ZERO), can_tell);
        assert!(!has_settled("successor", SETTLED));
        assert!(!has_settled("absent", Duration::ZERO));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("successor", path("link")).unwrap();
            assert!(!has_settled("link", Duration::ZERO));
        }
    }
}
