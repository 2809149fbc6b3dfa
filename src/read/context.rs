//! The records before and after those that pass the filter.

use std::collections::VecDeque;

use super::query::Context;
use super::record::Kept;

/// Maximum memory in bytes for the records that are kept in case the next one passes.
const MAX_KEPT: usize = 16 * 1024 * 1024;

/// The memory that a record takes besides its bytes, the allocator's included.
const OVERHEAD: usize = std::mem::size_of::<Kept>() + 32;

/// Selects from a stream the records that pass and those around them.
#[derive(Debug)]
pub(crate) struct ContextWindow {
    size: Context,
    /// The records before the next one, which may pass.
    before: VecDeque<Kept>,
    memory: usize,
    /// The number of records that are still returned after the last one that has passed.
    after: usize,
    has_given: bool,
    has_gap: bool,
    /// The records that are returned next.
    queue: VecDeque<Kept>,
}

impl ContextWindow {
    /// `None` if there is no context.
    pub(crate) fn new(size: Context, backward: bool) -> Option<Self> {
        let size = match backward {
            false => size,
            true => Context {
                before: size.after,
                after: size.before,
            },
        };
        (size != Context::default()).then(|| ContextWindow {
            size,
            before: VecDeque::new(),
            memory: 0,
            after: 0,
            has_given: false,
            has_gap: false,
            queue: VecDeque::new(),
        })
    }

    /// Takes the next record of the stream.
    pub(crate) fn push(&mut self, record: Kept, is_asked_for: bool) {
        if is_asked_for {
            self.queue.append(&mut self.before);
            self.memory = 0;
            self.queue.push_back(record);
            if let Some(first) = self.queue.front_mut() {
                first.follows_gap = self.has_gap && self.has_given;
            }
            (self.after, self.has_given, self.has_gap) = (self.size.after, true, false);
        } else if self.after > 0 {
            self.after -= 1;
            self.queue.push_back(record);
        } else {
            self.memory += record.bytes.len() + OVERHEAD;
            self.before.push_back(record);
            while self.before.len() > self.size.before || self.memory > MAX_KEPT {
                let Some(first) = self.before.pop_front() else {
                    break;
                };
                self.memory -= first.bytes.len() + OVERHEAD;
                self.has_gap = true;
            }
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Kept> {
        self.queue.pop_front()
    }

    /// Returns true if the next record is returned whether it passes or not.
    pub(crate) fn wants_more(&self) -> bool {
        self.after > 0
    }
}
