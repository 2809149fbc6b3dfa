//! One file of the family: how it is opened, locked, rotated and appended to.

mod append;
mod backoff;
mod calendar;
mod commit;
mod due;
mod error;
mod header;
mod lock_if_supported;
mod open;
mod options;
mod period;
mod rename;
mod room_on_disk;
mod rotate;
mod torn_line;

pub(crate) use backoff::Backoff;
pub(crate) use calendar::Calendar;
#[cfg(feature = "local-time")]
pub use calendar::TimeZone;
pub(crate) use commit::commit;
pub(crate) use due::{Rotation, Rotations};
pub(crate) use error::CommitError;
pub(crate) use header::Header;
pub(crate) use lock_if_supported::with_lock;
pub use options::SyncPolicy;
pub(crate) use options::{BeforeWrite, Commit, CommitOptions, Payload, PendingWrite};
pub use period::{Minutes, Period, PeriodError};
pub(crate) use rename::FamilyFile;
pub(crate) use rotate::rotate_on_request;
pub(crate) use torn_line::{LastCommit, Tail, TailCheck};
