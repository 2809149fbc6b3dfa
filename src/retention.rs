//! Which files of a log go, and how they do without taking a record with them.
//!
//! Nobody opens an archive by its name. Who has opened the file before it became one, and has not
//! written yet, is about to: so it goes only when nothing has changed about it for [`GRACE`], with
//! its lock held. A variant may be opened by anybody at any time. So an idle one is made an archive
//! first.

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
use crate::family::{self, Family};
use crate::fork_lock::ForkLock;
use crate::notice::Notice;
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

/// Removes what is too much of one appender's log, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Retention {
    primary: PathBuf,
    limits: Limits,
    announcer: Arc<Announcer>,
    state: ForkLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The file that is written to.
    current: u16,
    /// There may be something to remove.
    wanted: bool,
    /// The process whose thread sees to it; 0 if none does.
    thread: u32,
}

impl Retention {
    pub(crate) fn new(primary: PathBuf, limits: Limits, announcer: Arc<Announcer>) -> Self {
        Retention {
            primary,
            limits,
            announcer,
            state: ForkLock::new(State::default()),
        }
    }

    /// Lets the thread look; where none can be had, the next call tries.
    pub(crate) fn look(self: &Arc<Self>, current: u16) {
        if !self.limits.any() {
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
            let (too_young, failure) = self.remove_surplus(current);
            if let (Some(failed), false) = (failure, has_failed) {
                has_failed = true;
                self.announcer.announce(vec![failed]);
            }
            let done = self.with_state(|state| {
                let done = !too_young && !state.wanted;
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

    /// Tells whether some files were too young to go, and what went wrong.
    fn remove_surplus(&self, current: u16) -> (bool, Option<Notice>) {
        let failed = |path: &Path, cause| Notice::NotRemoved {
            path: path.to_owned(),
            cause,
        };
        let (mut removable, kept) = match self.files(current) {
            Ok(files) => files,
            Err(cause) => return (false, Some(failed(&self.primary, cause))),
        };
        removable.sort_by(|a, b| (a.changed, &a.path).cmp(&(b.changed, &b.path)));
        let surplus = self.limits.surplus(&removable, &kept, SystemTime::now());
        let (mut too_young, mut failure) = (false, None);
        for file in &removable[..surplus] {
            match remove(file, &self.primary) {
                Ok(done) => too_young |= !done,
                Err(cause) => failure = Some(failed(&file.path, cause)),
            }
        }
        (too_young, failure)
    }

    /// Those that may go, and those that stay: the primary, where everybody starts, and the
    /// current file.
    fn files(&self, current: u16) -> io::Result<(Vec<Found>, Vec<Found>)> {
        let Family {
            primary,
            variants,
            mut archives,
        } = Family::of(&self.primary)?;
        // Those of a link lie beside the file that it leads to.
        if let Ok(real) = self.primary.canonicalize() {
            if real != self.primary {
                archives.extend(Family::of(real)?.archives);
                archives.sort();
                archives.dedup();
            }
        }
        let archives = archives.into_iter();
        let mut removable: Vec<_> = archives.filter_map(|path| Found::at(path, None)).collect();
        let mut kept: Vec<_> = primary
            .into_iter()
            .filter_map(|path| Found::at(path, Some(0)))
            .collect();
        for path in variants {
            let number = path
                .file_name()
                .and_then(|name| family::variant_number(&self.primary, name));
            match number == Some(current) {
                true => kept.extend(Found::at(path, number)),
                false => removable.extend(Found::at(path, number)),
            }
        }
        Ok((removable, kept))
    }
}

/// Removes an archive, or makes one of an idle variant. Tells whether that is all there is to do;
/// if not, the file is too young.
fn remove(file: &Found, primary: &Path) -> io::Result<bool> {
    let opened = match sys::open(&file.path, false, None) {
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
    if !sys::is_at(&file.path, &locked).unwrap_or(false) {
        return Ok(true);
    }
    match file.variant {
        None => fs::remove_file(&file.path).map(|()| true),
        Some(number) => {
            let member = Member { primary, number };
            member.rename(&file.path).map(|_| false)
        }
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
