//! Which subscriber a notice goes to.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, TryLockError};

use once_cell::race::OnceBox;
use tracing::dispatcher::{Dispatch, WeakDispatch};

use crate::sys;
use crate::sys::generation;

/// One attached layer, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RouteId(u64);

sys::thread_local! {
    /// The attached layer that handled an event on this thread last; 0 is none.
    static LAST_ROUTE: Cell<u64> = const { Cell::new(0) };
}

impl RouteId {
    pub(super) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        RouteId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Notes that this layer is about to handle an event on this thread.
    #[inline]
    pub(super) fn pass(self) {
        LAST_ROUTE.set(self.0);
    }

    /// The layer that handled an event on this thread last.
    pub(super) fn last() -> Self {
        RouteId(LAST_ROUTE.get())
    }
}

/// The subscribers that the layers of one appender are in.
///
/// A forked child has its parent's subscribers, and so a copy of their routes. It is a `RwLock`
/// because the notifier reads them while other threads may fork: a read lock that a thread of the
/// parent's has left behind does not keep the child from reading. Only a child that is forked in the
/// instant in which another thread changes the routes has none of them.
pub(super) struct Routes {
    generation: u32,
    routes: RwLock<Vec<Route>>,
    child: OnceBox<Routes>,
}

/// A way to the subscriber that one layer is in.
#[derive(Clone)]
struct Route {
    id: RouteId,
    dispatch: WeakDispatch,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self::of(generation(), Vec::new())
    }

    fn of(generation: u32, routes: Vec<Route>) -> Self {
        Routes {
            generation,
            routes: RwLock::new(routes),
            child: OnceBox::new(),
        }
    }

    /// The routes of this process.
    fn here(&self) -> &RwLock<Vec<Route>> {
        let here = generation();
        let mut routes = self;
        while routes.generation != here {
            let parent = routes;
            routes = parent
                .child
                .get_or_init(|| Box::new(Self::of(here, parent.inherited())));
        }
        &routes.routes
    }

    fn inherited(&self) -> Vec<Route> {
        match self.routes.try_read() {
            Ok(routes) => routes.clone(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().clone(),
            Err(TryLockError::WouldBlock) => Vec::new(),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<Route>) -> T) -> T {
        change(&mut self.here().write().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn insert(&self, id: RouteId, dispatch: &Dispatch) {
        let dispatch = dispatch.downgrade();
        self.with(|routes| {
            routes.retain(|route| route.id != id);
            routes.push(Route { id, dispatch });
        });
    }

    /// Removes the route of a layer that is dropped, unless its subscriber lives on: then another
    /// layer was loaded in its place, and the appender may still write for that one.
    pub(super) fn remove(&self, id: RouteId) {
        let dispatch = self.with(|routes| {
            let at = routes.iter().position(|route| route.id == id)?;
            let dispatch = routes[at].dispatch.upgrade();
            if dispatch.is_none() {
                routes.swap_remove(at);
            }
            dispatch
        });
        // Without the lock: the end of a subscriber may drop another layer.
        drop(dispatch);
    }

    /// The subscriber that the layer `last` is in. Where that is not known, because the worker of a
    /// queue wrote the record, the newest subscriber that has a layer of this appender.
    pub(super) fn dispatch(&self, last: RouteId) -> Option<Dispatch> {
        let routes = self
            .here()
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // Upgraded and dropped without the lock: the end of a subscriber may run anything.
        let (mut alive, mut dead) = (Vec::new(), Vec::new());
        for Route { id, dispatch } in routes {
            match dispatch.upgrade() {
                Some(dispatch) => alive.push((id, dispatch)),
                None => dead.push(id),
            }
        }
        if !dead.is_empty() {
            self.with(|routes| routes.retain(|route| !dead.contains(&route.id)));
        }
        let found = alive.iter().position(|(id, _)| *id == last);
        let found = found
            .map(|at| alive.swap_remove(at))
            .or_else(|| alive.pop());
        Some(found?.1)
    }
}
