//! The notices that wait for their thread, and that thread.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Duration;

use super::burst::Burst;
use super::notice::Notice;
use super::routes::RouteId;
use crate::sys::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use crate::sys::Instant;
use crate::sys::{self, Background, ForkSafeMutex, MutexGuard};

/// Maximum time a log call waits for its notice, so that a short `main` does not exit first. It is
/// reached only where the thread meets a lock that the caller holds, stdout's for example.
pub(super) const NOTICE_TIMEOUT: Duration = Duration::from_millis(50);

/// Maximum number of notices that wait behind one whose layer does not return.
const MAX_QUEUED: usize = 10_000;

/// Emits one notice.
pub(super) type Emit = Arc<dyn Fn(&QueuedNotice) + Send + Sync>;

/// Notices, which a thread of their own emits in order.
///
/// A forked child has an empty queue: its parent's notices are emitted by its parent.
pub(super) struct NoticeQueue {
    id: u64,
    name: &'static str,
    thread: Background,
    state: ForkSafeMutex<State>,
    /// A copy of the phase, read without the lock to find out whether there is anything to do. In a
    /// new child it is the parent's until the next change.
    phase: AtomicU8,
}

#[derive(Default)]
struct State {
    phase: Phase,
    waiting: VecDeque<QueuedNotice>,
    burst: Burst,
    /// The route of the notice that was queued last, for a summary.
    route: RouteId,
    /// The notice for which the phase is `Stalled`, until nobody waits for it any longer.
    late: Option<LateNotice>,
}

impl State {
    fn queue(&mut self, notices: Vec<Notice>, now: Instant) -> IsOut {
        let (out, is_out) = mpsc::channel();
        let room = MAX_QUEUED.saturating_sub(self.waiting.len());
        let summary = match room {
            0 => None,
            _ => self.burst.summary(now),
        };
        for notice in summary.into_iter().chain(notices).take(room) {
            self.route = RouteId::last();
            self.waiting.push_back(QueuedNotice {
                notice: self.burst.admit(notice, now),
                route: self.route,
                _out: out.clone(),
            });
        }
        IsOut(is_out)
    }

    /// The notice that comes first, or the summary that is due.
    fn next(&mut self, now: Instant) -> Option<QueuedNotice> {
        self.waiting.pop_front().or_else(|| {
            Some(QueuedNotice {
                notice: self.burst.summary(now)?,
                route: self.route,
                _out: mpsc::channel().0,
            })
        })
    }
}

/// What the thread of a queue is doing.
///
/// | phase | meaning | a log call with a notice | goes to |
/// |---|---|---|---|
/// | `Idle` | nothing waits; no thread, or one that pauses until a summary is due | starts the thread and waits | `Emitting`, `NoThread` |
/// | `Emitting` | the thread emits | waits for [`NOTICE_TIMEOUT`] | `Idle`, `Stalled` |
/// | `Stalled` | a log call has waited in vain | does not wait | `Emitting`, when the notice is out |
/// | `NoThread` | notices wait, no thread could be started | starts the thread and waits | `Emitting` |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    Emitting,
    Stalled,
    NoThread,
}

pub(super) struct QueuedNotice {
    pub(super) notice: Notice,
    pub(super) route: RouteId,
    /// Dropped when the notice is out.
    _out: Sender<()>,
}

/// Disconnected when the notices of one log call are out.
pub(super) struct IsOut(Receiver<()>);

struct LateNotice {
    is_out: Receiver<()>,
    /// How long the worker of a queue goes on waiting for it.
    remaining: Duration,
}

sys::thread_local! {
    /// The queue that this thread empties, which it can't wait for; 0 is none.
    static AT_QUEUE: Cell<u64> = const { Cell::new(0) };
}

impl NoticeQueue {
    pub(super) fn new(name: &'static str) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        NoticeQueue {
            id: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            name,
            thread: Background::new(name),
            state: ForkSafeMutex::default(),
            phase: AtomicU8::new(Phase::Idle as u8),
        }
    }

    fn set_phase(&self, state: &mut MutexGuard<'_, State>, phase: Phase) {
        state.phase = phase;
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn may_be(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    /// Returns true if notices wait and no thread could be started for them.
    #[inline]
    pub(super) fn has_no_thread(&self) -> bool {
        self.may_be(Phase::NoThread)
    }

    /// Returns true on the thread that empties this queue.
    pub(super) fn is_here(&self) -> bool {
        AT_QUEUE.get() == self.id
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().phase == Phase::Idle
    }

    /// Queues notices, and has the thread emit all that wait. `emit` is the same for each push of one
    /// queue. Returns `None` if no thread could be started.
    pub(super) fn push(self: &Arc<Self>, notices: Vec<Notice>, emit: Emit) -> Option<IsOut> {
        let mut state = self.state.lock();
        let is_out = state.queue(notices, Instant::now());
        if !matches!(state.phase, Phase::Emitting | Phase::Stalled) {
            let phase = match state.waiting.is_empty() {
                true => Phase::Idle,
                false => Phase::Emitting,
            };
            self.set_phase(&mut state, phase);
        }
        if state.phase == Phase::Idle {
            return Some(is_out);
        }
        drop(state);
        let queue = Arc::clone(self);
        let started = self.thread.wake(move || {
            queue.drain(&emit);
            queue.state.lock().burst.pause(Instant::now())
        });
        if started.is_err() {
            self.set_phase(&mut self.state.lock(), Phase::NoThread);
            return None;
        }
        Some(is_out)
    }

    /// Takes the summary of the switches that have no event yet.
    pub(super) fn early_summary(&self) -> Option<Notice> {
        self.state.lock().burst.early_summary()
    }

    /// Drops the notices for which no thread could be started.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        state.waiting.clear();
        self.set_phase(&mut state, Phase::Idle);
    }

    /// Waits until the notices of one `push` are out, for at most [`NOTICE_TIMEOUT`].
    pub(super) fn wait(&self, IsOut(is_out): IsOut) {
        if self.is_here() || self.may_be(Phase::Stalled) {
            return;
        }
        if is_out.recv_timeout(NOTICE_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            let mut state = self.state.lock();
            // With the lock held, the thread can't finish it unnoticed.
            if is_out.try_recv() == Err(TryRecvError::Empty) {
                state.late = Some(LateNotice {
                    is_out,
                    remaining: NOTICE_TIMEOUT,
                });
                self.set_phase(&mut state, Phase::Stalled);
            }
        }
    }

    #[inline]
    pub(super) fn wait_for_late_notice(&self) {
        if self.may_be(Phase::Stalled) {
            self.wait_a_little();
        }
    }

    /// Waits a millisecond for the late notice, of [`NOTICE_TIMEOUT`] in all.
    #[cold]
    fn wait_a_little(&self) {
        const PAUSE: Duration = Duration::from_millis(1);
        // Not with the lock held: the thread needs it.
        let late = self.state.lock().late.take();
        let Some(mut late) = late else { return };
        late.remaining = late.remaining.saturating_sub(PAUSE);
        let is_out = late.is_out.recv_timeout(PAUSE);
        if is_out == Err(RecvTimeoutError::Timeout) && !late.remaining.is_zero() {
            self.state.lock().late.get_or_insert(late);
        }
    }

    /// Emits what waits, on this thread.
    fn drain(self: &Arc<Self>, emit: &Emit) {
        AT_QUEUE.set(self.id);
        while let Some(notice) = self.next() {
            // A panic of a layer or of `on_switch` is reported by the panic hook.
            let emitted = panic::catch_unwind(AssertUnwindSafe(|| emit(&notice)));
            drop(notice);
            if emitted.is_err() && self.drain_elsewhere(emit) {
                return;
            }
        }
    }

    /// Emits what waits, on another thread. Returns false if none could be started.
    ///
    /// After a panic: `fmt` keeps the text that it has formatted in a thread-local buffer, and the
    /// next event of this thread would come behind that on its line.
    fn drain_elsewhere(self: &Arc<Self>, emit: &Emit) -> bool {
        let (queue, emit) = (Arc::clone(self), Arc::clone(emit));
        let thread = sys::spawn(self.name, move || queue.drain(&emit));
        thread.map(|thread| thread.join()).is_ok()
    }

    fn next(&self) -> Option<QueuedNotice> {
        let mut state = self.state.lock();
        let next = state.next(Instant::now());
        let phase = match next {
            Some(_) => Phase::Emitting,
            None => Phase::Idle,
        };
        state.late = None;
        self.set_phase(&mut state, phase);
        next
    }
}

#[cfg(test)]
#[path = "notice_thread_tests.rs"]
mod tests;
