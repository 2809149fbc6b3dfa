//! How long a call waits for the lock of the current file. It uses no clock and no file: the caller
//! passes what it has observed.

use std::time::Duration;

/// The first pause between two tries of a lock, but at most this part of `lock_wait`.
const FIRST_PAUSE: Duration = Duration::from_micros(250);
const FIRST_PAUSE_PART: u32 = 40;
const SHORTEST_PAUSE: Duration = Duration::from_micros(10);

/// The first pause of a caller that writes flat out is this many times as long.
const FLAT_OUT_FACTOR: u32 = 6;

/// Pauses grow to this part of the time waited, and up to this bound.
const PAUSE_PART: u32 = 6;
const LONGEST_PAUSE: Duration = Duration::from_millis(4);

/// A pause is at least this many times as long as the last one came late.
const PAUSES_PER_DELAY: u32 = 2;

/// The shortest time between two looks at the file, as a part of `lock_wait`, and where only the load
/// prolongs the wait. The longest is three times as long.
const LOOK_PART: u32 = 6;
const LOOK_PART_IN_LOAD: u32 = 20;

/// The wait for a file that changes ends after this many times `lock_wait`.
const MAX_BUSY_WAITS: u32 = 30;

/// The time that a thread which the system has taken off the processor may wait for each other
/// thread that wants it: a time slice of Linux is 3 to 4 ms, and some threads come several times
/// before it.
const TURN: Duration = Duration::from_millis(20);

/// With this number of runnable threads for each processor a holder is back before `lock_wait` is
/// over.
const TOLERATED_LOAD: f32 = 2.0;

/// What a call that waits has observed of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waited {
    /// The time since the first try, without the time by which sleeps and yields came late.
    pub(super) time: Duration,
    /// The time by which the last sleep came late.
    pub(super) delay: Duration,
}

/// What a call does between two tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    Sleep(Duration),
    /// Lets another thread have the processor.
    Yield,
}

/// What a waiting call has observed of the file since its last observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Look {
    /// Somebody has written to it or rotated it.
    Changed,
    /// Nobody has. `load` is the number of runnable threads for each processor, 0 if unknown.
    Unchanged { load: f32 },
}

/// The wait of one call: a file is left when another program holds its lock without writing, not
/// when the file is busy.
///
/// Processes of this crate hold the lock for microseconds at a time; a foreign holder sits on it.
/// `lock_wait` (10 ms by default) without a change of the file means a foreign holder. The file is
/// busy if:
///
/// - **The file changes.** Others are committing. The wait goes on, until the file has been the same
///   for `lock_wait`; in all it takes at most [`MAX_BUSY_WAITS`] times `lock_wait`, so that a program
///   which writes and keeps the lock is left too.
/// - **Sleeps and yields come late.** The machine gives this process no processor, so maybe not the
///   holder either. That time does not count.
/// - **The processors are overloaded** (Linux says so). A holder that is taken off its processor
///   stops everybody, while pauses of those who sleep most of the time still come in time. Three
///   runnable threads or more for each processor prolong the wait by [`TURN`] for each but the first
///   two. It is the mean of all looks since the last change, rounded, and the looks are at random
///   times: four writers that wait for a foreign lock and look together count 5 or 6 runnable threads
///   on 2 processors, of which they are 4. A single look took that for an overload, and the longest
///   of their calls was 16 to 31 ms; with several looks it is 11 ms.
///
/// The time between two looks that find no change, without an overload, is the time in which somebody
/// sat on the lock. [`super::current`] adds it up over the calls, for a holder that always lets go
/// just in time.
///
/// The tries of hundreds of waiting processes take the processor away from the holder. So pauses
/// grow with the time waited, and with the delay of the last one.
///
/// A thread that wakes up often preempts the holder on its processor, and no try has success until the
/// holder runs again. So a try that fails after a sleep is repeated after a yield. (8 processes flat
/// out on Linux 6.18: 0.3 of the tries after a sleep have success, 0.3 of those after a yield, and 0.14
/// of those that follow at once. 200 processes: 1.5 times as many records.) Beside threads that never
/// rest a yield takes a time slice: [`super::lock_watch`] notices that, and the call repeats its tries
/// at once.
///
/// A caller that writes flat out has just had the lock, and each time that the lock moves to another
/// processor, the file's state has to as well. So the first sleep of this caller is longer. (8
/// processes write 0.86 of the records of one alone, and 0.8 without that.) For a caller that writes
/// now and then it would be the better part of the wait.
///
/// Figures (Linux, 2 cores, ext4, records of 80 bytes, 10 runs of one second, `lock_wait` 10 ms; files,
/// and the median of the longest calls; the test `processes::busy` makes them):
///
/// | processes flat out | tries 250 µs apart for `lock_wait` | this policy |
/// |---|---|---|
/// | 8 | 1–5 files, 22 ms | 1 file, 13 ms |
/// | 32 | 1–14 files, 89 ms | 1 file, 21 ms |
/// | 200 | 33–42 files, 485 ms | 1 file, 62 ms |
/// | 8 beside 4 busy loops | 6–8 files, 48 ms | 1 file, 58 ms |
/// | 32 beside 4 busy loops | 12–15 files, 108 ms | 1 file, 65 ms |
/// | 200 beside 4 busy loops | 34–43 files, 458 ms | 1 file, 113 ms |
///
/// Tried and left: the holder's state in `/proc/locks` and `/proc/PID/stat` says more, but to read
/// `/proc/locks` stops all `flock` calls of the machine for milliseconds (a grace period of RCU). A
/// first pause that depends on the last wait, or pauses without a bound, keep the unlucky ones
/// waiting: 60 ms instead of 5 ms with 8 processes.
/// Tries on one handle for 10 µs after a sleep: with 8 processes the longest call is 4 to 6 ms instead
/// of 6 to 8 ms, but 32 commit a fifth less, and with 200 the longest call is 160 ms instead of 110 ms.
/// A yield before the first sleep: 32 commit a fifth more, but 32 that write each millisecond beside 4
/// busy loops have calls of 16 to 23 ms instead of 5 to 9 ms.
#[derive(Debug)]
pub(super) struct LockWait {
    lock_wait: Duration,
    /// When the file is observed next, and when it was last found changed.
    next_look: Duration,
    changed: Duration,
    /// The load since then.
    load: Load,
    /// The last look.
    looked: Duration,
    unchanged: Duration,
    first_pause: Duration,
    /// The last pause was a sleep, not a yield.
    has_slept: bool,
}

impl LockWait {
    pub(super) fn new(lock_wait: Duration) -> Self {
        LockWait {
            lock_wait,
            next_look: lock_wait / LOOK_PART,
            changed: Duration::ZERO,
            load: Load::default(),
            looked: Duration::ZERO,
            unchanged: Duration::ZERO,
            first_pause: (lock_wait / FIRST_PAUSE_PART).clamp(SHORTEST_PAUSE, FIRST_PAUSE),
            has_slept: false,
        }
    }

    /// The wait of a caller that has written flat out until now.
    pub(super) fn flat_out(self) -> Self {
        LockWait {
            first_pause: self.first_pause * FLAT_OUT_FACTOR,
            ..self
        }
    }

    /// Returns the pause until the next try; `None` if the wait is over.
    pub(super) fn next(&mut self, waited: Waited, look: impl FnOnce() -> Look) -> Option<Pause> {
        let Waited { time, delay } = waited;
        let left = self
            .lock_wait
            .saturating_mul(MAX_BUSY_WAITS)
            .saturating_sub(time);
        if left.is_zero() {
            return None;
        }
        if time >= self.next_look {
            match look() {
                Look::Changed => {
                    self.changed = time;
                    self.load = Load::default();
                }
                Look::Unchanged { load } => {
                    self.load.add(load);
                    let excess = self.load.excess();
                    if excess == 0 {
                        self.unchanged += time - self.looked;
                    }
                    let turns = TURN * excess;
                    if time - self.changed >= self.lock_wait.saturating_add(turns) {
                        return None;
                    }
                }
            }
            self.looked = time;
            self.next_look = self.look_after(time);
        }
        self.has_slept = !self.has_slept;
        if !self.has_slept {
            return Some(Pause::Yield);
        }
        let pause = (time / PAUSE_PART).clamp(self.first_pause, LONGEST_PAUSE);
        let pause = pause.min(self.next_look - time).min(left);
        // A process that was stopped, for an hour maybe, does not pause for as long again.
        let pause = pause.max(delay.saturating_mul(PAUSES_PER_DELAY).min(left));
        Some(Pause::Sleep(pause))
    }

    /// The part of the wait in which the file did not change, and the machine was not overloaded: the
    /// lock was not one of siblings that were writing.
    pub(super) fn unchanged(&self) -> Duration {
        self.unchanged
    }

    /// When the file is looked at after a look at `time`.
    ///
    /// Waiting processes that wake up together are a load of their own for an instant. So they look
    /// at different times, and after `lock_wait` without a change, where only the load keeps the call
    /// here, soon again.
    fn look_after(&self, time: Duration) -> Duration {
        let at_random =
            |shortest: Duration| time + shortest / 100 * (100 + time.subsec_nanos() % 200);
        let end = self.changed.saturating_add(self.lock_wait);
        match time < end {
            true => at_random(self.lock_wait / LOOK_PART).min(end),
            false => at_random(self.lock_wait / LOOK_PART_IN_LOAD),
        }
    }
}

/// The load at several looks.
#[derive(Debug, Default)]
struct Load {
    sum: f32,
    looks: f32,
}

impl Load {
    fn add(&mut self, load: f32) {
        self.sum += load;
        self.looks += 1.0;
    }

    /// By how much the mean exceeds what is tolerated, rounded.
    fn excess(&self) -> u32 {
        (self.sum / self.looks - TOLERATED_LOAD).round() as u32
    }
}

#[cfg(test)]
#[path = "lock_wait_tests.rs"]
mod tests;
