//! Threads and channels.

use std::any::Any;
use std::cell::RefCell;
use std::io;
use std::thread;
use std::time::Duration;

use super::faults::{Op, Planted};
use super::machine::{machine, ThreadId};
use super::operate;

#[derive(Clone, Debug)]
pub(crate) enum Thread {
    Real(thread::Thread),
    Virtual(ThreadId),
}

impl Thread {
    pub(crate) fn unpark(&self) {
        match self {
            Thread::Real(thread) => thread.unpark(),
            Thread::Virtual(id) => {
                if let Some(machine) = machine() {
                    machine.unpark(*id);
                }
            }
        }
    }
}

pub(crate) fn current_thread() -> Thread {
    match machine() {
        Some(machine) => Thread::Virtual(machine.current().unwrap_or(0)),
        None => Thread::Real(thread::current()),
    }
}

pub(crate) fn park() {
    match machine() {
        Some(machine) => machine.park(None),
        None => thread::park(),
    }
}

pub(crate) fn park_timeout(timeout: Duration) {
    match machine() {
        Some(machine) => machine.park(Some(timeout)),
        None => thread::park_timeout(timeout),
    }
}

pub(crate) fn sleep(duration: Duration) {
    match machine() {
        Some(machine) => machine.sleep(duration),
        None => thread::sleep(duration),
    }
}

pub(crate) fn yield_now() {
    match machine() {
        Some(machine) => machine.sleep(Duration::ZERO),
        None => thread::yield_now(),
    }
}

pub(crate) enum JoinHandle {
    Real(thread::JoinHandle<()>),
    Virtual(ThreadId),
    Lost,
}

impl JoinHandle {
    pub(crate) fn join(self) -> Result<(), Box<dyn Any + Send>> {
        match self {
            JoinHandle::Real(handle) => handle.join(),
            JoinHandle::Lost => Ok(()),
            JoinHandle::Virtual(id) => {
                if let Some(machine) = machine() {
                    machine.wait_for(None, || machine.is_done(id).then_some(()));
                }
                Ok(())
            }
        }
    }
}

type Work = Box<dyn FnOnce()>;

std::thread_local! {
    /// What the threads should do that this thread has started, and that do not begin.
    static LOST: RefCell<Option<Vec<Work>>> = const { RefCell::new(None) };
}

/// Until it is dropped, the threads that this thread starts do not begin.
pub(crate) struct LostThreads(());

impl LostThreads {
    pub(crate) fn enter() -> Self {
        LOST.set(Some(Vec::new()));
        LostThreads(())
    }

    /// Does here what they should do.
    pub(crate) fn run(&self) {
        let lost = LOST.with_borrow_mut(|lost| lost.as_mut().map(std::mem::take));
        lost.into_iter().flatten().for_each(|work| work());
    }
}

impl Drop for LostThreads {
    fn drop(&mut self) {
        // Like threads of the system they keep what is theirs.
        std::mem::forget(LOST.take());
    }
}

pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle> {
    if LOST.with_borrow(Option::is_some) {
        LOST.with_borrow_mut(|lost| lost.as_mut().map(|lost| lost.push(Box::new(work))));
        return Ok(JoinHandle::Lost);
    }
    let Some(machine) = machine() else {
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
        return spawned.map(JoinHandle::Real);
    };
    let process = operate(Op::Spawn, format_args!("start thread {name}"), |state| {
        let process = state.process();
        let planted = state.planted == Some(Planted::ThreadLost);
        let forked = &mut state.processes[process].forked;
        forked.started += 1;
        // The first one is waited for.
        let is_lost = forked.is_threadless || planted && forked.started > 1;
        Ok((process, is_lost))
    });
    if process.is_err() {
        let mut state = machine.state.borrow_mut();
        let process = state.process();
        state.without_thread.insert(process);
    }
    let (process, is_lost) = process?;
    let id = machine.spawn(process, name, work);
    if is_lost {
        machine.state.borrow_mut().lose(id);
    }
    Ok(JoinHandle::Virtual(id))
}

pub(crate) mod mpsc {
    //! Channels without an end to wait for a place.

    use std::sync::mpsc as real;
    use std::time::Duration;

    #[cfg(test)]
    pub(crate) use real::RecvError;
    pub(crate) use real::{RecvTimeoutError, Sender, TryRecvError};

    use super::machine;

    pub(crate) struct Receiver<T>(real::Receiver<T>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = real::channel();
        (sender, Receiver(receiver))
    }

    impl<T> Receiver<T> {
        pub(crate) fn recv(&self) -> Result<T, RecvError> {
            self.0.recv()
        }

        pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
            self.0.try_recv()
        }

        pub(crate) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
            let Some(machine) = machine() else {
                return self.0.recv_timeout(timeout);
            };
            machine.step();
            let received = machine.wait_for(Some(timeout), || match self.0.try_recv() {
                Ok(value) => Some(Ok(value)),
                Err(TryRecvError::Disconnected) => Some(Err(RecvTimeoutError::Disconnected)),
                Err(TryRecvError::Empty) => None,
            });
            received.unwrap_or(Err(RecvTimeoutError::Timeout))
        }
    }
}
