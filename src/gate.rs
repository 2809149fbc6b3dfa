//! One lock a family in this process, however its path was spelled.
//!
//! Two handles of one process exclude each other as two processes do. Without this, the threads
//! and appenders of one process would take each other for strangers and escalate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::fork_lock::{lock, ForkLock, Locked};

static GATES: Mutex<BTreeMap<PathBuf, Weak<Gate>>> = Mutex::new(BTreeMap::new());

#[derive(Debug)]
pub(crate) struct Gate(ForkLock<Option<GaveUp>>);

/// The last time that a record waited for the lock of a file as long as it may, in vain.
#[derive(Debug)]
pub(crate) struct GaveUp {
    file: u16,
    waited: Duration,
    at: Instant,
}

/// The right to do one commit, and its bounded wait.
#[derive(Debug)]
pub(crate) struct Turn<'a>(Locked<'a, Option<GaveUp>>);

impl Gate {
    /// The gate of the family of `primary`, an absolute path.
    pub(crate) fn of(primary: &Path) -> Arc<Gate> {
        let key = canonical(primary);
        let mut gates = lock(&GATES);
        if let Some(gate) = gates.get(&key).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Gate(ForkLock::new(None)));
        gates.insert(key, Arc::downgrade(&gate));
        gate
    }

    /// Waits for its turn. A turn takes as long as its commit and a wait of `lock_wait`.
    pub(crate) fn enter(&self, lock_wait: Duration) -> Turn<'_> {
        Turn(self.0.lock(&|| None, lock_wait))
    }
}

impl Turn<'_> {
    /// While this turn queued, another one waited that long for this file's lock in vain: that was
    /// the wait of both, or a call would wait once for each appender of the process.
    pub(crate) fn has_waited(&self, wait: Duration, file: u16) -> bool {
        match (&*self.0.value, self.0.queued) {
            (Some(gave_up), Some(queued)) => {
                gave_up.file == file && gave_up.waited >= wait && gave_up.at >= queued
            }
            _ => false,
        }
    }

    pub(crate) fn gave_up(&mut self, waited: Duration, file: u16) {
        let at = Instant::now();
        *self.0.value = Some(GaveUp { file, waited, at });
    }
}

/// Resolves symbolic links as far as there is something to resolve: to the primary itself, or to
/// where it will be.
pub(crate) fn canonical(primary: &Path) -> PathBuf {
    let mut path = primary.to_owned();
    // As many links as the system would follow.
    for _ in 0..40 {
        let directory = path.parent().unwrap_or(&path);
        let directory = directory.canonicalize().unwrap_or(directory.to_owned());
        path = directory.join(path.file_name().unwrap_or_default());
        match path.read_link() {
            Ok(target) => path = directory.join(target),
            Err(_) => break,
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_leads_to_one_gate() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("sub");
        std::fs::create_dir(&sub).unwrap();
        let gate = Gate::of(&sub.join("app.log"));
        assert!(Arc::ptr_eq(
            &gate,
            &Gate::of(&dir.path().join("sub/../sub/./app.log"))
        ));
        assert!(!Arc::ptr_eq(&gate, &Gate::of(&dir.path().join("app.log"))));
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(&sub, &link).unwrap();
            assert!(Arc::ptr_eq(&gate, &Gate::of(&link.join("app.log"))));
            let file = dir.path().join("link.log");
            std::os::unix::fs::symlink("link/app.log", &file).unwrap();
            assert!(Arc::ptr_eq(&gate, &Gate::of(&file)));
        }
        std::fs::write(sub.join("app.log"), "").unwrap();
        assert!(
            Arc::ptr_eq(&gate, &Gate::of(&sub.join("app.log"))),
            "existing or not"
        );
    }
}
