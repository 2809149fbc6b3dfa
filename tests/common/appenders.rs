//! Appenders with one option or two, which many tests need.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_fallback_file::{Builder, FileAppender, Switch, SwitchReason};

use super::wait_until;

/// An appender that waits for the lock of its file for this time.
pub fn with_lock_wait(log: impl AsRef<Path>, wait: Duration) -> FileAppender {
    FileAppender::builder().lock_wait(wait).build(log).unwrap()
}

/// An appender that keeps a record that the primary does not take.
pub fn without_variants(log: impl AsRef<Path>) -> FileAppender {
    FileAppender::builder().max_variants(0).build(log).unwrap()
}

/// The same, with room for this number of bytes.
pub fn with_backlog_limit(log: impl AsRef<Path>, bytes: usize) -> FileAppender {
    FileAppender::builder()
        .max_variants(0)
        .backlog_limit(bytes)
        .build(log)
        .unwrap()
}

/// What `on_switch` has been told.
#[derive(Clone, Default)]
pub struct Switches(Arc<Mutex<Vec<Switch>>>);

/// An appender and its switches.
pub fn with_switches(builder: Builder, log: impl AsRef<Path>) -> (FileAppender, Switches) {
    let switches = Switches::default();
    let seen = switches.clone();
    let builder = builder.on_switch(move |switch| seen.0.lock().unwrap().push(switch.clone()));
    (builder.build(log).unwrap(), switches)
}

impl Switches {
    /// Waits until there are as many.
    pub fn wait(&self, number: usize) -> Vec<Switch> {
        wait_until(|| self.0.lock().unwrap().len() >= number);
        let seen = self.0.lock().unwrap().clone();
        assert_eq!(seen.len(), number, "{seen:?}");
        seen
    }

    /// Waits for one, from a file that can't be opened.
    pub fn assert_inaccessible(&self) {
        let reasons = self.reasons(1);
        let [SwitchReason::Inaccessible(_)] = reasons[..] else {
            panic!("{reasons:?}");
        };
    }

    /// Why they happened, when there are as many.
    pub fn reasons(&self, number: usize) -> Vec<SwitchReason> {
        self.wait(number).into_iter().map(|it| it.reason).collect()
    }
}
