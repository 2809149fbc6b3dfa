//! The notices that wait for their thread, and that thread.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::notice::Notice;
use super::routes::RouteId;
use crate::sys;
use crate::sys::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use crate::thread::{Background, ForkSafeMutex};

/// Maximum time a log call waits for its notice, so that a short `main` does not exit first. It is
/// reached only where the thread meets a lock that the caller holds, stdout's for example.
pub(super) const NOTICE_TIMEOUT: Duration = Duration::from_millis(50);

/// Maximum number of notices that wait behind one that does not get out.
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
    /// A copy of the phase for those who only want to know whether there is anything to do, without
    /// the lock. In a new child it is the parent's until the next change.
    phase: AtomicU8,
}

#[derive(Default)]
struct State {
    phase: Phase,
    waiting: VecDeque<QueuedNotice>,
    /// The notice for which the phase is `Stalled`, until nobody waits for it any longer.
    late: Option<LateNotice>,
}

/// What the thread of a queue is doing.
///
/// | phase | meaning | a log call with a notice | goes to |
/// |---|---|---|---|
/// | `Idle` | nothing waits, no thread | starts the thread and waits | `Emitting`, `NoThread` |
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
        let (out, is_out) = mpsc::channel();
        let mut state = self.state.lock();
        let room = MAX_QUEUED.saturating_sub(state.waiting.len());
        for notice in notices.into_iter().take(room) {
            state.waiting.push_back(QueuedNotice {
                notice,
                route: RouteId::last(),
                _out: out.clone(),
            });
        }
        drop(out);
        if !matches!(state.phase, Phase::Emitting | Phase::Stalled) {
            let phase = match state.waiting.is_empty() {
                true => Phase::Idle,
                false => Phase::Emitting,
            };
            self.set_phase(&mut state, phase);
        }
        if state.phase == Phase::Idle {
            return Some(IsOut(is_out));
        }
        drop(state);
        let queue = Arc::clone(self);
        let started = self.thread.wake(move || {
            queue.drain(&emit);
            None
        });
        if started.is_err() {
            self.set_phase(&mut self.state.lock(), Phase::NoThread);
            return None;
        }
        Some(IsOut(is_out))
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
        let next = state.waiting.pop_front();
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
mod tests {
    use std::path::PathBuf;
    use std::sync::Mutex;
    use std::thread;

    use super::*;
    use crate::notify::{Switch, SwitchReason};

    fn notice(n: u16) -> Notice {
        Notice::Switched(Switch {
            original: PathBuf::from("/app.log"),
            fallback: PathBuf::from(format!("/app.{n:03}.log")),
            reason: SwitchReason::Locked,
        })
    }

    fn queue() -> Arc<NoticeQueue> {
        Arc::new(NoticeQueue::new("test-notice"))
    }

    fn phase(queue: &NoticeQueue) -> Phase {
        queue.state.lock().phase
    }

    fn wait_until(done: impl Fn() -> bool) {
        while !done() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_call_waits_for_its_notice_and_the_thread_ends() {
        let queue = queue();
        assert!(queue.is_idle());
        let emitted = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&emitted);
        let emit: Emit = Arc::new(move |queued: &QueuedNotice| {
            sink.lock().unwrap().push(queued.notice.to_string());
        });
        for n in 1..=100 {
            let out = queue.push(vec![notice(2 * n), notice(2 * n + 1)], Arc::clone(&emit));
            let IsOut(is_out) = out.unwrap();
            assert_eq!(is_out.recv(), Err(mpsc::RecvError), "no message, the end");
            assert_eq!(emitted.lock().unwrap().len(), 2 * usize::from(n));
        }
        wait_until(|| queue.is_idle());
        let in_order = (2..202).map(|n| notice(n).to_string());
        assert!(emitted.lock().unwrap().iter().cloned().eq(in_order));
    }

    #[test]
    fn a_notice_that_does_not_get_out_is_waited_for_once() {
        let queue = queue();
        let (open, opens) = mpsc::channel::<()>();
        let opens = Mutex::new(opens);
        let emit: Emit = Arc::new(move |_: &QueuedNotice| opens.lock().unwrap().recv().unwrap());
        let push = |n| queue.push(vec![notice(n)], Arc::clone(&emit)).unwrap();
        queue.wait(push(1));
        assert_eq!(phase(&queue), Phase::Stalled);
        // These would wait for ever if they waited for their notice.
        let IsOut(second) = push(2);
        queue.wait(push(3));
        assert_eq!(phase(&queue), Phase::Stalled);
        // The worker of a queue waits for `NOTICE_TIMEOUT` in all.
        assert!(queue.state.lock().late.is_some());
        for _ in 0..NOTICE_TIMEOUT.as_millis() {
            queue.wait_for_late_notice();
        }
        assert!(queue.state.lock().late.is_none());
        open.send(()).unwrap();
        wait_until(|| phase(&queue) == Phase::Emitting);
        assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
        open.send(()).unwrap();
        open.send(()).unwrap();
        wait_until(|| queue.is_idle());
        assert_eq!(second.recv(), Err(mpsc::RecvError));
    }

    #[test]
    fn the_thread_does_not_wait_for_itself() {
        let queue = queue();
        let (done, is_done) = mpsc::channel();
        let inner = Arc::clone(&queue);
        let emit: Emit = Arc::new(move |queued: &QueuedNotice| {
            if queued.notice.to_string().ends_with("001.log") {
                let done = done.clone();
                let last: Emit = Arc::new(move |_: &QueuedNotice| done.send(()).unwrap());
                let out = inner.push(vec![notice(2)], last);
                inner.wait(out.unwrap());
                assert_ne!(phase(&inner), Phase::Stalled);
            } else {
                done.send(()).unwrap();
            }
        });
        queue.push(vec![notice(1)], emit).unwrap();
        is_done.recv().unwrap();
    }

    #[test]
    fn what_waits_is_bounded() {
        let queue = queue();
        let (open, opens) = mpsc::channel::<()>();
        let opens = Mutex::new(opens);
        let emit: Emit = Arc::new(move |_: &QueuedNotice| {
            let _ = opens.lock().unwrap().recv();
        });
        let notices = (0..u16::MAX).map(notice).collect();
        queue.push(notices, Arc::clone(&emit)).unwrap();
        queue.push(vec![notice(0)], emit).unwrap();
        assert!(queue.state.lock().waiting.len() <= MAX_QUEUED);
        drop(open);
        wait_until(|| queue.is_idle());
    }

    /// The next notice would come behind the unfinished one, in the buffer of `fmt`.
    #[test]
    fn after_a_panic_another_thread_goes_on() {
        let queue = queue();
        let threads = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&threads);
        let emit: Emit = Arc::new(move |queued: &QueuedNotice| {
            sink.lock().unwrap().push(thread::current().id());
            if queued.notice.to_string().ends_with("1.log") {
                panic!("this panic is part of a test");
            }
        });
        let notices = vec![notice(1), notice(2), notice(3), notice(11), notice(12)];
        let IsOut(is_out) = queue.push(notices, emit).unwrap();
        assert_eq!(is_out.recv(), Err(mpsc::RecvError));
        let threads = threads.lock().unwrap();
        let same: Vec<bool> = threads.windows(2).map(|two| two[0] == two[1]).collect();
        assert_eq!(same, [false, true, true, false]);
    }
}
