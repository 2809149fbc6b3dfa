//! The header of a new file: the program's function that makes it is called with none of this
//! crate's locks held, as it may log or take its time.
//!
//! Whether a header is due is known only under the file's lock. Then the commit is given up, the
//! locks are released, the text is made, and the commit is tried once more.

use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use crate::file::Header;
use crate::sys;

/// What makes the text of a header.
pub(crate) struct MakeHeader(Box<dyn Fn() -> String + Send + Sync>);

sys::thread_local! {
    /// This thread is making the text of a header.
    static IN_HEADER: Cell<bool> = const { Cell::new(false) };
}

/// The state of the header of a new file in one turn.
#[derive(Debug, Default)]
pub(super) enum HeaderText {
    /// There is none.
    #[default]
    Absent,
    /// A commit that needs it is given up.
    Unknown,
    /// A commit has been given up for it.
    Wanted,
    /// Of a file that has just been found empty.
    Known(String),
}

impl HeaderText {
    #[inline]
    pub(super) fn for_commit(&self) -> Header<'_> {
        match self {
            HeaderText::Absent => Header::Absent,
            HeaderText::Unknown | HeaderText::Wanted => Header::Unknown,
            HeaderText::Known(text) => Header::Known(text),
        }
    }
}

impl MakeHeader {
    pub(crate) fn new(make: impl Fn() -> String + Send + Sync + 'static) -> Self {
        MakeHeader(Box::new(make))
    }

    /// Whole lines, or nothing. A panic, which the panic hook reports, makes no header: a log call
    /// does not panic.
    #[cold]
    pub(super) fn text(&self) -> String {
        IN_HEADER.set(true);
        let text = panic::catch_unwind(AssertUnwindSafe(|| (self.0)()));
        IN_HEADER.set(false);
        let mut text = text.unwrap_or_default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

impl fmt::Debug for MakeHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MakeHeader")
    }
}

/// Returns true if a record that comes now is one that the program's function for the header logs.
/// It can't have the header that is being made, so it waits in the backlog.
pub(crate) fn is_in_header() -> bool {
    IN_HEADER.get()
}
