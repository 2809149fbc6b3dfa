//! Notices, until the locks are released.

use std::mem;

use crate::notify::Notice;

/// The notices of one turn.
#[derive(Debug, Default)]
pub(super) struct PendingNotices {
    ready: Vec<Notice>,
    /// Notices of switches that the record of a notice has made. They go out with the next record
    /// that is none: at once they would start each other, without end where several appenders are
    /// in one subscriber.
    held_back: Vec<Notice>,
}

impl PendingNotices {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.held_back.is_empty()
    }

    pub(super) fn push(&mut self, notice: Notice) {
        self.ready.push(notice);
    }

    /// Holds back what is ready, but for rotations, which have no event. Only the newest switch
    /// keeps its event: where the notices of two appenders switch each other's files, each record
    /// would cause more of them than the one before.
    pub(super) fn hold_back(&mut self) {
        let (rotations, others): (Vec<_>, Vec<_>) =
            self.ready.drain(..).partition(Notice::is_rotation);
        self.ready = rotations;
        for notice in others {
            if let Some(last) = self.held_back.pop() {
                self.held_back.push(last.superseded());
            }
            self.held_back.push(notice);
        }
    }

    /// Lets the notices out that were held back, before the newer ones.
    pub(super) fn release(&mut self) {
        self.held_back.append(&mut self.ready);
        mem::swap(&mut self.held_back, &mut self.ready);
    }

    /// Takes what is ready, if anything is.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Vec<Notice>> {
        let is_any = !self.ready.is_empty();
        is_any.then(|| mem::take(&mut self.ready))
    }
}
