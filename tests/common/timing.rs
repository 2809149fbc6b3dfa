//! Waits, and bounds on time that a busy machine does not break.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// For what depends on the machine's being free for some milliseconds: tries it again, and fails
/// if it fails each time.
pub fn within_attempts(attempts: u32, attempt: impl Fn() -> Result<(), String>) {
    let mut last = String::new();
    for _ in 0..attempts {
        match attempt() {
            Ok(()) => return,
            Err(error) => last = error,
        }
    }
    panic!("{attempts} times: {last}");
}

/// Waits for what another thread or process does. The limit is for what never comes: a busy machine
/// must not reach it.
pub fn wait_until(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(100), "it never comes");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// A thread that does nothing but sleep: how late the system lets it run is the control for a bound
/// on time, and how overloaded the machine is, as a wait for a lock is longer then.
pub struct Control {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Duration>,
}

impl Control {
    pub fn start() -> Control {
        const NAP: Duration = Duration::from_millis(1);
        let (stop, stops) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let (mut latest, mut most) = (Duration::ZERO, Duration::ZERO);
            loop {
                most = most.max(overload());
                let began = Instant::now();
                if stops.recv_timeout(NAP) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return latest + most;
                }
                latest = latest.max(began.elapsed().saturating_sub(NAP));
            }
        });
        Control { stop, thread }
    }

    /// How late it ran when it was latest, and the prolongation of a wait when the load was highest.
    pub fn latest(self) -> Duration {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}

/// The time by which the crate prolongs the wait for a lock on an overloaded machine.
fn overload() -> Duration {
    let runnable = || -> Option<u32> {
        let load = std::fs::read_to_string("/proc/loadavg").ok()?;
        load.split(['/', ' ']).nth(3)?.parse().ok()
    };
    let processors = thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let load = runnable().unwrap_or(0) / processors;
    Duration::from_millis(20) * load.saturating_sub(2)
}

/// Runs `work`; an error if it takes `limit` or longer and the machine is not the reason. A test
/// tries it several times, because `work` and the control are not late together.
pub fn timely<T>(limit: Duration, work: impl FnOnce() -> T) -> Result<T, String> {
    let control = Control::start();
    let began = Instant::now();
    let result = work();
    let took = began.elapsed();
    let late = control.latest();
    if took < limit + late {
        Ok(result)
    } else {
        Err(format!("{took:?}, where an idle thread was {late:?} late"))
    }
}
