//! What stands before the first record of a file.

/// What a new file begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Header<'a> {
    /// A record.
    #[default]
    Absent,
    /// A text that has yet to be made: a commit to a new file fails.
    Unknown,
    /// Whole lines.
    Known(&'a str),
}
