//! The thread that writes what is queued.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use super::format::Span;
use super::front::{Front, Phase, WorkerState};
use super::journal::Journal;
use super::lines::{self, Batch, Cursor};
use super::local::Local;
use super::recovery::Recovery;
use super::segment::Segment;
use crate::file::{BeforeWrite, PendingWrite};
use crate::notify::{Notice, Warning};
use crate::sink::{gap_line, Refused, Sink, Unwritten};
use crate::sys::{Instant, Mapping, MutexGuard};

/// Lines that no file takes are tried again after this time, and after twice the time with each
/// try, unless records are dropped meanwhile.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The same while a thread waits for them: a call that waits for `lock_wait` sees several tries.
pub(super) const WAITED_FOR_PAUSE: Duration = Duration::from_millis(2);

/// Callers that log more often than this need no system call to wake the worker: it rests for this
/// time, while their lines come together, and waits to be woken only if none have come. This delays
/// a line by at most this time.
const REST: Duration = Duration::from_micros(250);

/// A worker that writes lines looks for orphaned queues this often.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct Worker {
    sink: Arc<Sink>,
    local: Arc<Local>,
    /// What is done with lines that no file takes: a caller that runs the worker hands them over,
    /// as it does not wait.
    unwritten: Unwritten,
    journal: Option<RefCell<Journal<Mapping>>>,
    sequence: u64,
    ends: Vec<usize>,
    /// The last commit has failed, and `Front` says why.
    refused: bool,
    /// The last lines came soon after those before them.
    is_busy: bool,
    recovery: Recovery,
    recovered: Instant,
}

/// Writes what is queued until the queue is closed and empty.
pub(super) fn run(local: Arc<Local>, unwritten: Unwritten) {
    let Some((parts, sink)) = local.lock().take_parts() else {
        return;
    };
    if let Some((path, cause)) = parts.heap {
        sink.warn(Notice::warning(Warning::QueueOnHeap, &path, cause));
    }
    let recovery = Recovery::new(&sink);
    let mut worker = Worker {
        sink,
        local,
        unwritten,
        journal: parts.journal.map(RefCell::new),
        sequence: 1,
        ends: Vec::new(),
        refused: false,
        is_busy: false,
        recovery,
        recovered: Instant::now(),
    };
    let mut back = parts.segment;
    while worker.swap(&mut back) {
        worker.write(&back);
        back.close();
        worker.recover();
    }
    drop(back);
    let local = Arc::clone(&worker.local);
    // The file goes when nothing maps it any more.
    drop(worker);
    local.close(&mut local.lock());
}

impl Worker {
    /// Waits for lines, takes them and leaves the empty segment in their place. Returns false if the
    /// queue is closed and empty.
    fn swap(&mut self, back: &mut Segment) -> bool {
        let local = Arc::clone(&self.local);
        let mut front = local.lock();
        let began = Instant::now();
        // Lines that have come while others were written are probably not the last ones.
        self.is_busy |= self.sequence > 1 && front.segment.lines() > 0;
        if self.is_busy && front.may_fill() {
            front = local.sleep(front, WorkerState::Resting, Some(REST));
            self.is_busy = front.segment.lines() > 0;
        }
        while front.segment.lines() == 0 && front.missing == 0 {
            if front.phase == Phase::Closing {
                front.phase = Phase::Written;
                return false;
            }
            front = local.sleep(front, WorkerState::Asleep, None);
            self.is_busy = began.elapsed() < REST;
        }
        mem::swap(&mut front.segment, back);
        self.sequence += 1;
        front.segment.open(self.sequence);
        self.say_missing(&mut front);
        local.made_room(front);
        true
    }

    /// Puts the line for the dropped records into the new segment, before any other line.
    fn say_missing(&self, front: &mut Front) {
        if front.missing > 0 {
            let line = gap_line("the queue was full", front.missing, front.json);
            if front.segment.append(line.as_bytes(), false) {
                front.missing = 0;
                front.taken += 1;
            }
        }
    }

    /// Writes all lines of a segment to the log.
    fn write(&mut self, segment: &Segment) {
        let mut from = Cursor::START;
        let mut pause = FIRST_PAUSE;
        let mut limit = self.sink.options().queue_batch();
        let mut ends = mem::take(&mut self.ends);
        while let Some(batch) = lines::batch(segment.bytes(), from, limit, &mut ends) {
            let sequence = segment.sequence();
            let written = self.commit(sequence, from, &batch, &ends, self.unwritten);
            let next = match written {
                Ok(()) => batch.next,
                Err(refused) if refused.is_too_large && ends.len() > 1 => {
                    limit = batch.bytes.len() / 2;
                    from
                }
                Err(refused) => {
                    let skipped = lines::skip(&mut segment.bytes(), from, refused.left);
                    // The memory of this process has no error.
                    let (next, records) = skipped.unwrap_or((from, 0));
                    self.keep_left(sequence, from, next, records);
                    match next == from {
                        // No file can take a line of this length.
                        true if refused.is_too_large => {
                            let over =
                                self.commit(sequence, from, &batch, &ends, Unwritten::HandOver);
                            over.map_or(from, |()| batch.next)
                        }
                        true => {
                            self.pause(&mut pause, refused.cause);
                            from
                        }
                        false => next,
                    }
                }
            };
            if next != from {
                if mem::take(&mut self.refused) {
                    self.accepted();
                }
                self.local.made_progress((next.line - from.line) as u64);
                pause = FIRST_PAUSE;
            }
            from = next;
        }
        self.ends = ends;
    }

    /// Commits the lines to the log. An error says how many of their bytes stay in it.
    fn commit(
        &self,
        sequence: u64,
        from: Cursor,
        batch: &Batch<'_>,
        ends: &[usize],
        unwritten: Unwritten,
    ) -> Result<(), Refused> {
        let submit = |note: Option<BeforeWrite<'_>>| {
            let (bytes, records) = (batch.bytes, batch.records);
            self.sink
                .submit_queued(bytes, ends, records, note, unwritten)
        };
        let Some(journal) = &self.journal else {
            return submit(None);
        };
        let span = Span::between(sequence, from, batch.next);
        let note = |write: PendingWrite<'_>| journal.borrow_mut().note(span, &write);
        let written = submit(Some(&note));
        let mut journal = journal.borrow_mut();
        // Stores to a mapping do not fail.
        let _ = match &written {
            Ok(()) if unwritten == Unwritten::Keep => journal.done(),
            // The lines may have gone to the backlog, without a write.
            Ok(()) => journal.settle(Span::up_to(sequence, batch.next)),
            Err(refused) if refused.left == 0 => journal.cancel(),
            Err(_) => Ok(()),
        };
        written
    }

    /// Counts and notes the lines before `next`, which a failed commit has left in the log.
    fn keep_left(&self, sequence: u64, from: Cursor, next: Cursor, records: u64) {
        if next != from {
            self.sink
                .counters()
                .written
                .fetch_add(records, Ordering::Relaxed);
            if let Some(journal) = &self.journal {
                let _ = journal.borrow_mut().settle(Span::up_to(sequence, next));
            }
        }
    }

    /// Waits before the next try.
    fn pause(&mut self, pause: &mut Duration, cause: io::Error) {
        self.refused = true;
        let mut front = self.local.lock();
        let earlier = self.local.refuse(&mut front, cause);
        self.report_dropped(front, earlier);
        let front = self.local.lock();
        let length = match front.flushing + front.waiting {
            0 if front.waited_in_vain => FIRST_PAUSE,
            0 => *pause,
            _ => WAITED_FOR_PAUSE,
        };
        drop(self.local.sleep(front, WorkerState::Pausing, Some(length)));
        *pause = (*pause * 2).min(MAX_PAUSE);
    }

    /// Notes that a file takes lines again.
    fn accepted(&self) {
        let mut front = self.local.lock();
        let earlier = front.refused.take();
        front.waited_in_vain = false;
        self.report_dropped(front, earlier);
    }

    /// Reports the records that callers have dropped, because no file has taken lines for the reason
    /// `cause`.
    fn report_dropped(&self, mut front: MutexGuard<'_, Front>, cause: Option<io::Error>) {
        let dropped = mem::take(&mut front.unreported);
        drop(front);
        if let (Some(cause), 1..) = (cause, dropped) {
            self.sink.report_dropped(dropped, cause);
        }
    }

    fn recover(&mut self) {
        if self.recovered.elapsed() >= RECOVERY_INTERVAL {
            self.recovery.run(&self.sink);
            self.recovered = Instant::now();
        }
    }
}
