//! How notices reach the layers, and dropped records stderr.
//!
//! The thread that writes a record is inside its subscriber. An event from there would be lost,
//! would deadlock or would disturb the filters, depending on the set-up. So a thread of its own
//! emits the notice, with the dispatch of the subscriber that the record came through. The thread
//! is there only while there is something to emit.

mod attach;
mod burst;
mod emit;
mod notice;
mod notice_thread;
mod routes;

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use tracing::dispatcher::Dispatch;

pub(crate) use self::attach::attach;
pub(crate) use self::notice::{Notice, Shown, Warning};
pub use self::notice::{Rotated, Switch, SwitchReason, TARGET};
use self::notice_thread::{Emit, NoticeQueue, QueuedNotice};
use self::routes::{RouteId, Routes};
use crate::sys;

/// Which thread hands a record over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The one that logs.
    Caller,
    /// The worker of a queue.
    Queue,
}

/// Returns true if each of the records, which end at `ends`, is the record of a notice: of any
/// appender, because the notices of two appenders in one subscriber would cause each other.
///
/// The thread that emits a notice is known. A record that the worker of a queue writes is recognised
/// by its message.
pub(crate) fn are_notices(origin: Origin, records: &[u8], ends: &[usize]) -> bool {
    match origin {
        Origin::Caller => emit::is_in_event(),
        Origin::Queue => notice::are_notices(records, ends),
    }
}

pub(crate) type OnSwitch = Box<dyn Fn(&Switch) + Send + Sync>;
pub(crate) type OnRotate = Arc<dyn Fn(&Rotated) + Send + Sync>;

/// Emits the notices of one appender.
pub(crate) struct Notifier {
    on_switch: Option<OnSwitch>,
    on_rotate: Option<OnRotate>,
    routes: Routes,
    notices: Arc<NoticeQueue>,
    /// Apart from the notices, because `on_rotate` may take minutes to upload an archive.
    rotations: Arc<NoticeQueue>,
    /// Apart from the notices, because stderr may be a pipe that nobody reads.
    drop_reports: Arc<NoticeQueue>,
}

impl Notifier {
    pub(crate) fn new(on_switch: Option<OnSwitch>, on_rotate: Option<OnRotate>) -> Self {
        Notifier {
            on_switch,
            on_rotate,
            routes: Routes::new(),
            notices: Arc::new(NoticeQueue::new("fallback-notice")),
            rotations: Arc::new(NoticeQueue::new("fallback-rotated")),
            drop_reports: Arc::new(NoticeQueue::new("fallback-report")),
        }
    }

    /// Must not emit anything: tracing holds a lock while it calls this.
    fn register(&self, id: RouteId, dispatch: &Dispatch) {
        self.routes.insert(id, dispatch);
    }

    /// Called when the layer is dropped: with its subscriber, or because another one was loaded in
    /// its place.
    fn unregister(&self, id: RouteId) {
        self.routes.remove(id);
    }

    /// Emits the notices in order, and waits for at most [`notice_thread::NOTICE_TIMEOUT`] until they are
    /// out. The caller holds none of this crate's locks.
    pub(crate) fn announce(self: &Arc<Self>, notices: Vec<Notice>) {
        let (drops, notices): (Vec<_>, Vec<_>) =
            notices.into_iter().partition(Notice::is_drop_report);
        let (rotations, notices): (Vec<_>, Vec<_>) =
            notices.into_iter().partition(Notice::is_rotation);
        if !notices.is_empty() || self.notices.has_no_thread() {
            let notifier = Arc::clone(self);
            let emit: Emit = Arc::new(move |notice: &QueuedNotice| notifier.emit(notice));
            if let Some(out) = self.notices.push(notices, emit) {
                self.notices.wait(out);
            }
        }
        for report in drops {
            self.report_drop(report);
        }
        self.report_rotations(rotations);
    }

    /// Announces the switches that wait for the end of their second: the process may end before.
    pub(crate) fn announce_summary(self: &Arc<Self>) {
        if let Some(summary) = self.notices.early_summary() {
            self.announce(vec![summary]);
        }
    }

    /// Returns true if notices wait that no thread could be started for.
    #[inline]
    pub(crate) fn has_no_thread(&self) -> bool {
        self.notices.has_no_thread()
    }

    /// Calls `on_rotate` for files that have been rotated or compressed, on a thread of its own that
    /// no call waits for.
    fn report_rotations(&self, rotations: Vec<Notice>) {
        if let (Some(on_rotate), false) = (&self.on_rotate, rotations.is_empty()) {
            let on_rotate = Arc::clone(on_rotate);
            let emit: Emit = Arc::new(move |queued: &QueuedNotice| {
                if let Notice::Rotated(rotated) = &queued.notice {
                    on_rotate(rotated);
                }
            });
            // Where no thread can be started they wait for the next rotation.
            let _ = self.rotations.push(rotations, emit);
        }
    }

    /// Returns true if every call of `on_rotate` is done, or if this is one.
    pub(crate) fn has_reported_rotations(&self) -> bool {
        self.rotations.is_idle() || self.rotations.is_here()
    }

    /// Returns true if a drop report would be written at once. If not, it waits and counts more
    /// records.
    pub(crate) fn can_report_drop(&self) -> bool {
        self.drop_reports.is_idle()
    }

    /// Writes the report of dropped records to stderr: from a thread, or on this one where there is
    /// none and stderr has room. It never waits for a reader of stderr.
    pub(crate) fn report_drop(&self, report: Notice) {
        let line = format!("{report}\n");
        let is_ready = sys::stderr_is_ready(line.len());
        let emit: Emit = Arc::new(|report: &QueuedNotice| emit::to_stderr(&report.notice));
        match self.drop_reports.push(vec![report], emit) {
            // For a short `main`, which would end before the thread has run.
            Some(out) if is_ready => self.drop_reports.wait(out),
            Some(_) => {}
            None => {
                self.drop_reports.clear();
                if is_ready {
                    sys::write_to_stderr(line.as_bytes());
                }
            }
        }
    }

    /// For the worker of tracing-appender, before each record that it takes from its queue: a notice
    /// that waits for room in that queue gets it now, instead of after the caller's next records or
    /// after the end, when nobody reads the queue any more.
    #[inline]
    pub(crate) fn wait_for_late_notice(&self) {
        self.notices.wait_for_late_notice();
    }

    fn emit(&self, queued: &QueuedNotice) {
        let event = panic::catch_unwind(AssertUnwindSafe(|| {
            emit::to_subscriber(&queued.notice, self.routes.dispatch(queued.route));
        }));
        if let (Notice::Switched(switch) | Notice::Superseded(switch), Some(on_switch)) =
            (&queued.notice, &self.on_switch)
        {
            on_switch(switch);
        }
        if let Err(panic) = event {
            panic::resume_unwind(panic);
        }
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier")
            .field("on_switch", &self.on_switch.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::mpsc::{self, Sender};
    use std::sync::Mutex;

    use super::*;

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
                self.0
                    .send(are_notices(Origin::Caller, record, &[record.len()]))
                    .unwrap();
            }
        }

        let (answer, answers) = mpsc::channel();
        let answer_on_switch = Mutex::new(answer.clone());
        let notifier = Arc::new(Notifier::new(
            Some(Box::new(move |_| {
                let answer = answer_on_switch.lock().unwrap();
                answer
                    .send(are_notices(Origin::Caller, b"plain\n", &[6]))
                    .unwrap();
                tracing::info!("from on_switch");
            })),
            None,
        ));
        let subscriber = tracing_subscriber::registry().with(Records(answer));
        let dispatch = Dispatch::new(subscriber);
        let id = RouteId::next();
        notifier.register(id, &dispatch);
        for _ in 0..2 {
            notifier.announce(vec![switched()]);
            assert!(answers.recv().unwrap(), "in the event");
            assert!(!answers.recv().unwrap(), "in on_switch");
        }
        if let Notice::Switched(newest) = switched() {
            notifier.announce(vec![Notice::Summary { newest, count: 1 }]);
        }
        assert!(answers.recv().unwrap(), "in the event of a summary");
        assert!(
            !are_notices(Origin::Caller, b"plain\n", &[6]),
            "on another thread"
        );
    }

    #[test]
    fn a_layer_that_panics_leaves_no_mark() {
        use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

        struct Panics(Sender<bool>);
        impl<S: tracing::Subscriber> Layer<S> for Panics {
            fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
                self.0
                    .send(are_notices(Origin::Caller, b"x\n", &[2]))
                    .unwrap();
                panic!("in {}", event.metadata().target());
            }
        }

        let (answer, answers) = mpsc::channel();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(Panics(answer)));
        let after = std::thread::spawn(move || {
            let _ = panic::catch_unwind(AssertUnwindSafe(|| {
                emit::to_subscriber(&switched(), Some(dispatch));
            }));
            are_notices(Origin::Caller, b"x\n", &[2])
        });
        assert!(answers.recv().unwrap());
        assert!(!after.join().unwrap());
    }
}
