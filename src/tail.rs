//! What is known of the current file's end, and with it, whether a killed writer may have left a
//! torn line there.

use std::time::{Duration, Instant};

use crate::commit::{Look, Outlook};
use crate::sys;

/// After having met another process, at the lock or by what it has written, an appender reckons for
/// so many commits with one that was killed in mid-write. One that meets none looks for it once in
/// so many.
const DOUBTS: u32 = 1_000;

/// A killed process needs longer than that to let go of a lock, the time in which it got the lock
/// and began to write not counted: 11 µs or more in 6,000 cases, for a program that does nothing
/// else (Linux 6.18, tmpfs, 64 KiB writes). So nobody can have got the lock and died with it where
/// no more time than that has passed between two of our own turns.
const NOBODY_DIES_WITHIN: Duration = Duration::from_micros(5);

#[derive(Debug)]
pub(crate) struct Tail {
    /// For so many commits more the file is [`Outlook::Doubtful`].
    doubts: u32,
    /// There is a limit on the size of files, so that no commit may do without a look at its length.
    limited: bool,
    /// So many commits were made since without a look at the file.
    unlooked: u32,
    /// Where the file ends if nobody else has written, as far as that can be told.
    end: Option<u64>,
    last: Last,
}

/// An appender's last commit to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// There is none, or the file may have changed since.
    Unknown,
    /// The file ended there, in its newline. (One that was cut since and has grown to the same length
    /// is taken for whole.)
    Whole { end: u64, locked: Instant },
    /// It failed, and a piece of it is at the file's end, without a newline.
    Piece,
}

impl Last {
    /// Where the file ended after it.
    pub(crate) fn end(self) -> Option<u64> {
        match self {
            Last::Whole { end, .. } => Some(end),
            _ => None,
        }
    }

    /// Whether the file need not be looked at, under a lock taken at `now`.
    pub(crate) fn holds_at(self, now: Instant) -> bool {
        let Last::Whole { locked, .. } = self else {
            return false;
        };
        let passed = now.duration_since(locked);
        // A clock that has not moved may be a coarse one.
        !passed.is_zero() && passed < NOBODY_DIES_WITHIN
    }
}

impl Tail {
    /// Of a file of that length, or of one that does not exist.
    pub(crate) fn new(length: Option<u64>) -> Self {
        Tail {
            doubts: 1,
            limited: sys::read_size_limit() < u64::MAX,
            unlooked: 0,
            end: length.or(Some(0)),
            last: Last::Unknown,
        }
    }

    /// Of a file that others may be writing to.
    pub(crate) fn shared() -> Self {
        Tail {
            doubts: DOUBTS,
            limited: sys::read_size_limit() < u64::MAX,
            unlooked: 0,
            end: None,
            last: Last::Unknown,
        }
    }

    pub(crate) fn outlook(&self) -> Outlook {
        match self {
            Tail { doubts: 0, .. } => Outlook::Known,
            Tail { last, .. } => Outlook::Doubtful { last: *last },
        }
    }

    /// A commit of so many bytes was made.
    pub(crate) fn committed(&mut self, bytes: usize, look: Option<Look>) {
        self.last = Last::Unknown;
        match look {
            Some(Look {
                before,
                after,
                locked,
            }) => {
                let others_wrote = self.end.is_some_and(|end| end != before);
                self.doubts = match (others_wrote, self.limited) {
                    (true, _) => DOUBTS,
                    (false, true) => self.doubts.saturating_sub(1).max(1),
                    (false, false) => self.doubts.saturating_sub(1),
                };
                self.end = Some(after);
                self.last = Last::Whole { end: after, locked };
            }
            None => {
                self.end = self.end.map(|end| end + bytes as u64);
                self.unlooked += 1;
                if self.unlooked >= DOUBTS {
                    self.unlooked = 0;
                    self.doubts = 1;
                    self.limited = sys::read_size_limit() < u64::MAX;
                }
            }
        }
    }

    /// The file did not take a record, or took a piece of it.
    pub(crate) fn refused(&mut self, left_piece: bool) {
        self.doubts = DOUBTS;
        // Nothing but a commit ends what an earlier one has left.
        self.last = match self.last {
            Last::Piece => Last::Piece,
            _ if left_piece => Last::Piece,
            _ => Last::Unknown,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(before: u64, after: u64) -> Option<Look> {
        let locked = Instant::now();
        Some(Look {
            before,
            after,
            locked,
        })
    }

    #[test]
    fn who_meets_nobody_looks_once_in_a_thousand() {
        let mut tail = Tail::new(None);
        assert_eq!(
            tail.outlook(),
            Outlook::Doubtful {
                last: Last::Unknown
            }
        );
        tail.committed(10, look(0, 10));
        for round in 0..3 {
            for n in 0..DOUBTS {
                assert_eq!(tail.outlook(), Outlook::Known, "{round} {n}");
                tail.committed(10, None);
            }
            assert_eq!(
                tail.outlook(),
                Outlook::Doubtful {
                    last: Last::Unknown
                }
            );
            let end = (round + 1) * 10_010;
            tail.committed(10, look(end, end + 10));
        }
    }

    #[test]
    fn others_are_known_by_what_they_write_and_by_their_lock() {
        for meet in [
            |tail: &mut Tail| tail.committed(10, look(20, 30)),
            |tail: &mut Tail| {
                tail.refused(false);
                tail.committed(10, look(10, 30));
            },
        ] {
            let mut tail = Tail::new(Some(0));
            tail.committed(10, look(0, 10));
            assert_eq!(tail.outlook(), Outlook::Known);
            meet(&mut tail);
            let mut looks = 1;
            while let Outlook::Doubtful { .. } = tail.outlook() {
                tail.committed(10, look(20 + looks * 10, 30 + looks * 10));
                looks += 1;
            }
            assert!((1_000..=1_001).contains(&looks), "{looks}");
        }
    }

    #[test]
    fn a_refusal_ends_what_the_last_commit_tells() {
        let mut tail = Tail::shared();
        tail.committed(10, look(0, 10));
        let Outlook::Doubtful { last } = tail.outlook() else {
            panic!("{tail:?}");
        };
        let Last::Whole { end: 10, locked } = last else {
            panic!("{last:?}");
        };
        assert!(last.holds_at(locked + NOBODY_DIES_WITHIN / 2));
        assert!(!last.holds_at(locked + NOBODY_DIES_WITHIN));
        assert!(!last.holds_at(locked), "a coarse clock");
        tail.refused(false);
        assert_eq!(
            tail.outlook(),
            Outlook::Doubtful {
                last: Last::Unknown
            }
        );
    }
}
