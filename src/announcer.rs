//! How notices get out.
//!
//! The thread that writes a record is inside its subscriber: an event from there would be lost,
//! would deadlock or would disturb the filters, depending on the set-up. So a thread of its own
//! says it, with the dispatch of the subscriber that the record came through. The thread is there
//! only while there is something to say.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tracing::dispatcher::{self, Dispatch, WeakDispatch};
use tracing::subscriber::NoSubscriber;

use crate::fork_lock::{lock, ForkLock};
use crate::notice::{self, Notice, Shown, Switch, TARGET};
use crate::sys;

/// So long a call waits for its notices to be out, that the end of a short `main` does not
/// overtake them. It is that long only where the thread meets a lock that the caller holds,
/// stdout's for example.
const HEAD_START: Duration = Duration::from_millis(50);

/// So many notices wait at the most behind one that does not get out.
const MOST_WAITING: usize = 10_000;

pub(crate) type OnSwitch = Box<dyn Fn(&Switch) + Send + Sync>;

/// Says notices, for one appender.
pub(crate) struct Announcer {
    on_switch: Option<OnSwitch>,
    routes: Mutex<Vec<Route>>,
    notices: Outbox,
    /// Apart, as stderr may be a pipe that nobody reads.
    complaints: Outbox,
    /// A notice that was not out when its call went on.
    late: Mutex<Option<Late>>,
    is_late: AtomicBool,
}

/// What a thread is to say, in order.
struct Outbox {
    id: u64,
    queue: ForkLock<Queue>,
    /// No thread could be had.
    unattended: AtomicBool,
    /// What is being said takes longer than anybody should wait.
    stuck: AtomicBool,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Letter>,
    /// The process whose thread says them; 0 if none does.
    thread: u32,
}

struct Letter {
    notice: Notice,
    route: RouteId,
    /// Goes when it is out: the call waits for it.
    _out: Sender<()>,
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
    /// The outbox that this thread is there for: it can't wait for itself.
    static AT_OUTBOX: Cell<u64> = const { Cell::new(0) };
    /// This thread is emitting the event of a notice.
    static IN_EVENT: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if each of the records, which end at `ends`, is the record of a notice: of any
/// appender, as the notices of two appenders in one subscriber would otherwise cause each other.
///
/// On the thread that emits the notice that is known; a record that a queue's worker writes has the
/// message of one.
pub(crate) fn are_notices(records: &[u8], ends: &[usize]) -> bool {
    IN_EVENT.get() || notice::are_notices(records, ends)
}

/// Marks this thread as one that emits the event of a notice, until it is dropped.
struct InEvent;

impl InEvent {
    fn enter() -> Self {
        IN_EVENT.set(true);
        InEvent
    }
}

impl Drop for InEvent {
    fn drop(&mut self) {
        IN_EVENT.set(false);
    }
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

impl Outbox {
    fn new() -> Self {
        Outbox {
            id: RouteId::next().0,
            queue: ForkLock::new(Queue::default()),
            unattended: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
        }
    }

    fn with_queue<T>(&self, work: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.lock(&Queue::default, Duration::ZERO).value;
        let is_the_parent_s = queue.thread != 0 && queue.thread != process::id();
        if is_the_parent_s {
            *queue = Queue::default();
            self.stuck.store(false, Ordering::Relaxed);
        }
        work(&mut queue)
    }
}

impl Announcer {
    pub(crate) fn new(on_switch: Option<OnSwitch>) -> Self {
        Announcer {
            on_switch,
            routes: Mutex::default(),
            notices: Outbox::new(),
            complaints: Outbox::new(),
            late: Mutex::default(),
            is_late: AtomicBool::new(false),
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
            // What the end of a subscriber runs may come here again.
            drop(routes);
        }
    }

    /// Says them, in order. The caller holds none of this crate's locks.
    pub(crate) fn announce(self: &Arc<Self>, notices: Vec<Notice>) {
        let (complaints, notices): (Vec<_>, Vec<_>) =
            notices.into_iter().partition(Notice::is_complaint);
        self.send(notices, |announcer| &announcer.notices);
        self.send(complaints, |announcer| &announcer.complaints);
    }

    /// Whether there is something to say that no thread could be had for.
    pub(crate) fn is_unattended(&self) -> bool {
        self.notices.unattended.load(Ordering::Relaxed)
            || self.complaints.unattended.load(Ordering::Relaxed)
    }

    /// Whether a complaint would be heard at once. If not, it had better wait and say more.
    pub(crate) fn is_free_to_complain(&self) -> bool {
        self.complaints.with_queue(|queue| queue.thread == 0)
    }

    /// Reports dropped records, on this thread where there is no other one to be had. It never
    /// waits for a reader of stderr.
    pub(crate) fn report_drop(self: &Arc<Self>, notice: Notice) {
        let report = notice.to_string();
        self.announce(vec![notice]);
        if self.is_unattended() && sys::stderr_is_ready(report.len()) {
            let _ = io::stderr().write_all(format!("{report}\n").as_bytes());
        }
    }

    fn send(self: &Arc<Self>, notices: Vec<Notice>, outbox: fn(&Self) -> &Outbox) {
        let (out, is_out) = mpsc::channel();
        let nothing_to_wait_for = notices.is_empty();
        let has_thread = outbox(self).with_queue(|queue| {
            for notice in notices {
                if queue.waiting.len() < MOST_WAITING {
                    queue.waiting.push_back(Letter {
                        notice,
                        route: RouteId::last(),
                        _out: out.clone(),
                    });
                }
            }
            if queue.thread == 0 && !queue.waiting.is_empty() && self.say_aside(outbox) {
                queue.thread = process::id();
            }
            queue.thread != 0 || queue.waiting.is_empty()
        });
        drop(out);
        let outbox = outbox(self);
        outbox.unattended.store(!has_thread, Ordering::Relaxed);
        if nothing_to_wait_for || !has_thread || AT_OUTBOX.get() == outbox.id {
            return;
        }
        if outbox.stuck.load(Ordering::Relaxed) {
            return;
        }
        if let Err(RecvTimeoutError::Timeout) = is_out.recv_timeout(HEAD_START) {
            outbox.stuck.store(true, Ordering::Relaxed);
            let patience = HEAD_START;
            *lock(&self.late) = Some(Late { is_out, patience });
            self.is_late.store(true, Ordering::Release);
        }
    }

    /// Starts the thread, which ends when it has said everything. Tells whether there is one.
    fn say_aside(self: &Arc<Self>, outbox: fn(&Self) -> &Outbox) -> bool {
        let announcer = Arc::clone(self);
        let next = move |announcer: &Self| {
            outbox(announcer).with_queue(|queue| {
                let next = queue.waiting.pop_front();
                if next.is_none() {
                    queue.thread = 0;
                }
                next
            })
        };
        let name = "fallback-notice".to_owned();
        let spawned = thread::Builder::new().name(name).spawn(move || {
            AT_OUTBOX.set(outbox(&announcer).id);
            while let Some(letter) = next(&announcer) {
                // A layer or an `on_switch` that panics is heard of through the panic hook.
                let _ = panic::catch_unwind(AssertUnwindSafe(|| announcer.say(&letter)));
                outbox(&announcer).stuck.store(false, Ordering::Relaxed);
            }
        });
        spawned.is_ok()
    }

    /// For tracing-appender's worker, before each record that it takes from its queue: a notice
    /// that waits for room in that queue gets it now, rather than after the caller's next records
    /// or after the end, when nobody reads the queue any more.
    pub(crate) fn give_way(&self) {
        if self.is_late.load(Ordering::Acquire) {
            let pause = Duration::from_millis(1);
            let mut late = lock(&self.late);
            let still_late = late.as_mut().is_some_and(|late| {
                late.patience = late.patience.saturating_sub(pause);
                !late.patience.is_zero()
                    && late.is_out.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
            });
            if !still_late {
                *late = None;
                self.is_late.store(false, Ordering::Release);
            }
        }
    }

    /// The subscriber that the record came through; where that can't be told (tracing-appender's
    /// worker wrote it), the newest one that has the layer.
    fn dispatch(&self, last: RouteId) -> Option<Dispatch> {
        // Upgraded and dropped without the lock: the end of a subscriber may run anything.
        let routes = lock(&self.routes).clone();
        let (mut alive, mut dead) = (Vec::new(), Vec::new());
        for Route { id, dispatch } in routes {
            match dispatch.upgrade() {
                Some(dispatch) => alive.push((id, dispatch)),
                None => dead.push(id),
            }
        }
        lock(&self.routes).retain(|route| !dead.contains(&route.id));
        let found = alive.iter().position(|(id, _)| *id == last);
        let found = found
            .map(|at| alive.swap_remove(at))
            .or_else(|| alive.pop());
        Some(found?.1)
    }

    fn say(&self, letter: &Letter) {
        let notice = &letter.notice;
        if notice.is_complaint() {
            return say_on_stderr(notice);
        }
        {
            // Not around `on_switch`: what that logs are ordinary records.
            let _in_event = InEvent::enter();
            match self.dispatch(letter.route) {
                Some(dispatch) => dispatcher::with_default(&dispatch, || say_here(notice)),
                None => say_here(notice),
            }
        }
        if let (Notice::Switched(switch), Some(on_switch)) = (notice, &self.on_switch) {
            on_switch(switch);
        }
    }
}

/// Says it to this thread's subscriber.
fn say_here(notice: &Notice) {
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
        Notice::Warning { path, cause, .. } => {
            tracing::warn!(target: TARGET, path = %Shown(path), error = %cause, "{message}");
        }
        Notice::Dropped { .. } => say_on_stderr(notice),
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::notice::SwitchReason;

    fn switched() -> Notice {
        Notice::Switched(Switch {
            original: PathBuf::from("/app.log"),
            fallback: PathBuf::from("/app.001.log"),
            reason: SwitchReason::Locked,
        })
    }

    /// Reports whether a record that each event and each `on_switch` makes is one of a notice.
    #[test]
    fn a_record_is_a_notice_s_in_the_event_and_not_in_on_switch() {
        use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

        struct Records(Sender<bool>);
        impl<S: tracing::Subscriber> Layer<S> for Records {
            fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
                let record = b"a format without the message\n";
                self.0.send(are_notices(record, &[record.len()])).unwrap();
            }
        }

        let (answer, answers) = mpsc::channel();
        let answer_on_switch = Mutex::new(answer.clone());
        let announcer = Arc::new(Announcer::new(Some(Box::new(move |_| {
            let answer = lock(&answer_on_switch);
            answer.send(are_notices(b"plain\n", &[6])).unwrap();
            tracing::info!("from on_switch");
        }))));
        let subscriber = tracing_subscriber::registry().with(Records(answer));
        let dispatch = Dispatch::new(subscriber);
        let id = RouteId::next();
        announcer.register(id, &dispatch);
        for _ in 0..2 {
            announcer.announce(vec![switched()]);
            assert!(answers.recv().unwrap(), "in the event");
            assert!(!answers.recv().unwrap(), "in on_switch");
        }
        assert!(!are_notices(b"plain\n", &[6]), "on another thread");
    }

    #[test]
    fn a_layer_that_panics_leaves_no_mark() {
        use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

        struct Panics(Sender<bool>);
        impl<S: tracing::Subscriber> Layer<S> for Panics {
            fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
                self.0.send(are_notices(b"x\n", &[2])).unwrap();
                panic!("in {}", event.metadata().target());
            }
        }

        let (answer, answers) = mpsc::channel();
        let announcer = Arc::new(Announcer::new(None));
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(Panics(answer)));
        announcer.register(RouteId::next(), &dispatch);
        let (thread_says, on_thread) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = panic::catch_unwind(AssertUnwindSafe(|| {
                announcer.say(&Letter {
                    notice: switched(),
                    route: RouteId::last(),
                    _out: mpsc::channel().0,
                });
            }));
            thread_says.send(are_notices(b"x\n", &[2])).unwrap();
        });
        assert!(answers.recv().unwrap());
        assert!(!on_thread.recv().unwrap());
    }
}
