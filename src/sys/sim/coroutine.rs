//! Stacks that virtual threads run on, used again and again.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

use generator::{Generator, Gn};

/// In words of a pointer's size. Only what is touched takes memory.
const STACK: usize = 0x10000;

type Work = Box<dyn FnOnce()>;
type Outcome = Result<(), Box<dyn Any + Send>>;

thread_local! {
    /// The work that the next fiber to be resumed begins with.
    static WORK: RefCell<Option<Work>> = const { RefCell::new(None) };
    /// How the work has ended of the fiber that was resumed last.
    static OUTCOME: RefCell<Option<Outcome>> = const { RefCell::new(None) };
}

/// A stack, and the loop on it that does one work after the other.
struct Fiber(Generator<'static, (), ()>);

impl Fiber {
    fn new() -> Self {
        // The other ways need a handle, which would have to come through the code under test.
        #[allow(deprecated)]
        let generator = Gn::new_opt(STACK, || {
            // The pool ends with its thread, maybe after the cells of that.
            while let Some(work) = WORK.try_with(RefCell::take).ok().flatten() {
                let outcome = caught(work);
                OUTCOME.set(Some(outcome));
                Coroutine::suspend();
            }
        });
        Fiber(generator)
    }
}

#[derive(Default)]
struct Pool(Vec<Fiber>);

impl Drop for Pool {
    fn drop(&mut self) {
        for mut fiber in self.0.drain(..) {
            // Without work it ends.
            fiber.0.resume();
        }
    }
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Work that can be suspended.
pub(super) struct Coroutine {
    work: Option<Work>,
    fiber: Option<Fiber>,
}

impl Coroutine {
    pub(super) fn new(work: impl FnOnce() + 'static) -> Self {
        Coroutine {
            work: Some(Box::new(work)),
            fiber: None,
        }
    }

    pub(super) fn has_started(&self) -> bool {
        self.work.is_none()
    }

    /// Goes on until the work is suspended or ends; returns how it ended.
    pub(super) fn resume(&mut self) -> Option<Outcome> {
        let fiber = self.fiber.get_or_insert_with(|| {
            let pooled = POOL.with(|pool| pool.borrow_mut().0.pop());
            pooled.unwrap_or_else(Fiber::new)
        });
        if let Some(work) = self.work.take() {
            WORK.set(Some(work));
        }
        fiber.0.resume();
        OUTCOME.take()
    }

    /// Gives the stack back, after the end of the work.
    pub(super) fn recycle(self) {
        if let Some(fiber) = self.fiber {
            POOL.with(|pool| pool.borrow_mut().0.push(fiber));
        }
    }

    /// Suspends the work that calls this.
    pub(super) fn suspend() {
        #[allow(deprecated)]
        generator::yield_with(());
    }
}

/// Runs `work` and gives back what it panicked with.
pub(crate) fn caught(work: impl FnOnce()) -> Result<(), Box<dyn Any + Send>> {
    panic::catch_unwind(AssertUnwindSafe(work))
}
