//! The bytes of one event until its newline comes.

use crate::sys::generation;

/// The bytes that a guard has taken and not handed over.
#[derive(Default)]
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    /// The process that has gathered this.
    generation: u32,
}

impl Gathered {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes more bytes; if they end a record, `commit` gets it.
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8], commit: impl FnOnce(&[u8])) {
        let ends = bytes.last() == Some(&b'\n');
        if ends && self.bytes.is_empty() {
            return commit(bytes);
        }
        if self.bytes.is_empty() {
            self.generation = generation();
        }
        self.bytes.extend_from_slice(bytes);
        if ends {
            self.commit(commit);
        }
    }

    /// Ends the record that has no newline yet, if there is one.
    #[inline]
    pub(crate) fn end(&mut self, commit: impl FnOnce(&[u8])) {
        if !self.bytes.is_empty() {
            self.bytes.push(b'\n');
            self.commit(commit);
        }
    }

    /// Hands over a record that came in pieces. A child that was forked between two of them drops
    /// it: it is the parent's to write.
    fn commit(&mut self, commit: impl FnOnce(&[u8])) {
        if self.generation == generation() {
            commit(&self.bytes);
        }
        self.bytes.clear();
    }
}
