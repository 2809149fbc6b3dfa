//! One file of the family: how it is opened, locked, rotated and appended to.

mod append;
mod calendar;
mod commit;
mod error;
mod header;
mod lock;
mod open;
mod period;
mod request;
mod rotate;
mod tail;

pub use append::SyncPolicy;
pub(crate) use append::{BeforeWrite, Payload, PendingWrite};
pub(crate) use calendar::Calendar;
#[cfg(feature = "local-time")]
pub use calendar::TimeZone;
pub(crate) use commit::{commit, CommitOptions};
pub(crate) use error::CommitError;
pub(crate) use header::Header;
pub(crate) use lock::with_lock;
pub use period::{Minutes, Period, PeriodError};
pub(crate) use request::rotate_on_request;
pub(crate) use rotate::{Backoff, FamilyFile, Rotation, Rotations};
pub(crate) use tail::{LastCommit, Tail, TailCheck};
