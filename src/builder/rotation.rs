//! When a file is rotated.

use super::Builder;
use crate::file::{Calendar, Period};

/// # Rotation
impl Builder {
    /// Rotates a file before a record that would make it larger than `bytes`. Default: never.
    ///
    /// The file is renamed, under its lock: `app.log` to `app.2026-11-23T07-55-01.123456Z.log`,
    /// with the time in UTC. A new file takes the record. No
    /// record is split; one that is larger than `bytes` gets a file of its own. Variants rotate
    /// like the primary, and of a symbolic link the file that it leads to.
    ///
    /// Several processes rotate one path together, each when its own options say so, and lose
    /// nothing. A rename that fails is said once, as a WARN event; the file is written on and tried
    /// again a second later. Where the file system has no locks nothing is rotated, nor is what has
    /// a name under `/proc`, as `/dev/stdout` has.
    ///
    /// The new file has the owner and the permissions of the process that makes it, not those of
    /// the old one: where processes of several users share a log, see to it that all may write what
    /// each of them makes (`mode` with the umask, or a default ACL).
    ///
    /// It costs one more system call a record, to look at the file.
    pub fn max_file_size(mut self, bytes: u64) -> Self {
        self.options.max_file_size = Some(bytes);
        self
    }

    /// Rotates a file before the first record of a new period, as
    /// [`max_file_size`](Self::max_file_size) does it. Default: never.
    ///
    /// The period of a file is that of its last change, so a log that was written yesterday is
    /// rotated by a program that starts today. A clock that is set back rotates nothing. Neither
    /// does a period whose first record comes from a program without this option: the file's last
    /// change is in the new period then, so give it to all that write the log.
    ///
    /// An appender rotates by period once in each at most, also where the clock of the files is
    /// behind: a coarse one, or that of a network disk. There each of several processes may do it
    /// once.
    pub fn rotate_every(mut self, period: Period) -> Self {
        self.options.calendar = Some(Calendar::new(period));
        self
    }
}
