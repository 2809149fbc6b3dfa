//! What is said of a switch, and how it gets out.
//!
//! The thread that writes a record is inside its subscriber: an event from there would be lost,
//! would deadlock or would disturb the filters, depending on the set-up. So a short-lived thread
//! says it, with the dispatch of the subscriber that the record came through.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tracing::dispatcher::{self, Dispatch, WeakDispatch};
use tracing::subscriber::NoSubscriber;

use crate::fork_lock::lock;

/// The target of the events that this crate emits, for filters.
///
/// `RUST_LOG=myapp=debug` hides them, `RUST_LOG=myapp=debug,tracing_fallback_file=info` does not.
pub const TARGET: &str = "tracing_fallback_file";

/// So long a call waits for its notices to be out, that the end of a short `main` does not
/// overtake them. It is longer only where the thread meets a lock that the caller holds, stdout's
/// for example.
const HEAD_START: Duration = Duration::from_millis(50);

/// So many threads can be out with notices. More of them means that each is stuck, in a layer or an
/// `on_switch` that does not return; then nobody hears of a switch.
const MOST_THREADS: usize = 16;

/// A move from one file of the family to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Switch {
    /// The primary: the path that the appender was built with, made absolute.
    pub original: PathBuf,
    /// The numbered variant: the file that takes the records from now on, or, if the reason is
    /// [`Returned`](SwitchReason::Returned), the one that took them until now.
    pub fallback: PathBuf,
    /// Why.
    pub reason: SwitchReason,
}

/// Why an appender moved to another file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SwitchReason {
    /// Somebody else held the lock of the file for longer than
    /// [`lock_wait`](crate::Builder::lock_wait), or held it so often that most calls had to wait.
    Locked,
    /// The file could not be opened or written for a reason of its own: permissions, a directory
    /// in its place.
    Inaccessible(ErrorKind),
    /// The primary was free again after
    /// [`return_to_primary`](crate::Builder::return_to_primary).
    Returned,
}

#[derive(Debug)]
pub(crate) enum Notice {
    Switched(Switch),
    /// The file system has no locks.
    NoLocks {
        path: PathBuf,
        cause: io::Error,
    },
    /// Records dropped since this was said last.
    Dropped {
        path: PathBuf,
        records: u64,
        cause: String,
    },
}

pub(crate) type OnSwitch = Box<dyn Fn(&Switch) + Send + Sync>;

/// Says notices, for one appender.
pub(crate) struct Announcer {
    on_switch: Option<OnSwitch>,
    routes: Mutex<Vec<Route>>,
    /// Notices that were not out when their call went on.
    late: Mutex<Vec<Late>>,
    any_late: AtomicBool,
    /// Threads that are out with notices.
    threads: AtomicUsize,
    /// A thread is at stderr with [`Notice::Dropped`], or stuck there.
    complaining: AtomicBool,
}

/// A notice that is waited for, and for how long still.
struct Late {
    is_out: Receiver<()>,
    patience: Duration,
}

/// A way to a subscriber that the appender's layer is in.
#[derive(Clone)]
struct Route {
    id: RouteId,
    dispatch: WeakDispatch,
}

/// One attached layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteId(u64);

thread_local! {
    /// The attached layer that this thread has been in last; 0 is none.
    static LAST_ROUTE: Cell<u64> = const { Cell::new(0) };
}

impl RouteId {
    pub(crate) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        RouteId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// An event is on its way through this layer, on this thread.
    pub(crate) fn pass(self) {
        LAST_ROUTE.set(self.0);
    }

    fn last() -> Self {
        RouteId(LAST_ROUTE.get())
    }
}

impl Announcer {
    pub(crate) fn new(on_switch: Option<OnSwitch>) -> Self {
        Announcer {
            on_switch,
            routes: Mutex::default(),
            late: Mutex::default(),
            any_late: AtomicBool::new(false),
            threads: AtomicUsize::new(0),
            complaining: AtomicBool::new(false),
        }
    }

    /// Must not emit anything: tracing holds a lock while it calls this.
    pub(crate) fn register(&self, id: RouteId, dispatch: &Dispatch) {
        let mut routes = lock(&self.routes);
        routes.retain(|route| route.id != id);
        routes.push(Route {
            id,
            dispatch: dispatch.downgrade(),
        });
    }

    /// The layer is gone: with its subscriber, or because another one was loaded in its place.
    pub(crate) fn unregister(&self, id: RouteId) {
        let mut routes = lock(&self.routes);
        if let Some(at) = routes.iter().position(|route| route.id == id) {
            let subscriber = routes[at].dispatch.upgrade();
            if subscriber.is_none() {
                routes.swap_remove(at);
            }
            drop(routes);
        }
    }

    /// Says them in order. The caller holds none of this crate's locks.
    pub(crate) fn announce(self: &Arc<Self>, notices: Vec<Notice>) {
        let (complaints, notices): (Vec<_>, Vec<_>) =
            notices.into_iter().partition(Notice::is_complaint);
        if !notices.is_empty() && self.threads.load(Ordering::Relaxed) < MOST_THREADS {
            let route = RouteId::last();
            self.aside(notices, move |announcer, notices| {
                let dispatch = announcer.dispatch(route);
                for notice in notices {
                    // A layer or an `on_switch` that panics is heard of through the panic hook.
                    let _ = panic::catch_unwind(AssertUnwindSafe(|| {
                        announcer.say(notice, dispatch.as_ref());
                    }));
                }
            });
        }
        // One thread at a time: stderr may be a pipe that nobody reads.
        if !complaints.is_empty() && !self.complaining.swap(true, Ordering::Acquire) {
            self.aside(complaints, |announcer, complaints| {
                complaints.iter().for_each(say_on_stderr);
                announcer.complaining.store(false, Ordering::Release);
            });
        }
    }

    /// Does it on a thread, and waits until it is done, within bounds.
    fn aside(
        self: &Arc<Self>,
        notices: Vec<Notice>,
        say: impl FnOnce(&Self, &[Notice]) + Send + 'static,
    ) {
        let announcer = Arc::clone(self);
        let (out, is_out) = mpsc::channel::<()>();
        // Shared, so that they are still there when no thread can be had.
        let notices = Arc::new(notices);
        let for_thread = Arc::clone(&notices);
        self.threads.fetch_add(1, Ordering::Relaxed);
        let spawned = thread::Builder::new()
            .name("fallback-notice".into())
            .spawn(move || {
                say(&announcer, &for_thread);
                announcer.threads.fetch_sub(1, Ordering::Relaxed);
                drop(out);
            });
        if spawned.is_err() {
            self.threads.fetch_sub(1, Ordering::Relaxed);
            notices.iter().for_each(say_on_stderr);
        } else if let Err(RecvTimeoutError::Timeout) = is_out.recv_timeout(HEAD_START) {
            let patience = HEAD_START;
            lock(&self.late).push(Late { is_out, patience });
            self.any_late.store(true, Ordering::Release);
        }
    }

    /// For tracing-appender's worker, before each record that it takes from its queue: a notice
    /// that waits for room in that queue gets it now, rather than after the caller's next records
    /// or after the end, when nobody reads the queue any more.
    pub(crate) fn give_way(&self) {
        if self.any_late.load(Ordering::Acquire) {
            let mut late = lock(&self.late);
            late.retain_mut(|notice| {
                let pause = Duration::from_millis(1);
                notice.patience = notice.patience.saturating_sub(pause);
                !notice.patience.is_zero()
                    && notice.is_out.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
            });
            self.any_late.store(!late.is_empty(), Ordering::Release);
        }
    }

    /// The subscriber that the record came through; where that can't be told (tracing-appender's
    /// worker wrote it), the newest one that has the layer.
    fn dispatch(&self, last: RouteId) -> Option<Dispatch> {
        // Upgraded and dropped without the lock: the end of a subscriber may run anything.
        let routes = lock(&self.routes).clone();
        let mut alive: Vec<_> = routes
            .into_iter()
            .filter_map(|route| Some((route.id, route.dispatch.upgrade()?)))
            .collect();
        let found = alive.iter().position(|(id, _)| *id == last);
        let found = found
            .map(|at| alive.swap_remove(at))
            .or_else(|| alive.pop());
        Some(found?.1)
    }

    fn say(&self, notice: &Notice, dispatch: Option<&Dispatch>) {
        match dispatch {
            Some(dispatch) => dispatcher::with_default(dispatch, || self.say_here(notice)),
            None => self.say_here(notice),
        }
        if let (Notice::Switched(switch), Some(on_switch)) = (notice, &self.on_switch) {
            on_switch(switch);
        }
    }

    fn say_here(&self, notice: &Notice) {
        // A callsite that is reached first where nobody listens is taken for dead for ever.
        if dispatcher::get_default(|dispatch| dispatch.is::<NoSubscriber>()) {
            return say_on_stderr(notice);
        }
        let message = notice.message();
        match notice {
            Notice::Switched(Switch {
                original, fallback, ..
            }) => tracing::info!(
                target: TARGET,
                original = %Shown(original),
                fallback = %Shown(fallback),
                "{message}"
            ),
            Notice::NoLocks { path, cause } => {
                tracing::warn!(target: TARGET, path = %Shown(path), error = %cause, "{message}");
            }
            Notice::Dropped { .. } => say_on_stderr(notice),
        }
    }
}

fn say_on_stderr(notice: &Notice) {
    // One write, so that lines of several processes do not mix; and a closed stderr is no reason
    // to panic.
    let _ = io::stderr().write_all(format!("{notice}\n").as_bytes());
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer")
            .field("on_switch", &self.on_switch.is_some())
            .finish()
    }
}

impl Notice {
    fn message(&self) -> &'static str {
        match self {
            Notice::Switched(Switch {
                reason: SwitchReason::Returned,
                ..
            }) => "Primary free again, returned to it:",
            // The one text whatever the reason, for those who look for it; `on_switch` tells it.
            Notice::Switched(_) => "File locked, switched to numbered variant:",
            Notice::NoLocks { .. } => "File system without locks, appending without:",
            Notice::Dropped { .. } => "Records dropped, no file takes any:",
        }
    }

    fn is_complaint(&self) -> bool {
        matches!(self, Notice::Dropped { .. })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.message())?;
        match self {
            Notice::Switched(Switch {
                original, fallback, ..
            }) => {
                write!(
                    f,
                    "original={} fallback={}",
                    Shown(original),
                    Shown(fallback)
                )
            }
            Notice::NoLocks { path, cause } => write!(f, "path={} error={cause}", Shown(path)),
            Notice::Dropped {
                path,
                records,
                cause,
            } => {
                write!(f, "path={} dropped={records} error={cause}", Shown(path))
            }
        }
    }
}

/// A path as it is, but that a line break in it breaks no line.
struct Shown<'a>(&'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.to_string_lossy().chars() {
            if char.is_control() {
                write!(f, "{}", char.escape_default())?;
            } else {
                f.write_char(char)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_one_line_whatever_the_path() {
        let notice = Notice::Switched(Switch {
            original: "/var/log/a\nb\x1b[1m ü.log".into(),
            fallback: "/x".into(),
            reason: SwitchReason::Locked,
        });
        assert_eq!(
            notice.to_string(),
            "File locked, switched to numbered variant: \
             original=/var/log/a\\nb\\u{1b}[1m ü.log fallback=/x"
        );
    }
}
