//! A thread that is there only while it has work.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use super::start::{is_late, start};
use super::{current_thread, park_timeout, ForkSafeMutex, Thread};

/// A named thread that starts when there is work and ends when there is none.
///
/// A forked child does not have its parent's thread; it starts its own.
#[derive(Debug)]
pub(crate) struct Background {
    name: &'static str,
    state: Arc<ForkSafeMutex<State>>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// The thread works or pauses. It ends when `work` has nothing left and none was asked for
    /// since it began.
    Running { asked: bool, thread: Option<Thread> },
}

impl Background {
    pub(crate) fn new(name: &'static str) -> Self {
        Background {
            name,
            state: Arc::default(),
        }
    }

    /// Makes the thread call `work` after this: starts it with `work`, or ends the pause of the
    /// running one.
    ///
    /// `work` returns how long to pause before it is called again, or `None` if nothing is left.
    ///
    /// # Errors
    ///
    /// What the system answers where it has no thread. Of a thread that may never begin as well;
    /// should it do so, `work` is called all the same.
    pub(crate) fn wake(
        &self,
        work: impl FnMut() -> Option<Duration> + Send + 'static,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        match &mut *state {
            State::Running { asked, thread } => {
                *asked = true;
                if let Some(thread) = thread {
                    thread.unpark();
                }
                if is_late() {
                    return Err(not_begun());
                }
            }
            State::Idle => {
                let shared = Arc::clone(&self.state);
                let has_begun = start(self.name, move || run(&shared, work))?;
                *state = State::Running {
                    asked: false,
                    thread: None,
                };
                if !has_begun {
                    return Err(not_begun());
                }
            }
        }
        Ok(())
    }
}

fn not_begun() -> io::Error {
    io::Error::from(ErrorKind::TimedOut)
}

fn run(state: &ForkSafeMutex<State>, mut work: impl FnMut() -> Option<Duration>) {
    let this = current_thread();
    loop {
        let pause = work();
        let mut state = state.lock();
        match (&mut *state, pause) {
            (State::Running { asked, .. }, _) if *asked => *asked = false,
            (State::Running { thread, .. }, Some(pause)) => {
                *thread = Some(this.clone());
                drop(state);
                // The pause may end early without a reason; then `work` is called once more.
                park_timeout(pause);
            }
            _ => {
                *state = State::Idle;
                return;
            }
        }
    }
}
