//! Which files of a log go or are compressed, and how that takes no record with it.
//!
//! Nobody opens an archive by its name. Who has opened the file before it became one, and has not
//! written yet, is about to: so it is touched only when nothing has changed about it for [`GRACE`],
//! with its lock held. A variant may be opened by anybody at any time. So an idle one is made an
//! archive first.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::mem;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use fd_lock::RwLock;

use crate::announcer::Announcer;
use crate::family::{self, Archive, Members};
use crate::fork_lock::ForkLock;
use crate::notice::{Notice, Warning};
use crate::rotation::Member;
use crate::sys;

/// Longer than a process needs from its open to its lock, unless it is stopped in between. One that
/// rotates itself notices even then.
const GRACE: Duration = Duration::from_secs(2);

/// Files that are too young to go are looked at again after that.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// After that many looks they are looked at less often: somebody must be writing to them.
const MANY_LOOKS: u32 = 20;
const LOOK_LATER: Duration = Duration::from_secs(30);

/// What may stay.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) max_files: Option<NonZeroUsize>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_total_size: Option<NonZeroU64>,
}

impl Limits {
    pub(crate) fn any(&self) -> bool {
        self.max_files.is_some() || self.max_age.is_some() || self.max_total_size.is_some()
    }

    /// How many of the `removable` files, oldest first, have to go; `kept` stay anyway.
    fn surplus(&self, removable: &[Found], kept: &[Found], now: SystemTime) -> usize {
        let mut files = removable.len() + kept.len();
        let mut size: u64 = removable.iter().chain(kept).map(|file| file.size).sum();
        for (n, file) in removable.iter().enumerate() {
            let age = now.duration_since(file.changed).unwrap_or_default();
            let goes = self.max_files.is_some_and(|max| files > max.get())
                || self.max_total_size.is_some_and(|max| size > max.get())
                || self.max_age.is_some_and(|max| age > max);
            if !goes {
                return n;
            }
            files -= 1;
            size -= file.size;
        }
        removable.len()
    }
}

/// A file of the family.
#[derive(Clone, Debug)]
struct Found {
    path: PathBuf,
    size: u64,
    changed: SystemTime,
    /// The number of a variant; `None` of an archive.
    variant: Option<u16>,
}

impl Found {
    /// `None` if it has gone meanwhile.
    fn at(path: PathBuf, variant: Option<u16>) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Found {
            path,
            size: metadata.len(),
            changed: metadata.modified().ok()?,
            variant,
        })
    }
}

/// Sees to the old files of one appender's log, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Retention {
    primary: PathBuf,
    limits: Limits,
    gzip: bool,
    announcer: Arc<Announcer>,
    state: ForkLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The file that is written to.
    current: u16,
    /// There may be something to do.
    wanted: bool,
    /// The process whose thread sees to it; 0 if none does.
    thread: u32,
}

/// What one look at the files has come to.
#[derive(Debug, Default)]
struct Seen {
    /// Some files were too young to be touched.
    too_young: bool,
    failure: Option<Notice>,
}

impl Seen {
    /// Takes in whether all is done with one file.
    fn file(&mut self, done: io::Result<bool>, failed: impl FnOnce(io::Error) -> Notice) {
        match done {
            Ok(done) => self.too_young |= !done,
            Err(cause) => self.failure = Some(failed(cause)),
        }
    }
}

impl Retention {
    pub(crate) fn new(
        primary: PathBuf,
        limits: Limits,
        gzip: bool,
        announcer: Arc<Announcer>,
    ) -> Self {
        Retention {
            primary,
            limits,
            gzip,
            announcer,
            state: ForkLock::new(State::default()),
        }
    }

    /// Lets the thread look; where none can be had, the next call tries.
    pub(crate) fn look(self: &Arc<Self>, current: u16) {
        if !self.limits.any() && !self.gzip {
            return;
        }
        self.with_state(|state| {
            state.current = current;
            state.wanted = true;
            if state.thread != process::id() {
                let retention = Arc::clone(self);
                let spawned = thread::Builder::new()
                    .name("fallback-retention".into())
                    .spawn(move || retention.run());
                state.thread = spawned.map_or(0, |_| process::id());
            }
        });
    }

    fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock(&State::default, Duration::ZERO).value)
    }

    fn run(&self) {
        let mut has_failed = false;
        let mut looks = 0;
        loop {
            let (current, wanted) =
                self.with_state(|state| (state.current, mem::take(&mut state.wanted)));
            looks = if wanted { 0 } else { looks + 1 };
            let seen = self.see_to(current).unwrap_or_else(|cause| Seen {
                failure: Some(not_removed(&self.primary, cause)),
                ..Seen::default()
            });
            if let (Some(failed), false) = (seen.failure, has_failed) {
                has_failed = true;
                self.announcer.announce(vec![failed]);
            }
            let done = self.with_state(|state| {
                let done = !seen.too_young && !state.wanted;
                if done {
                    state.thread = 0;
                }
                done
            });
            if done {
                return;
            }
            thread::sleep(if looks < MANY_LOOKS {
                LOOK_AGAIN
            } else {
                LOOK_LATER
            });
        }
    }

    fn see_to(&self, current: u16) -> io::Result<Seen> {
        let members = self.members()?;
        for archive in &members.unfinished {
            remove_unfinished(archive);
        }
        let mut seen = Seen::default();
        self.remove_surplus(&members, current, &mut seen);
        if self.gzip {
            self.compress(&members.archives, &mut seen);
        }
        Ok(seen)
    }

    fn members(&self) -> io::Result<Members> {
        let mut members = Members::of(&self.primary)?;
        // The archives of a link lie beside the file that it leads to.
        if let Ok(real) = self.primary.canonicalize() {
            if real != self.primary {
                let real = Members::of(&real)?;
                members.unfinished.extend(real.unfinished);
                members.archives.extend(real.archives);
                members.archives.sort();
                members.archives.dedup();
            }
        }
        Ok(members)
    }

    fn remove_surplus(&self, members: &Members, current: u16, seen: &mut Seen) {
        let primary = members.primary.iter().map(|path| (0, path));
        let variants = members.variants.iter().map(|(n, path)| (*n, path));
        // The primary is where everybody starts.
        let (kept, idle): (Vec<_>, Vec<_>) = primary
            .chain(variants)
            .partition(|(number, _)| [0, current].contains(number));
        let found = |(number, path): (u16, &PathBuf)| Found::at(path.clone(), Some(number));
        let kept: Vec<_> = kept.into_iter().filter_map(found).collect();
        let archives = members.archives.iter();
        let mut removable: Vec<_> = archives
            .filter_map(|archive| Found::at(archive.path.clone(), None))
            .chain(idle.into_iter().filter_map(found))
            .collect();
        removable.sort_by(|a, b| (a.changed, &a.path).cmp(&(b.changed, &b.path)));
        let surplus = self.limits.surplus(&removable, &kept, SystemTime::now());
        for file in &removable[..surplus] {
            let done = when_quiet(&file.path, |_| remove(file, &self.primary));
            seen.file(done, |cause| not_removed(&file.path, cause));
        }
    }

    /// Compresses all archives but the newest.
    #[cfg(feature = "gzip")]
    fn compress(&self, archives: &[Archive], seen: &mut Seen) {
        let older = archives.split_last().map_or(archives, |(_, older)| older);
        for Archive { path, .. } in older.iter().filter(|archive| !archive.is_compressed()) {
            // It may take its time, and what goes goes first.
            if self.with_state(|state| state.wanted) {
                return;
            }
            let done = when_quiet(path, |file| crate::gzip::compress(path, file));
            seen.file(done, |cause| {
                Notice::warning(Warning::NotCompressed, path, cause)
            });
        }
    }

    #[cfg(not(feature = "gzip"))]
    fn compress(&self, _: &[Archive], _: &mut Seen) {}
}

fn not_removed(path: &Path, cause: io::Error) -> Notice {
    Notice::warning(Warning::NotRemoved, path, cause)
}

/// Does that with a file that nobody is about to write to, under its lock. Tells whether that is
/// all there is to do; if not, the file is too young.
fn when_quiet(path: &Path, work: impl FnOnce(&File) -> io::Result<bool>) -> io::Result<bool> {
    let opened = match sys::open(path, false, None) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        opened => opened?,
    };
    let mut lock = RwLock::new(opened);
    let Ok(locked) = lock.try_write() else {
        // Whoever has it locked needs it. The next rotation looks again.
        return Ok(true);
    };
    if !is_quiet(&locked)? {
        return Ok(false);
    }
    if !sys::is_at(path, &locked).unwrap_or(false) {
        return Ok(true);
    }
    work(&locked)
}

/// Removes an archive, or makes one of an idle variant.
fn remove(file: &Found, primary: &Path) -> io::Result<bool> {
    match file.variant {
        None => fs::remove_file(&file.path).map(|()| true),
        Some(number) => {
            let member = Member { primary, number };
            member.rename(&file.path).map(|_| false)
        }
    }
}

/// Removes what a process that was killed left when it compressed the archive. Who still does has
/// the archive's lock.
fn remove_unfinished(archive: &Path) {
    let mut lock = match sys::open(archive, false, None) {
        Ok(file) => RwLock::new(file),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let _ = fs::remove_file(family::unfinished(archive));
            return;
        }
        Err(_) => return,
    };
    let locked = lock.try_write();
    if locked.is_ok() {
        let _ = fs::remove_file(family::unfinished(archive));
    }
}

/// Whether nothing has changed about it for a while.
fn is_quiet(file: &File) -> io::Result<bool> {
    let changed = sys::last_change(&file.metadata()?)?;
    // One of the future stays: its clock is not ours, and nobody knows how old it is.
    let age = SystemTime::now().duration_since(changed);
    Ok(age.is_ok_and(|age| age >= GRACE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sizes_and_ages: &[(u64, u64)], now: SystemTime) -> Vec<Found> {
        let found = sizes_and_ages.iter().map(|(size, age)| Found {
            path: PathBuf::new(),
            size: *size,
            changed: now - Duration::from_secs(*age),
            variant: None,
        });
        found.collect()
    }

    #[test]
    fn the_oldest_go_until_what_stays_is_within_all_limits() {
        let now = SystemTime::now();
        let removable = files(&[(10, 50), (20, 40), (30, 30), (40, 20)], now);
        let kept = files(&[(100, 0)], now);
        let none = Limits::default();
        let files = |n| Limits {
            max_files: NonZeroUsize::new(n),
            ..none
        };
        let age = |seconds| Limits {
            max_age: Some(Duration::from_secs(seconds)),
            ..none
        };
        let size = |bytes| Limits {
            max_total_size: NonZeroU64::new(bytes),
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
        let future = [Found {
            changed: now + Duration::from_secs(60),
            ..removable[0].clone()
        }];
        assert_eq!(age(0).surplus(&future, &[], now), 0, "a clock set back");
    }
}
