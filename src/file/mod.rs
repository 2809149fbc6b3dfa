//! One file of the family: how it is opened, locked, rotated and appended to.

mod append;
mod commit;
mod error;
mod lock;
mod open;
mod period;
mod rotate;
mod tail;

pub use append::SyncPolicy;
pub(crate) use append::{BeforeWrite, Payload, PendingWrite};
pub(crate) use commit::{commit, CommitOptions};
pub(crate) use error::CommitError;
pub(crate) use lock::with_lock;
pub use period::Period;
pub(crate) use rotate::{Backoff, FamilyFile, Rotation};
pub(crate) use tail::{LastCommit, Tail, TailCheck};
