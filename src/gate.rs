//! One lock a family in this process, however its path was spelled.
//!
//! Two handles of one process exclude each other as two processes do. Without this, the threads
//! and appenders of one process would take each other for strangers and escalate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Instant;

static GATES: Mutex<BTreeMap<PathBuf, Weak<Gate>>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default)]
pub(crate) struct Gate {
    gave_up: Mutex<Option<GaveUp>>,
}

/// The last time that a record waited for the lock of a file as long as it may, in vain.
#[derive(Debug)]
struct GaveUp {
    file: u16,
    at: Instant,
}

/// The right to do one commit, and its bounded wait.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    gave_up: MutexGuard<'a, Option<GaveUp>>,
    /// When this turn began to queue behind others of this process, if it had to.
    queued: Option<Instant>,
}

impl Gate {
    /// The gate of the family of `primary`, an absolute path.
    pub(crate) fn of(primary: &Path) -> Arc<Gate> {
        let key = canonical(primary);
        let mut gates = lock(&GATES);
        if let Some(gate) = gates.get(&key).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Gate::default());
        gates.insert(key, Arc::downgrade(&gate));
        gate
    }

    pub(crate) fn enter(&self) -> Turn<'_> {
        match self.gave_up.try_lock() {
            Ok(gave_up) => Turn {
                gave_up,
                queued: None,
            },
            Err(TryLockError::Poisoned(poisoned)) => Turn {
                gave_up: poisoned.into_inner(),
                queued: None,
            },
            Err(TryLockError::WouldBlock) => {
                let queued = Some(Instant::now());
                Turn {
                    gave_up: lock(&self.gave_up),
                    queued,
                }
            }
        }
    }
}

impl Turn<'_> {
    /// While this turn queued, another one waited for this file's lock in vain: that was the wait
    /// of both, or a call would wait once for each appender of the process.
    pub(crate) fn has_waited_for(&self, file: u16) -> bool {
        match (&*self.gave_up, self.queued) {
            (Some(gave_up), Some(queued)) => gave_up.file == file && gave_up.at >= queued,
            _ => false,
        }
    }

    pub(crate) fn gave_up(&mut self, file: u16) {
        *self.gave_up = Some(GaveUp {
            file,
            at: Instant::now(),
        });
    }
}

/// Resolves symbolic links as far as there is something to resolve: the primary itself, or the
/// directory that it will be in.
fn canonical(primary: &Path) -> PathBuf {
    primary.canonicalize().unwrap_or_else(|_| {
        match (
            primary.parent().map(Path::canonicalize),
            primary.file_name(),
        ) {
            (Some(Ok(directory)), Some(name)) => directory.join(name),
            _ => primary.to_owned(),
        }
    })
}

/// What a panicking thread leaves in these locks is whole: nothing in here panics half-way.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        }
        std::fs::write(sub.join("app.log"), "").unwrap();
        assert!(
            Arc::ptr_eq(&gate, &Gate::of(&sub.join("app.log"))),
            "existing or not"
        );
    }
}
