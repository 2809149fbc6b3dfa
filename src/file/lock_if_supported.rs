//! The lock of one commit, and what is done on a file system that has no locks: which errors mean
//! that, and which that another process has the lock.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::error::CommitError;
use crate::sys::{self, FailureScope, File, FileLock, Instant};

/// Runs `work` with the file locked. A lock that somebody else has is tried again at once, one system
/// call a try, for the time `spin`; after that this does not wait for it.
///
/// Where the file system has no locks, `work` runs without one, and gets the error of the lock.
#[inline]
pub(crate) fn with_lock<T>(
    file: File,
    spin: Duration,
    work: impl FnOnce(&File, Option<io::Error>) -> Result<T, CommitError>,
) -> Result<T, CommitError> {
    let mut lock = FileLock::new(&file);
    let mut until = None;
    // The guard's end unlocks before the handle's end closes: if the file were only closed, a child
    // that is forked meanwhile would keep the lock.
    let (_guard, unsupported) = loop {
        match lock.try_write() {
            Ok(guard) => break (Some(guard), None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if spins_on(&error, spin, &mut until) => {}
            Err(error) if sys::locks_unsupported(&error) => break (None, Some(error)),
            Err(error) => return Err(refused(error)),
        }
    };
    work(&file, unsupported)
}

/// Returns true if the lock is to be tried again at once.
#[cold]
fn spins_on(cause: &io::Error, spin: Duration, until: &mut Option<Instant>) -> bool {
    if spin.is_zero() || sys::scope(cause) != FailureScope::Locked {
        return false;
    }
    let now = Instant::now();
    now < *until.get_or_insert(now + spin)
}

#[cold]
fn refused(cause: io::Error) -> CommitError {
    match sys::scope(&cause) {
        FailureScope::Locked => CommitError::new(FailureScope::Locked, cause),
        // Any other failure of a lock concerns every file of the directory.
        _ => CommitError::of_directory(cause),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::cell::Cell;
    use std::path::Path;
    use std::rc::Rc;

    use super::*;
    use crate::sys::sim::faults::Faults;
    use crate::sys::sim::machine::{Machine, Strategy};

    /// Locks a file that another process has locked for ten operations more.
    fn lock(spin: Duration) -> Result<(), FailureScope> {
        let machine = Machine::new(0, Strategy::Uniform { one_in: 1 }, Faults::default());
        let path = Path::new("/log");
        let (held, opened) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
        let (is_held, is_open) = (Rc::clone(&held), Rc::clone(&opened));
        machine.add_process();
        machine.spawn(0, "holder", move || {
            let file = sys::create(path, None).unwrap();
            let done = with_lock(file, Duration::ZERO, |file, _| {
                held.set(true);
                while !is_open.get() {
                    file.metadata()?;
                }
                (0..10).for_each(|_| assert!(file.metadata().is_ok()));
                Ok(())
            });
            done.unwrap();
        });
        let locked = Rc::new(Cell::new(Ok(())));
        let result = Rc::clone(&locked);
        machine.add_process();
        machine.spawn(1, "other", move || {
            while !is_held.get() {
                sys::sleep(Duration::from_nanos(1));
            }
            let file = sys::open(path).unwrap();
            opened.set(true);
            result.set(with_lock(file, spin, |_, _| Ok(())).map_err(|error| error.scope));
        });
        machine.run();
        machine.end(Vec::<()>::new());
        assert_eq!(machine.state.borrow().failure, None);
        locked.get()
    }

    #[test]
    fn a_lock_that_comes_free_between_the_tries_is_taken() {
        assert_eq!(lock(Duration::ZERO), Err(FailureScope::Locked));
        assert_eq!(lock(Duration::from_secs(1)), Ok(()));
    }
}
