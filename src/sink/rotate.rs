//! What follows a rotation, and a rotation that was asked for.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::files::FileState;
use super::Sink;
use crate::family;
use crate::file::{rotate_on_request, FamilyFile};
use crate::notify::{Notice, Rotated};
use crate::sys::{self, FailureScope, Instant};

/// The pause between two tries of a file that another process has locked.
const PAUSE: Duration = Duration::from_micros(250);

impl Sink {
    /// Counts the rotations that a commit to a file has made, for `on_rotate` as well.
    #[cold]
    pub(super) fn count_rotations(&self, files: &mut FileState, number: u16) {
        for archive in files.rotations.archives.drain(..) {
            self.counters.rotations.fetch_add(1, Ordering::Relaxed);
            files.notices.push(Notice::Rotated(Rotated {
                original: family::member(&self.primary, number),
                archive,
                compressed: false,
            }));
        }
    }

    /// Rotates the current file now.
    pub(crate) fn rotate(&self) -> io::Result<Option<PathBuf>> {
        let began = Instant::now();
        self.in_turn(|state, _| {
            let files = &mut state.files;
            let (number, path) = files.current_file();
            let family_file = FamilyFile {
                primary: &self.primary,
                number,
            };
            let archive = loop {
                match rotate_on_request(&path, family_file) {
                    Ok(archive) => break archive,
                    Err(error) => {
                        let left = self.options.lock_wait.saturating_sub(began.elapsed());
                        if error.scope != FailureScope::Locked || left.is_zero() {
                            return Err(error.into_cause());
                        }
                        sys::sleep(PAUSE.min(left));
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
