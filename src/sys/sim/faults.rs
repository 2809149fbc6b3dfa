//! What goes wrong by chance, and the bugs that are planted to see the simulation find them.

use std::fmt;

use super::ids::ProcessId;

/// A bug in the operating system's answers that acts as one of the log would: the check that the
/// log makes, or the caution that it takes, has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// A lock that another process holds is granted.
    LockIgnored,
    /// The check after the lock takes any file at the path for the one that is open.
    IsAtSkipped,
    /// The start of a record that did not get whole stays, as if it had been taken back.
    NoRollback,
    /// A directory that is listed twice is read once.
    ListedOnce,
    /// A rename to a new name replaces what is there.
    RenameReplaces,
    /// Files are not opened for appending.
    NoAppend,
    /// An archive is removed or compressed at once, without the two observations.
    NoGrace,
    /// A thread that was to be started never runs.
    ThreadLost,
    /// Who recovers a queue does not see what its owner was about to write.
    IntentIgnored,
    /// A forked child takes its parent's locks and queue for its own.
    GenerationIgnored,
}

impl Planted {
    pub(crate) const ALL: [Planted; 10] = [
        Planted::LockIgnored,
        Planted::IsAtSkipped,
        Planted::NoRollback,
        Planted::ListedOnce,
        Planted::RenameReplaces,
        Planted::NoAppend,
        Planted::NoGrace,
        Planted::ThreadLost,
        Planted::IntentIgnored,
        Planted::GenerationIgnored,
    ];
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Planted::LockIgnored => "a lock that another process holds is ignored",
            Planted::IsAtSkipped => {
                "after the lock it is not checked that the file is still the one at the path"
            }
            Planted::NoRollback => "the start of a record that did not get whole is not taken back",
            Planted::ListedOnce => "a directory is listed once instead of twice",
            Planted::RenameReplaces => "a rename to a new name replaces what is there",
            Planted::NoAppend => "files are not opened for appending",
            Planted::NoGrace => "archives are removed or compressed at first sight",
            Planted::ThreadLost => "a thread that was started never runs",
            Planted::IntentIgnored => {
                "a queue is recovered without the note of what was being written"
            }
            Planted::GenerationIgnored => {
                "a forked child takes its parent's locks and queue for its own"
            }
        })
    }
}

/// The kinds of operations, by the errors that they can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Open,
    Create,
    Lock,
    Read,
    Write,
    Truncate,
    Sync,
    Stat,
    List,
    Rename,
    Remove,
    Spawn,
    /// It never fails.
    Other,
}

/// How often what goes wrong: once in that number of operations, 0 is never.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) kill: u64,
    pub(crate) kills_left: u32,
    /// In that number of pauses between two records.
    pub(crate) fork: u64,
    pub(crate) forks_left: u32,
    /// Of that number of forks: the child can start no thread that begins.
    pub(crate) threadless: u64,
    pub(crate) stop: u64,
    pub(crate) longest_stop: u64,
    pub(crate) delay: u64,
    pub(crate) longest_delay: u64,
    pub(crate) clock_jump: u64,
    pub(crate) error: u64,
    pub(crate) short_write: u64,
    /// An error of the truncation that would take a piece of a record back.
    pub(crate) no_truncation: u64,
    /// Until then no thread is kept off the processor for long once more: twice in a row would be
    /// longer than the log says that it may be.
    pub(crate) rested_at: u64,
    /// The file system has no locks.
    pub(crate) no_locks: bool,
    /// After this time, in nanoseconds, nothing goes wrong any more.
    pub(crate) until: u64,
    /// The processes from this one on are not disturbed.
    pub(crate) spared: ProcessId,
    /// What this process takes away is no fault of the log.
    pub(crate) stranger: Option<ProcessId>,
    /// By how much the wall clock was set ahead.
    pub(crate) wall_offset: i64,
    /// The resolution of the times of files, in nanoseconds.
    pub(crate) resolution: u64,
    /// How often an error was answered, and a write was cut short.
    pub(crate) errors: u64,
    pub(crate) kills: u64,
    pub(crate) forks: u64,
    /// A child that was forked had the lock of a file whose thread it did not have.
    pub(crate) left_locked: bool,
}

impl Faults {
    pub(crate) fn may_disturb(&self, process: ProcessId) -> bool {
        process < self.spared
    }

    pub(crate) fn take_kill(&mut self) -> bool {
        let may = self.kills_left > 0;
        if may {
            self.kills_left -= 1;
            self.kills += 1;
        }
        may
    }
}
