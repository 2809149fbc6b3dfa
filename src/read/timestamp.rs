//! A time of a record, and the time zone of times that name none.

use std::num::NonZeroI64;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time of a record in nanoseconds since 1970. Values from 0 on are stored one higher, so that
/// none is 0 and an `Option` is no larger. Times before 1677 and after 2262 are stored as the first
/// and the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(NonZeroI64);

/// The time zone of times without one: a function from civil time, in seconds as if it were UTC, to
/// the offset from UTC in seconds. The default is UTC.
#[derive(Clone, Default)]
pub(crate) struct Zone(Option<Arc<Offset>>);

type Offset = dyn Fn(i64) -> i64 + Send + Sync;

impl Zone {
    pub(crate) fn new(offset: impl Fn(i64) -> i64 + Send + Sync + 'static) -> Self {
        Zone(Some(Arc::new(offset)))
    }

    pub(crate) fn offset(&self, civil: i64) -> i64 {
        self.0.as_ref().map_or(0, |offset| offset(civil))
    }
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zone").finish_non_exhaustive()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Timestamp::of_nanos(match time.duration_since(UNIX_EPOCH) {
            Ok(since) => nanos(since),
            Err(before) => -nanos(before.duration()),
        })
    }
}

impl Timestamp {
    pub(crate) fn new(seconds: i64, nanos: u32) -> Self {
        let seconds = seconds.saturating_mul(1_000_000_000);
        Timestamp::of_nanos(seconds.saturating_add(nanos.into()))
    }

    fn of_nanos(nanos: i64) -> Self {
        let stored = if nanos < 0 {
            nanos
        } else {
            nanos.saturating_add(1)
        };
        Timestamp(NonZeroI64::new(stored).unwrap_or(NonZeroI64::MIN))
    }

    /// A number that stands for it, which is not 0.
    pub(crate) fn stored(self) -> i64 {
        self.0.get()
    }

    /// The time that a number stands for; `None` of 0.
    pub(crate) fn of_stored(stored: i64) -> Option<Self> {
        NonZeroI64::new(stored).map(Timestamp)
    }

    fn nanos(self) -> i64 {
        match self.0.get() {
            stored @ 1.. => stored - 1,
            stored => stored,
        }
    }

    /// The whole seconds since 1970.
    pub(crate) fn seconds(self) -> i64 {
        self.nanos().div_euclid(1_000_000_000)
    }

    pub(crate) fn to_system_time(self) -> Option<SystemTime> {
        let nanos = Duration::from_nanos(self.nanos().unsigned_abs());
        match self.nanos() {
            0.. => UNIX_EPOCH.checked_add(nanos),
            _ => UNIX_EPOCH.checked_sub(nanos),
        }
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Timestamp::of_nanos(self.nanos().saturating_add(nanos))
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Timestamp::of_nanos(self.nanos().saturating_sub(nanos))
    }

    /// The time of a JSON number: since 1970, in the largest unit with which it is before the year
    /// 5138.
    pub(crate) fn of_integer(number: u64) -> Option<Self> {
        const LARGEST: u64 = 100_000_000_000;
        let per_second = [1, 1_000, 1_000_000, 1_000_000_000]
            .into_iter()
            .find(|per_second| number / per_second < LARGEST)?;
        let nanos = u32::try_from(number % per_second * (1_000_000_000 / per_second)).ok()?;
        let seconds = i64::try_from(number / per_second).ok()?;
        Some(Timestamp::new(seconds, nanos))
    }

    /// The same for a number with a fraction.
    pub(crate) fn of_float(number: f64) -> Option<Self> {
        const LARGEST: f64 = 1e11;
        if !(0.0..LARGEST * 1e9).contains(&number) {
            return None;
        }
        let per_second = [1_u64, 1_000, 1_000_000, 1_000_000_000]
            .into_iter()
            .find(|per_second| number / (*per_second as f64) < LARGEST)?;
        let (whole, fraction) = (number.trunc() as u64, number.fract());
        let nanos_each = 1_000_000_000 / per_second;
        let nanos = (whole % per_second) * nanos_each + (fraction * nanos_each as f64) as u64;
        let seconds = i64::try_from(whole / per_second).ok()?;
        Some(Timestamp::new(seconds, u32::try_from(nanos).ok()?))
    }
}
