//! Which files of a log go or are compressed, and how that takes no record with it.
//!
//! Nobody opens an archive by its name. Who has opened the file before it became one, and has not
//! written yet, is about to: so it is touched only when nothing has changed about it for [`GRACE`],
//! with its lock held. A variant may be opened by anybody at any time. So an idle one is made an
//! archive first.

#[cfg(feature = "gzip")]
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::mem;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;
#[cfg(feature = "gzip")]
use std::time::Instant;
use std::time::{Duration, SystemTime};

use fd_lock::RwLock;

use crate::family::{self, Archive, Members};
use crate::fork_lock::ForkLock;
use crate::notify::{Notice, Notifier, Warning};
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

/// An archive that could not be compressed is tried again after that, or by the next process.
#[cfg(feature = "gzip")]
const COMPRESS_AGAIN: Duration = Duration::from_secs(600);

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
        let sizes = removable.iter().chain(kept).map(|file| file.size);
        let mut size = sizes.fold(0, u64::saturating_add);
        for (n, file) in removable.iter().enumerate() {
            let age = now.duration_since(file.changed).unwrap_or_default();
            let goes = self.max_files.is_some_and(|max| files > max.get())
                || self.max_total_size.is_some_and(|max| size > max.get())
                || self.max_age.is_some_and(|max| age > max);
            if !goes {
                return n;
            }
            files -= 1;
            size = size.saturating_sub(file.size);
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
    notifier: Arc<Notifier>,
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
    /// That something went wrong has been said, and nothing has gone right since.
    has_failed: bool,
    /// Archives that could not be compressed, and when that was tried.
    #[cfg(feature = "gzip")]
    not_compressed: HashMap<PathBuf, Instant>,
}

/// What one look at the files has come to.
#[derive(Debug, Default)]
struct Seen {
    /// Some files were too young to be touched, or locked.
    too_young: bool,
    /// There is more to do, but there may be something more urgent.
    interrupted: bool,
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
        notifier: Arc<Notifier>,
    ) -> Self {
        Retention {
            primary,
            limits,
            gzip,
            notifier,
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
                    .spawn(move || run(retention));
                state.thread = spawned.map_or(0, |_| process::id());
            }
        });
    }

    fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock(&State::default, Duration::ZERO).value)
    }

    fn see_to(&self, current: u16) -> io::Result<Seen> {
        let members = Members::with_target(&self.primary)?;
        for archive in &members.partial {
            remove_unfinished(archive);
        }
        let mut seen = Seen::default();
        if self.limits.any() {
            self.remove_surplus(&members, current, &mut seen);
        }
        if self.gzip {
            self.compress(&members.archives, &mut seen);
        }
        Ok(seen)
    }

    fn remove_surplus(&self, members: &Members, current: u16, seen: &mut Seen) {
        // The primary is where everybody starts.
        let (kept, idle): (Vec<_>, Vec<_>) = members
            .current()
            // What a link leads to is not this log's to remove.
            .partition(|(number, path)| [0, current].contains(number) || path.is_symlink());
        let found = |(number, path): (u16, &Path)| Found::at(path.to_owned(), Some(number));
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
        let mut tried = self.with_state(|state| {
            let tried = &mut state.not_compressed;
            tried.retain(|_, at| at.elapsed() < COMPRESS_AGAIN);
            tried.clone()
        });
        for Archive { path, .. } in older.iter().filter(|archive| !archive.is_compressed()) {
            if tried.contains_key(path) {
                continue;
            }
            let mut left = false;
            let done = when_quiet(path, |file| {
                left = !crate::gzip::compress(path, file)?;
                Ok(true)
            });
            if left || done.is_err() {
                tried.insert(path.clone(), Instant::now());
            }
            match done {
                // It is another user's.
                Err(cause) if cause.kind() == ErrorKind::PermissionDenied => {}
                done => seen.file(done, |cause| {
                    Notice::warning(Warning::NotCompressed, path, cause)
                }),
            }
            // It may take its time, and what is to go goes first.
            seen.interrupted = self.with_state(|state| state.wanted);
            if seen.interrupted {
                break;
            }
        }
        self.with_state(|state| state.not_compressed = tried);
    }

    #[cfg(not(feature = "gzip"))]
    fn compress(&self, _: &[Archive], _: &mut Seen) {}
}

/// Looks until there is nothing left to do, or nobody to do it for.
fn run(mut retention: Arc<Retention>) {
    let mut looks = 0;
    loop {
        let (current, wanted) =
            retention.with_state(|state| (state.current, mem::take(&mut state.wanted)));
        looks = if wanted { 0 } else { looks + 1 };
        let seen = retention.see_to(current).unwrap_or_else(|cause| Seen {
            failure: Some(not_removed(&retention.primary, cause)),
            ..Seen::default()
        });
        let failed = seen.failure.is_some();
        let is_new =
            retention.with_state(|state| !mem::replace(&mut state.has_failed, failed) && failed);
        if is_new {
            retention
                .notifier
                .announce(seen.failure.into_iter().collect());
        }
        let done = retention.with_state(|state| {
            let done = !seen.too_young && !state.wanted;
            if done {
                state.thread = 0;
            }
            done
        });
        if done {
            return;
        }
        if seen.interrupted {
            continue;
        }
        let waiting = Arc::downgrade(&retention);
        drop(retention);
        thread::sleep(if looks < MANY_LOOKS {
            LOOK_AGAIN
        } else {
            LOOK_LATER
        });
        retention = match waiting.upgrade() {
            Some(retention) => retention,
            None => return,
        };
    }
}

fn not_removed(path: &Path, cause: io::Error) -> Notice {
    Notice::warning(Warning::NotRemoved, path, cause)
}

/// Does that with a file that nobody is about to write to, under its lock. Tells whether that is
/// all there is to do; if not, the file is too young, or locked.
fn when_quiet(path: &Path, work: impl FnOnce(&File) -> io::Result<bool>) -> io::Result<bool> {
    let opened = match sys::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        opened => opened?,
    };
    let mut lock = RwLock::new(opened);
    let Ok(locked) = lock.try_write() else {
        // Whoever has it locked needs it.
        return Ok(false);
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
        None => {
            // Else that would be the archive from now on.
            if let Some(copy) = compressed_copy(&file.path) {
                fs::remove_file(copy)?;
            }
            fs::remove_file(&file.path).map(|()| true)
        }
        Some(number) => {
            let member = Member { primary, number };
            member.rename(&file.path).map(|_| false)
        }
    }
}

/// The compressed file of an archive that is still there, if it has one: both have the same time.
/// An archive of another log can have that name and that time; it is not compressed.
pub(crate) fn compressed_copy(archive: &Path) -> Option<PathBuf> {
    let copy = family::compressed(archive);
    let modified = |path: &Path| path.symlink_metadata().ok()?.modified().ok();
    let time = modified(&copy)?;
    let is_copy = modified(archive)? == time && family::is_gzip(&copy).unwrap_or(false);
    is_copy.then_some(copy)
}

/// Removes what a process that was killed left when it compressed the archive. Who still does has
/// the archive's lock.
fn remove_unfinished(archive: &Path) {
    let mut lock = match sys::open(archive) {
        Ok(file) => Some(RwLock::new(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => return,
    };
    let locked = lock.as_mut().map(RwLock::try_write);
    if !matches!(locked, Some(Err(_))) {
        let _ = fs::remove_file(family::partial(archive));
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
