//! `rotate()`: waits for the lock of the file that is to be rotated. And the count of all rotations.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::file_state::FileState;
use super::lock_wait::LockWait;
use super::lock_watch::LockWatch;
use super::Sink;
use crate::file::{rotate_on_request, FamilyFile};
use crate::names;
use crate::notify::{Notice, Rotated};
use crate::sys::FailureScope;

impl Sink {
    /// Counts the rotations that a commit to a file has made, for `on_rotate` as well.
    #[cold]
    pub(super) fn count_rotations(&self, files: &mut FileState, number: u16) {
        for archive in files.rotations.archives.drain(..) {
            self.counters.rotations.fetch_add(1, Ordering::Relaxed);
            files.notices.push(Notice::Rotated(Rotated {
                original: names::member(&self.primary, number),
                archive,
                compressed: false,
            }));
        }
    }

    /// Rotates the current file now.
    pub(crate) fn rotate(&self) -> io::Result<Option<PathBuf>> {
        self.in_turn(|state, turn| {
            let files = &mut state.files;
            let (number, path) = files.current_file();
            let family_file = FamilyFile {
                primary: &self.primary,
                number,
            };
            let mut watch = LockWatch::new(&path);
            let mut wait = LockWait::new(self.options.lock_wait);
            let archive = loop {
                let error = match rotate_on_request(&path, family_file) {
                    Ok(archive) => break archive,
                    Err(error) => error,
                };
                let pause = match error.scope {
                    FailureScope::Locked => wait.next(watch.waited(), || watch.look()),
                    _ => None,
                };
                match pause {
                    Some(pause) => watch.pause(pause),
                    None => {
                        if error.scope == FailureScope::Locked {
                            turn.timed_out(self.options.lock_wait, number);
                        }
                        return Err(error.into_cause());
                    }
                }
            };
            if let Some(archive) = &archive {
                files.rotations.archives.push(archive.clone());
                self.count_rotations(files, number);
                files.rotated_current();
                self.retention.wake(number);
            }
            Ok(archive)
        })
    }
}
