//! One notice becomes one event, or one line on stderr.

use std::cell::Cell;
use std::io::Write;

use tracing::dispatcher::{self, Dispatch};
use tracing::subscriber::NoSubscriber;

use super::notice::{Notice, Shown, Switch, TARGET};
use crate::sys;

sys::thread_local! {
    /// This thread is emitting the event of a notice.
    static IN_EVENT: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if this thread is emitting the event of a notice.
pub(super) fn is_in_event() -> bool {
    IN_EVENT.get()
}

/// Marks this thread as one that emits the event of a notice, until it is dropped.
struct InEvent;

impl InEvent {
    fn enter() -> Self {
        IN_EVENT.set(true);
        InEvent
    }
}

impl Drop for InEvent {
    fn drop(&mut self) {
        IN_EVENT.set(false);
    }
}

/// Emits the event of `notice` to the subscriber of `dispatch`; without one, to the default one of
/// this thread.
pub(super) fn to_subscriber(notice: &Notice, dispatch: Option<Dispatch>) {
    let _in_event = InEvent::enter();
    match dispatch {
        Some(dispatch) => dispatcher::with_default(&dispatch, || to_default(notice)),
        None => to_default(notice),
    }
}

fn to_default(notice: &Notice) {
    if let Notice::Superseded(_) | Notice::Rotated(_) = notice {
        return;
    }
    // tracing caches a callsite that is reached first where there is no subscriber as dead for ever.
    if dispatcher::get_default(|dispatch| dispatch.is::<NoSubscriber>()) {
        return to_stderr(notice);
    }
    let message = notice.message();
    match notice {
        Notice::Switched(Switch {
            original, fallback, ..
        }) => tracing::info!(
            target: TARGET,
            original = %Shown(original),
            fallback = %Shown(fallback),
            "{message}"
        ),
        Notice::Summary {
            newest: Switch {
                original, fallback, ..
            },
            count,
        } => tracing::info!(
            target: TARGET,
            original = %Shown(original),
            fallback = %Shown(fallback),
            count,
            "{message}"
        ),
        Notice::Warning { path, cause, .. } => {
            tracing::warn!(target: TARGET, path = %Shown(path), error = %cause, "{message}");
        }
        Notice::Superseded(_) | Notice::Rotated(_) => {}
        Notice::Dropped { .. } => to_stderr(notice),
    }
}

pub(super) fn to_stderr(notice: &Notice) {
    // One write, so that lines of several processes do not mix. An error (a closed stderr, a full
    // disk) has no place left to be reported to.
    let line = format!("{notice}\n");
    if sys::stderr_may_grow(line.len()) {
        let _ = sys::stderr().write_all(line.as_bytes());
    }
}
