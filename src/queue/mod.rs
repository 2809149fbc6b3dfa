//! The queue of [`FileAppender::non_blocking`](crate::FileAppender::non_blocking): callers append
//! records to it, and a thread writes them to the log.
//!
//! # In memory
//!
//! There are two segments of bytes. Callers append to the *front* under a short lock; the worker
//! swaps it with its own, the *back*, and writes that one to the log, in commits of at most 256 KiB.
//! So a record whose call has returned before another one's call began comes before it.
//!
//! While nothing is queued the worker sleeps, and the next call wakes it with a system call. While
//! calls follow one another within 250 us it rests for that time instead, and they do not have to; a
//! full quarter of a segment, a `flush` and the end of the queue wake it earlier.
//!
//! # In a file
//!
//! The segments lie in a file beside the log, mapped and shared, so that what a call has copied is in
//! the page cache and stays there when the process is killed. Its blocks are allocated; its owner has
//! it locked for as long as it lives, and removes it at the end. A process that finds one that is not locked
//! writes its lines to the log: it *recovers* an orphan.
//!
//! The file is a header, in which two *slots* say what is in the log, and the two segments. A segment
//! is a header (is it in use, its sequence number), lines one after the other and, from its end
//! backwards, a table of where each line ends. What has to change at one instant is a single byte, and
//! the compiler keeps the stores before it there ([`lines::in_order`]); a processor kills a thread
//! between two instructions. Killed at any instant, a process leaves:
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
//! file. So with the log's lock held and before the write the worker *notes* in a slot which lines
//! come next, and where: the file's identity and number, the offset, a newline before them or not.
//! After the write one byte of the slot says that it is *done*. The slot with the higher number
//! counts, and the next one is written over the other; one that is being written has the state
//! "empty", and the other one counts for as long.
//!
//! | the slot that counts | the lines |
//! |---|---|
//! | done, up to a place in a segment | before it all are in the log, behind it none |
//! | noted, from one place to another | before it all are in the log, behind it none; those between, as the file says |
//!
//! The owner is gone, so what the log's file shows of a noted write does not change, except for
//! what others append. The recoverer looks for the file by its identity (it may have been rotated
//! or renamed since; a compressed archive, which is another file, by what is in it) and compares
//! the bytes from the offset on with the lines:
//!
//! | there is | so |
//! |---|---|
//! | all of them | they are done |
//! | nothing, or something else | none of them was written |
//! | their first bytes, and the file ends there | this piece is cut off, under the file's lock; none was written |
//! | their first bytes, and something else behind | the piece stays; its whole lines are done |
//! | no such file any more | none of them was written: they would be gone with it |
//!
//! It says so in a slot, and then writes what is left as the worker does, with notes in the same
//! slots. Killed in between it leaves a queue file that says as much as before: a piece that is cut off
//! reads as nothing written, and every other answer is the same the second time. Two recoverers
//! exclude each other by the file's lock.
//!
//! A program that only reads an orphan locks it as well while the log's files are opened, so that
//! each record is either in one of them or in the queue, and changes nothing. The whole lines of a
//! piece that would be cut off are done for it, as they are in the file that it reads.
//!
//! Two cases are not detected. Another process may have written, at the very offset and between the
//! note and the write of one that was killed there, the same bytes: they are taken for those of the
//! queue. And of a file that was moved out of the log's directory, and has the lines, they are
//! written again.

mod file;
mod format;
mod front;
mod journal;
mod lines;
mod local;
mod non_blocking;
#[cfg(feature = "read")]
mod orphans;
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
pub(crate) use self::orphans::{orphans, OrphanedQueue};
pub(crate) use self::recovery::recover;
use crate::notify::{self, Origin};
use crate::sink::{is_in_header, Sink, Unwritten};
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
        Queue {
            local: PerProcess::new(Arc::new(new_local(&sink))),
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
                false => new_local(&self.sink),
            })
        })
    }

    /// Takes a record over: it is in the queue, or in a file.
    #[inline]
    pub(crate) fn push(&self, record: &[u8]) {
        let local = self.local();
        let mut front = local.lock();
        loop {
            let is_taken = match front.phase {
                Phase::Open => true,
                // Notices that the last lines have caused are queued behind them. If no file takes
                // those lines, every record is.
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

    /// Drops a record that there is no room for. The next segment begins with a line that says so.
    #[cold]
    fn drop_record(&self, mut front: MutexGuard<'_, Front>, record: &[u8]) {
        front.missing += 1;
        front.json = record.first() == Some(&b'{');
        if !self.sink.options().queue.lossy {
            front.unreported += 1;
        }
        self.sink.counters().dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes a record in this call, behind all that are queued. If no file takes those, it returns
    /// without a write.
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
        front.start(&self.sink);
        drop(front);
        let own = Arc::clone(local);
        let started = start("fallback-writer", move || {
            worker::run(own, Unwritten::Keep);
        });
        if !started.unwrap_or(false) {
            // Without a thread this call writes what is queued, and the others write for themselves.
            // What no file takes goes to the backlog.
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
    let (local, place) = Local::new(sink.primary(), &options.queue, options.mode);
    sink.counters().set_queue(place);
    local
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
