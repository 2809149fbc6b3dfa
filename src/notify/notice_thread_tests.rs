//! The queue on its own, with and without its thread.

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use super::*;
use crate::notify::burst::{MAX_EVENTS, PERIOD};
use crate::notify::{Rotated, Switch, SwitchReason};

fn notice(n: u16) -> Notice {
    Notice::Rotated(Rotated {
        original: PathBuf::from("/app.log"),
        archive: PathBuf::from(format!("/app.{n:03}.log")),
        compressed: false,
    })
}

fn switched(n: usize) -> Notice {
    Notice::Switched(Switch {
        original: PathBuf::from("/app.log"),
        fallback: PathBuf::from(format!("/app.{n:03}.log")),
        reason: SwitchReason::Locked,
    })
}

/// What is emitted at `now`: the events, and the number of switches without one.
fn emitted(state: &mut State, now: Instant) -> (Vec<String>, usize) {
    let (mut events, mut without) = (Vec::new(), 0);
    while let Some(queued) = state.next(now) {
        match queued.notice {
            Notice::Superseded(_) => without += 1,
            notice => events.push(notice.to_string()),
        }
    }
    (events, without)
}

fn texts(switches: std::ops::Range<usize>) -> Vec<String> {
    switches.map(|n| switched(n).to_string()).collect()
}

fn summary(newest: usize, count: usize) -> String {
    format!(
        "File switched more times within a second: \
         original=/app.log fallback=/app.{newest:03}.log count={count}"
    )
}

#[test]
fn many_switches_within_a_second_have_one_summary() {
    let mut state = State::default();
    let began = Instant::now();
    for n in 0..40 {
        state.queue(vec![switched(n)], began + PERIOD / 50 * n as u32);
    }
    let before = began + PERIOD - Duration::from_nanos(1);
    let more = 40 - MAX_EVENTS;
    assert_eq!(emitted(&mut state, before), (texts(0..MAX_EVENTS), more));
    assert_eq!(state.burst.pause(before), Some(Duration::from_nanos(1)));
    let after = began + PERIOD;
    assert_eq!(emitted(&mut state, after), (vec![summary(39, more)], 0));
    assert_eq!(emitted(&mut state, after), (vec![], 0), "once");
    assert_eq!(state.burst.pause(after), None, "the thread ends");
}

#[test]
fn a_summary_comes_before_the_switches_of_the_next_second() {
    let mut state = State::default();
    let began = Instant::now();
    state.queue((0..MAX_EVENTS + 1).map(switched).collect(), began);
    emitted(&mut state, began);
    state.queue((20..50).map(switched).collect(), began + PERIOD);
    let mut events = vec![summary(MAX_EVENTS, 1)];
    events.extend(texts(20..20 + MAX_EVENTS));
    let more = 30 - MAX_EVENTS;
    assert_eq!(emitted(&mut state, began + PERIOD), (events, more));
}

#[test]
fn only_one_summary_a_second_comes_early() {
    let mut state = State::default();
    let began = Instant::now();
    state.queue((0..MAX_EVENTS).map(switched).collect(), began);
    assert!(state.burst.early_summary().is_none(), "each has an event");
    state.queue(vec![switched(20), switched(21)], began);
    let early = state.burst.early_summary().unwrap().to_string();
    assert_eq!(early, summary(21, 2));
    state.queue(vec![switched(22)], began);
    assert!(state.burst.early_summary().is_none());
    assert_eq!(emitted(&mut state, began), (texts(0..MAX_EVENTS), 3));
    let after = began + PERIOD;
    assert_eq!(emitted(&mut state, after), (vec![summary(22, 1)], 0));
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
