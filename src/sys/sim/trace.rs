//! What a run tells: a line an operation, and what went wrong first.

use std::fmt;

use super::machine::{ProcessId, State, ThreadId};

impl State {
    pub(crate) fn fail(&mut self, failure: String) {
        self.trace(format_args!("FAILED: {failure}"));
        self.failure.get_or_insert(failure);
    }

    pub(crate) fn thread(&self) -> ThreadId {
        self.current.unwrap_or(ThreadId::MAX)
    }

    pub(crate) fn process(&self) -> ProcessId {
        self.current.map_or(0, |me| self.threads[me].process)
    }

    pub(crate) fn trace(&mut self, what: fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            let clock = self.clock as f64 / 1e6;
            let who = match self.current {
                Some(me) => {
                    let thread = &self.threads[me];
                    format!("p{} {:<18}", thread.process, thread.name)
                }
                None => "-".to_owned(),
            };
            trace.push(format!("{clock:>12.3} ms  {who} {what}"));
        }
    }
}
