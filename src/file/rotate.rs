//! Rotation: when a file is full or its period is over, the name that it gets then, and the back-off
//! after a failure.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::calendar::Calendar;
use super::error::CommitError;
use super::header::Header;
use super::open::room_for;
use crate::family;
use crate::sys::{self, File, Identity, Instant};

/// When to rotate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rotation<'a> {
    pub(crate) max_size: Option<u64>,
    pub(crate) calendar: Option<&'a Calendar>,
    /// Whatever is in the file.
    pub(crate) at_once: bool,
    /// This appender has rotated the file in this period.
    pub(crate) is_of_period: bool,
}

impl Rotation<'_> {
    /// Returns true if a file of `length` bytes that was changed at `changed` has to be rotated before
    /// `bytes` bytes go into it.
    pub(crate) fn is_due(
        &self,
        length: u64,
        changed: SystemTime,
        bytes: usize,
        now: SystemTime,
    ) -> bool {
        let is_full = |max| length.saturating_add(bytes as u64) > max;
        let is_over = |calendar: &Calendar| calendar.is_over(changed, now);
        // An archive has something in it.
        length > 0
            && (self.at_once
                || self.max_size.is_some_and(is_full)
                || !self.is_of_period && self.calendar.is_some_and(is_over))
    }

    /// How many bytes of records may go into a file together, where `most` is enough otherwise.
    pub(crate) fn batch(&self, most: usize) -> usize {
        let max = self.max_size.unwrap_or(u64::MAX);
        usize::try_from(max).map_or(most, |max| max.min(most))
    }
}

/// What the commits of an appender have done and found about rotation.
#[derive(Debug, Default)]
pub(crate) struct Rotations {
    /// The archives that have been made, until somebody takes them.
    pub(crate) archives: Vec<PathBuf>,
    pub(super) last_look: LastLook,
}

/// The last look at a file that was not due: which file it was, and when.
///
/// A commit that looks just before the end of a period writes just after it. The file was changed in
/// the new period then, and would not be rotated in it at all.
#[derive(Debug, Default)]
pub(super) struct LastLook(Option<(Identity, SystemTime)>);

#[cfg(test)]
impl Rotations {
    /// As if the last look had been earlier.
    pub(crate) fn look_earlier(&mut self, by: Duration) {
        let (_, looked) = self.last_look.0.as_mut().unwrap();
        *looked -= by;
    }
}

impl LastLook {
    /// When this file was changed last or, if that is earlier, looked at last.
    fn or_earlier(&self, file: Option<Identity>, changed: SystemTime) -> SystemTime {
        match (file, self.0) {
            (Some(file), Some((known, looked))) if file == known => changed.min(looked),
            _ => changed,
        }
    }
}

/// A file that could not be rotated is tried again after that.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How often a name for an archive is made, where there is a file of the name.
const MAX_ATTEMPTS: u32 = 100;

/// What keeps an appender from rotating one file at every commit.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// The number of the file.
    file: u16,
    /// When the period began in which this appender has rotated it.
    rotated: Option<i64>,
    /// When it could not be rotated, if it could not the last time.
    failed: Option<Instant>,
}

impl Backoff {
    /// What is left of `rotation` for a file, now in the period that began at `period`.
    pub(crate) fn allowed<'a>(
        &mut self,
        file: u16,
        mut rotation: Rotation<'a>,
        period: impl Fn() -> Option<i64>,
    ) -> Option<Rotation<'a>> {
        if file != self.file {
            return Some(rotation);
        }
        if self.failed.is_some_and(|at| at.elapsed() < RETRY_INTERVAL) {
            // It is never due; but a file that others have rotated and removed is still noticed.
            return Some(Rotation::default());
        }
        if self.rotated.is_some() {
            match self.rotated == period() {
                // The clock of the files may still be in the last period: it is a coarse one on
                // some file systems, and another machine's on a network disk.
                true => rotation.is_of_period = true,
                // A clock that was set ahead and back comes to that period once more.
                false => self.rotated = None,
            }
        }
        Some(rotation)
    }

    /// The file was rotated.
    pub(crate) fn rotated(&mut self, file: u16, period: Option<i64>) {
        *self = Backoff {
            file,
            rotated: period,
            failed: None,
        };
    }

    /// The file could not be rotated. Returns true if the last time it could.
    pub(crate) fn failed(&mut self, file: u16) -> bool {
        if file != self.file {
            *self = Backoff {
                file,
                ..Backoff::default()
            };
        }
        self.failed.replace(Instant::now()).is_none()
    }
}

/// What a check of the file, before bytes go into it, came to.
pub(super) enum Rotated {
    No,
    Yes(Renamed),
    /// It is not the file at the path any more.
    ByOthers,
    /// It was due.
    Failed(io::Error),
}

/// A file that has been rotated, and is what it was but for its name.
pub(crate) struct Renamed {
    file: PathBuf,
    pub(crate) archive: PathBuf,
}

impl Renamed {
    /// Gives it its name back, unless there is a new file of that name.
    pub(super) fn undo(&self) -> io::Result<()> {
        sys::rename_to_new(&self.archive, &self.file)
    }
}

/// Rotates the file, which is locked, if that is due.
pub(super) fn rotate(
    file: &File,
    path: &Path,
    family_file: FamilyFile<'_>,
    bytes: &[u8],
    header: Header<'_>,
    rotation: Rotation<'_>,
    last_look: &mut LastLook,
) -> Result<Rotated, CommitError> {
    let found = file.metadata()?;
    // Some file systems do not count links.
    if sys::is_deleted(&found) && !sys::is_at(path, file).unwrap_or(false) {
        return Ok(Rotated::ByOthers);
    }
    let now = sys::now();
    let identity = rotation.calendar.and_then(|_| sys::identity_in(&found));
    let changed = last_look.or_earlier(identity, found.modified()?);
    if !rotation.is_due(found.len(), changed, bytes.len(), now) {
        *last_look = LastLook(identity.map(|identity| (identity, now)));
        return Ok(Rotated::No);
    }
    if header == Header::Unknown {
        // The new file needs it.
        return Err(CommitError::header_needed());
    }
    Ok(rotate_now(file, path, family_file, bytes))
}

/// Rotates the file, which is locked, before `bytes` go into the new one.
pub(super) fn rotate_now(
    file: &File,
    path: &Path,
    family_file: FamilyFile<'_>,
    bytes: &[u8],
) -> Rotated {
    // Somebody may have done it between our open and our lock.
    match sys::is_at(path, file) {
        Ok(true) => {}
        Ok(false) => return Rotated::ByOthers,
        Err(error) if error.kind() == ErrorKind::NotFound => return Rotated::ByOthers,
        Err(error) => return Rotated::Failed(error),
    }
    // The new file would stay empty.
    if let Err(error) = room_for(path, bytes) {
        return Rotated::Failed(error.cause);
    }
    match family_file.rename(path) {
        // A name under /proc goes with the file, whatever that is called.
        Ok(names) if sys::is_at(path, file).unwrap_or(false) => {
            let cause = io::Error::new(ErrorKind::Unsupported, "its name follows it");
            Rotated::Failed(names.undo().err().unwrap_or(cause))
        }
        Ok(names) => Rotated::Yes(names),
        Err(error) if error.kind() == ErrorKind::NotFound => Rotated::ByOthers,
        Err(cause) => Rotated::Failed(cause),
    }
}

/// Which file of a log it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FamilyFile<'a> {
    pub(crate) primary: &'a Path,
    pub(crate) number: u16,
}

impl FamilyFile<'_> {
    /// Makes it an archive by another name. The caller has its lock.
    ///
    /// Of a link it is the file that it leads to.
    pub(crate) fn rename(self, path: &Path) -> io::Result<Renamed> {
        let real = sys::canonicalize(path)?;
        let is_link = sys::symlink_metadata(path)?.is_symlink();
        let (primary, number) = match (is_link, self.primary.file_name()) {
            (false, Some(name)) => (real.with_file_name(name), self.number),
            _ => (real.clone(), 0),
        };
        // Names of archives are apart by a microsecond; a clock that was set back may come to one
        // again.
        let mut attempts = MAX_ATTEMPTS;
        loop {
            let archive = family::archive(&primary, number, &stamp());
            attempts -= 1;
            match sys::rename_to_new(&real, &archive) {
                Ok(()) => {
                    // In the spelling of the log's path; Windows has another one for real paths.
                    let archive = match (is_link, archive.file_name()) {
                        (false, Some(name)) => path.with_file_name(name),
                        _ => archive,
                    };
                    return Ok(Renamed {
                        file: real,
                        archive,
                    });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists && attempts > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The time, as `2026-11-23T07-55-01.123456Z`: colons are not for file names.
fn stamp() -> String {
    sys::timestamp().replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::super::period::{at, Period};
    use super::*;

    #[test]
    fn size_and_period_rotate_what_is_not_empty() {
        let size = Rotation {
            max_size: Some(100),
            ..Rotation::default()
        };
        let minutely = Calendar::new(Period::Minutely);
        let both = Rotation {
            calendar: Some(&minutely),
            ..size
        };
        let at_once = Rotation {
            at_once: true,
            ..Rotation::default()
        };
        let (before, now) = (at(59), at(60));
        for (rotation, length, changed, bytes, due) in [
            (size, 0, now, 1_000, false),
            (size, 90, now, 10, false),
            (size, 90, now, 11, true),
            (size, 101, now, 1, true),
            (size, 90, before, 10, false),
            (size, u64::MAX, now, usize::MAX, true),
            (both, 90, before, 10, true),
            (both, 0, before, 10, false),
            (both, 90, now, 10, false),
            // The clock was set back.
            (both, 90, at(600), 10, false),
            (Rotation::default(), u64::MAX, before, 10, false),
            (at_once, 1, now, 10, true),
            (at_once, 0, before, 10, false),
        ] {
            assert_eq!(
                rotation.is_due(length, changed, bytes, now),
                due,
                "{rotation:?} {length} {bytes}"
            );
        }
        assert_eq!((size.batch(64), size.batch(1_000)), (64, 100));
    }

    #[test]
    fn a_file_that_was_looked_at_in_the_last_period_and_changed_in_this_one_is_of_the_last() {
        let file = (1, 2, None);
        let last_look = LastLook(Some((file, at(59))));
        let file = Some(file);
        for (file, changed, expected) in [
            (file, 61, 59),
            (file, 58, 58),
            (Some((1, 3, None)), 61, 61),
            (None, 61, 61),
        ] {
            assert_eq!(last_look.or_earlier(file, at(changed)), at(expected));
        }
        assert_eq!(LastLook::default().or_earlier(file, at(61)), at(61));
    }

    #[test]
    fn a_period_is_rotated_once_also_after_the_clock_jumped_ahead_and_back() {
        let daily = Calendar::new(Period::Daily);
        let rotation = Rotation {
            max_size: Some(100),
            calendar: Some(&daily),
            ..Rotation::default()
        };
        let mut backoff = Backoff::default();
        backoff.rotated(0, Some(10));
        let mut by_period = |file, day| {
            let allowed = backoff.allowed(file, rotation, || Some(day)).unwrap();
            assert!(allowed.calendar.is_some(), "the look has to be noted");
            assert_eq!(
                allowed.is_due(1, at(0), 0, at(86_400)),
                !allowed.is_of_period
            );
            !allowed.is_of_period
        };
        assert!(!by_period(0, 10));
        assert!(by_period(1, 10), "another file");
        // Back, and then the day comes.
        assert!(by_period(0, 5));
        assert!(by_period(0, 10));
    }

    #[test]
    fn a_rotation_that_failed_is_said_once_and_put_off_for_that_file() {
        let rotation = Rotation {
            max_size: Some(100),
            ..Rotation::default()
        };
        let mut backoff = Backoff::default();
        assert!(backoff.failed(0));
        assert!(!backoff.failed(0));
        let is_put_off = |backoff: &mut Backoff, file| {
            let left = backoff.allowed(file, rotation, || None).unwrap();
            left.max_size.is_none()
        };
        assert!(is_put_off(&mut backoff, 0));
        assert!(!is_put_off(&mut backoff, 1));
        backoff.rotated(0, None);
        assert!(!is_put_off(&mut backoff, 0));
        assert!(backoff.failed(0));
        assert!(backoff.failed(1));
        assert!(!is_put_off(&mut backoff, 0));
    }

    #[test]
    fn archives_of_one_second_have_names_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        for (name, number) in [("app.log", 0), ("app.log", 7), ("plain", 0), ("plain", 7)] {
            let primary = dir.path().join(name);
            let path = family::member(&primary, number);
            let mut made = Vec::new();
            for n in 0..20 {
                std::fs::write(&path, n.to_string()).unwrap();
                let file = FamilyFile {
                    primary: &primary,
                    number,
                };
                made.push(file.rename(&path).unwrap().archive);
            }
            for (n, archive) in made.iter().enumerate() {
                assert_eq!(std::fs::read_to_string(archive).unwrap(), n.to_string());
            }
            let archives = crate::Family::of(&primary).unwrap().archives;
            // They are spelled in another way on Windows.
            let is_made = |archive: &&PathBuf| {
                let mut names = made.iter().map(|made| made.file_name());
                names.any(|name| name == archive.file_name())
            };
            let found: Vec<_> = archives.iter().filter(is_made).collect();
            let names = |path: &PathBuf| path.file_name().unwrap().to_owned();
            let expected: Vec<_> = made.iter().map(names).collect();
            let found: Vec<_> = found.into_iter().map(names).collect();
            assert_eq!(found, expected, "oldest first");
        }
    }
}
