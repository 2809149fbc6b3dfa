//! Thread-local cells of which each virtual thread has its own.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The values of one thread, by the address of the cell.
#[derive(Default)]
pub(crate) struct Locals(BTreeMap<usize, Box<dyn Any>>);

std::thread_local! {
    static CURRENT: RefCell<Locals> = RefCell::default();
}

impl Locals {
    /// Makes these the current ones; returns those that were.
    pub(super) fn enter(self) -> Locals {
        CURRENT.with(|current| current.replace(self))
    }
}

/// What `sys::thread_local!` makes of a `Cell`.
pub(crate) struct LocalCell<T> {
    initial: T,
}

impl<T: Copy + 'static> LocalCell<T> {
    pub(crate) const fn new(initial: T) -> Self {
        LocalCell { initial }
    }

    fn key(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    pub(crate) fn get(&self) -> T {
        CURRENT.with(|current| {
            let current = current.borrow();
            let value = current.0.get(&self.key());
            let value = value.and_then(|value| value.downcast_ref::<T>());
            value.copied().unwrap_or(self.initial)
        })
    }

    pub(crate) fn set(&self, value: T) {
        CURRENT.with(|current| current.borrow_mut().0.insert(self.key(), Box::new(value)));
    }
}

macro_rules! simulated_thread_local {
    ($($(#[$attribute:meta])* static $name:ident: Cell<$value:ty> = const { Cell::new($initial:expr) };)*) => {
        $($(#[$attribute])*
        static $name: $crate::sys::LocalCell<$value> = $crate::sys::LocalCell::new({
            Cell::new($initial).into_inner()
        });)*
    };
}
pub(crate) use simulated_thread_local as thread_local;
