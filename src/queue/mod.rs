//! The queue of [`FileAppender::non_blocking`](crate::FileAppender::non_blocking): callers append
//! records to it, and a thread writes them to the log.
//!
//! # In memory
//!
//! There are two segments of bytes. Callers append to the *front* under a short lock; the worker
//! swaps it with its own, the *back*, and writes that one to the log, in commits of at most 256 KiB.
//! So a record comes before each record whose call began after its own had returned.
//!
//! While nothing is queued the worker sleeps, and the next call wakes it with a system call. While
//! calls follow one another within 250 us, it rests for that time instead, and the calls need no
//! system call; a full quarter of a segment, a `flush` and the end of the queue wake it earlier.
//!
//! # In a file
//!
//! The segments lie in a file beside the log, mapped and shared, so that what a call has copied is
//! in the page cache and stays there when the process is killed. Its blocks are allocated; its
//! owner has it locked for as long as it lives, and removes it at the end. A queue file that nobody
//! has locked is an *orphan*: a process that finds one *recovers* it, which means that it writes
//! its lines to the log.
//!
//! The file is a header, in which two *slots* say what is in the log, and the two segments. A
//! segment is a header (a byte that says if it is in use, its sequence number), lines one after the
//! other and, from its end backwards, a table of where each line ends. What has to change at one
//! instant is a single byte, and the compiler keeps the stores before it there
//! ([`lines::in_order`]); a processor kills a thread between two instructions. Killed at any
//! instant, a process leaves:
//!
//! | killed | what is there | the record |
//! |---|---|---|
//! | while a line is copied | bytes without an entry | its call has not returned: it is not there |
//! | after its entry's last byte | the line | is recovered |
//! | while a segment is taken out of use | it is marked as unused before its table is emptied | all of it was in the log |
//! | while the file is made | no magic | there is none; the file is removed |
//!
//! # Exactly once
//!
//! A commit is a write to the log, and can't happen at the same instant as a change of the queue
//! file. So before the write, with the log's lock held, the worker *notes* in a slot which lines it
//! is about to write, and where: the file's identity and number, the offset, a newline before them
//! or not. After the write one byte of the slot says that it is *done*. The slot with the higher
//! number counts, and the next note is written over the other one. A slot that is being written has
//! the state "empty", and the other one counts until it is complete.
//!
//! | the slot that counts | the lines |
//! |---|---|
//! | done, up to a place in a segment | before it all are in the log, behind it none |
//! | noted, from one place to another | before it all are in the log, behind it none; those between, as the file says |
//!
//! The owner is gone, so what the log's file shows of a noted write does not change, except for
//! what others append. The recoverer finds the file by its identity, as it may have been rotated or
//! renamed since, or a compressed archive by its contents, and compares the bytes from the offset
//! on with the lines:
//!
//! | there is | so |
//! |---|---|
//! | all of them | they are done |
//! | nothing, or something else | none of them was written |
//! | their first bytes, and the file ends there | this piece is cut off, under the file's lock; none was written |
//! | their first bytes, and something else behind | the piece stays; its whole lines are done |
//! | no such file any more | none of them was written: they would be gone with it |
//!
//! It notes the answer in a slot, and then writes the remaining lines as the worker does, with
//! notes in the same slots. Killed in between, it leaves a queue file from which the next recoverer
//! finds the same: a piece that is cut off reads as nothing written, and every other answer is the
//! same the second time. Two recoverers exclude each other by the file's lock.
//!
//! A program that only reads an orphan changes nothing. It has the orphan locked while it opens the
//! log's files, so that each record is either in one of them or in the queue. The whole lines of a
//! piece that a recoverer would cut off count as done, as the program finds them in the log's file.
//!
//! Some cases are not detected. If the owner was killed between its note and its write, and another
//! process wrote the same bytes at the same offset, they are taken for the queue's lines. Lines are
//! written again that are in a file which was moved out of the log's directory, or out of which the
//! link at the log's path no longer leads; in an archive that is damaged; and, by a process without the
//! feature `gzip`, in a compressed archive.

mod file;
mod format;
mod front;
mod journal;
mod lines;
mod local;
mod non_blocking;
#[cfg(feature = "read")]
mod read_orphans;
mod recovery;
mod resolve;
mod segment;
mod segment_file;
mod worker;

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use self::front::{Front, Phase, WorkerState};
use self::local::{Local, Waited};
pub(crate) use self::non_blocking::pair;
pub use self::non_blocking::{NonBlocking, QueueWriter, WorkerGuard};
#[cfg(feature = "read")]
pub(crate) use self::read_orphans::{orphans, OrphanedQueue};
pub(crate) use self::recovery::recover;
use crate::notify::{self, Origin};
use crate::sink::{is_in_header, is_json, Sink, Unwritten};
use crate::sys::{start, Instant, MutexGuard, PerProcess};

/// The queue of one call of `non_blocking`.
#[derive(Debug)]
pub(crate) struct Queue {
    sink: Arc<Sink>,
    /// A forked child has one of its own.
    local: PerProcess<Arc<Local>>,
    /// The guard is gone.
    closed: AtomicBool,
}

impl Queue {
    pub(crate) fn new(sink: Arc<Sink>) -> Self {
        let local = new_local(&sink);
        sink.counters().set_queue(local.place());
        Queue {
            local: PerProcess::new(Arc::new(local)),
            sink,
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn sink(&self) -> &Arc<Sink> {
        &self.sink
    }

    #[inline]
    fn local(&self) -> &Arc<Local> {
        self.local.get_or(|parent| {
            parent.disown();
            Arc::new(match self.closed.load(Ordering::Relaxed) {
                true => Local::closed(),
                false => {
                    let mut own = new_local(&self.sink);
                    own.is_of_child = true;
                    own
                }
            })
        })
    }

    /// Takes a record: when it returns, the record is in the queue or in a file, or is counted as
    /// dropped.
    #[inline]
    pub(crate) fn push(&self, record: &[u8]) {
        let local = self.local();
        let mut front = local.lock();
        loop {
            let is_taken = match front.phase {
                Phase::Open => true,
                // The notices that the last lines have caused are still queued, and every record if
                // no file takes those lines.
                Phase::Closing => {
                    front.refused.is_some()
                        || notify::are_notices(Origin::Caller, record, &[record.len()])
                }
                Phase::Written | Phase::Closed => false,
            };
            let can_fit = record.len() <= local.capacity;
            if !is_taken || !can_fit {
                front = match self.write_through(local, front, record) {
                    None => return,
                    Some(front) if can_fit => front,
                    Some(front) => return self.drop_record(front, record),
                };
                continue;
            }
            if front.segment.append(record, true) {
                front.taken += 1;
                return match front.worker {
                    WorkerState::NotStarted(_) => self.start(local, front),
                    _ => local.wake_for_lines(front),
                };
            }
            if self.sink.options().queue.lossy {
                return self.drop_record(front, record);
            }
            if is_in_header() {
                // It does not wait, and so writes in any case.
                self.write_through(local, front, record);
                return;
            }
            front = match local.wait_for_room(front, record.len(), self.patience()) {
                Waited::Done(front) => front,
                Waited::InVain(front) => return self.drop_record(front, record),
            };
        }
    }

    /// Maximum time that a call waits while no file takes what is queued before its record.
    fn patience(&self) -> Duration {
        self.sink.options().lock_wait
    }

    /// Drops a record for which there is no room. The next segment begins with a line that says how
    /// many are missing.
    #[cold]
    fn drop_record(&self, mut front: MutexGuard<'_, Front>, record: &[u8]) {
        front.missing += 1;
        front.json = is_json(record);
        if !self.sink.options().queue.lossy {
            front.unreported += 1;
        }
        self.sink.counters().dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes a record in this call, after all that are queued. If no file takes those, it returns
    /// the lock without a write.
    #[cold]
    fn write_through<'a>(
        &self,
        local: &'a Local,
        front: MutexGuard<'a, Front>,
        record: &[u8],
    ) -> Option<MutexGuard<'a, Front>> {
        match is_in_header() {
            // The worker waits for the header, so it can't be waited for.
            true => drop(front),
            false => {
                let before = front.taken;
                match local.wait_until_written(front, before, self.patience()) {
                    Waited::Done(front) => drop(front),
                    Waited::InVain(front) => return Some(front),
                }
            }
        }
        self.sink.submit(Origin::Caller, record, &[record.len()]);
        None
    }

    #[cold]
    fn start(&self, local: &Arc<Local>, mut front: MutexGuard<'_, Front>) {
        if local.is_of_child {
            // Not where it was made: of several that threads have made at once, this was kept.
            self.sink.counters().set_queue(local.place());
        }
        front.start(&self.sink);
        drop(front);
        let own = Arc::clone(local);
        let started = start("fallback-writer", move || {
            worker::run(own, Unwritten::Keep);
        });
        if !started.unwrap_or(false) {
            // Without a thread, this call writes what is queued, and each later call its own
            // record. What no file takes goes to the backlog.
            local.lock().close();
            run_worker(local);
        }
    }

    /// Waits until all that has been taken is in the log, for at most `timeout`.
    fn flush(&self, timeout: Duration) -> io::Result<()> {
        let began = Instant::now();
        if let Some(local) = self.local.get() {
            let front = local.lock();
            let taken = front.taken;
            let front = local.wait_for(front, timeout, |front| {
                front.phase == Phase::Closed || local.written() >= taken
            });
            if front.phase != Phase::Closed && local.written() < taken {
                return Err(left_over(local, &front));
            }
        }
        self.sink.flush(timeout.saturating_sub(began.elapsed()))
    }

    /// Has all that is queued written, and each record after that by its caller.
    fn shutdown(&self, timeout: Duration) -> io::Result<()> {
        let began = Instant::now();
        self.closed.store(true, Ordering::Relaxed);
        if let Some(local) = self.local.get() {
            let mut front = local.lock();
            front.close();
            if matches!(front.worker, WorkerState::NotStarted(_)) {
                // Nothing was ever queued.
                front.start(&self.sink);
                drop(front);
                run_worker(local);
            } else {
                let front = local.wait_for(front, timeout, |front| front.phase == Phase::Closed);
                if front.phase != Phase::Closed {
                    return Err(left_over(local, &front));
                }
            }
        }
        self.sink.flush(timeout.saturating_sub(began.elapsed()))
    }
}

/// Does what the worker does in this call, which ends when the queue is closed.
fn run_worker(local: &Arc<Local>) {
    worker::run(Arc::clone(local), Unwritten::HandOver);
}

fn new_local(sink: &Sink) -> Local {
    let options = sink.options();
    Local::new(sink.primary(), &options.queue, options.mode)
}

/// Says how many records are in no log yet, where they are, and why.
fn left_over(local: &Local, front: &Front) -> io::Error {
    let records = front.taken - local.written();
    let place = match local.path() {
        Some(path) => format!("they are in {}", notify::Shown(&path)),
        None => "they are in memory".to_owned(),
    };
    let why = front.refused.as_ref().map(|cause| format!(": {cause}"));
    let why = why.unwrap_or_default();
    let text = format!("{records} records are in no log yet, {place}{why}");
    io::Error::new(ErrorKind::TimedOut, text)
}

#[cfg(all(test, unix))]
#[path = "queue_tests.rs"]
mod tests;
