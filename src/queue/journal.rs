//! The journal of a queue file: notes before and after each write which lines are in a log.

use std::io;

use super::format::{self, Destination, SlotState, Span};
use super::lines::in_order;
use crate::file::PendingWrite;
use crate::sys::{self, File, Mapping};

/// The header of a queue file.
pub(super) trait Header {
    /// Writes these bytes, after all that were written before.
    fn put(&mut self, at: usize, bytes: &[u8]) -> io::Result<()>;
}

impl Header for Mapping {
    fn put(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        in_order();
        self[at..at + bytes.len()].copy_from_slice(bytes);
        in_order();
        Ok(())
    }
}

/// The file of another process, which may be cut short at any time: it is not mapped.
impl Header for &File {
    fn put(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        sys::write_at(self, bytes, at as u64)
    }
}

/// The two slots of a header. The one with the higher number counts, unless it is empty; so one of
/// them says at every instant which lines are in a log.
#[derive(Debug)]
pub(super) struct Journal<H> {
    header: H,
    /// The number of the slot that counts.
    last: u64,
    /// The next slot is noted, but not done.
    noted: bool,
}

impl<H: Header> Journal<H> {
    /// The journal in a header whose slots up to `last` are done.
    pub(super) fn new(header: H, last: u64) -> Self {
        Journal {
            header,
            last,
            noted: false,
        }
    }

    /// The journal in a header whose slot `noted` is not done.
    pub(super) fn interrupted(header: H, noted: u64) -> Self {
        Journal {
            header,
            last: noted.saturating_sub(1),
            noted: true,
        }
    }

    /// Notes that the span is about to be written, with the log's lock held.
    pub(super) fn note(&mut self, span: Span, write: &PendingWrite<'_>) -> io::Result<()> {
        let to = Destination {
            number: write.number,
            identity: sys::identity(write.file)?,
            offset: write.offset,
            newline: write.newline,
        };
        self.note_at(span, to)
    }

    pub(super) fn note_at(&mut self, span: Span, to: Destination) -> io::Result<()> {
        self.noted = true;
        self.write(self.last + 1, SlotState::Noted, span, Some(to))
    }

    #[cfg(test)]
    pub(super) fn into_header(self) -> H {
        self.header
    }

    /// The span that was noted is in the log.
    pub(super) fn done(&mut self) -> io::Result<()> {
        self.last += 1;
        self.noted = false;
        self.state(self.last, SlotState::Done)
    }

    /// Nothing of the span that was noted is in a log.
    pub(super) fn cancel(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.noted) {
            self.state(self.last + 1, SlotState::Empty)?;
        }
        Ok(())
    }

    /// All up to the end of this span is in a log, whatever was noted.
    pub(super) fn settle(&mut self, span: Span) -> io::Result<()> {
        // A noted slot counts until the state of this one is written.
        let next = self.last + 1 + u64::from(std::mem::take(&mut self.noted));
        self.write(next, SlotState::Done, span, None)?;
        self.last = next;
        Ok(())
    }

    fn write(
        &mut self,
        n: u64,
        state: SlotState,
        span: Span,
        to: Option<Destination>,
    ) -> io::Result<()> {
        self.state(n, SlotState::Empty)?;
        let slot = format::encode_slot(n, span, to);
        self.header.put(format::slot_at(n) + 1, &slot[1..])?;
        self.state(n, state)
    }

    fn state(&mut self, n: u64, state: SlotState) -> io::Result<()> {
        self.header.put(format::slot_at(n), &[state as u8])
    }
}
