//! The scenario of a run, made from a seed: processes, threads, options, and what goes wrong.

use std::time::Duration;

use super::seed::{Kind, Seed};
use crate::appender::FileAppender;
use crate::builder::Builder;
use crate::file::{Period, SyncPolicy};
use crate::sys::sim::faults::Faults;
use crate::sys::sim::machine::Strategy;
use crate::sys::sim::random::Random;
use crate::unix::BuilderExt;

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) processes: usize,
    pub(super) threads: usize,
    /// The number of records of each thread.
    pub(super) records: usize,
    pub(super) longest_record: usize,
    /// The longest pause between two records.
    pub(super) pause: Duration,
    pub(super) lock_wait: Duration,
    max_variants: u16,
    max_size: Option<u64>,
    period: Option<Period>,
    pub(super) max_files: Option<usize>,
    pub(super) max_total_size: Option<u64>,
    returns: Option<Duration>,
    pub(super) syncs: bool,
    compresses: bool,
    /// The first process has no rotation.
    pub(super) is_mixed: bool,
    /// A program lists the files meanwhile.
    pub(super) is_read: bool,
    /// What the stranger does, if there is one.
    pub(super) stranger: usize,
    /// The processes end while their threads still run.
    pub(super) abrupt: bool,
    /// How long a process lives on after its last record.
    pub(super) linger: Duration,
    /// The records go through a queue.
    pub(super) queues: bool,
    /// There is a link to the current file.
    pub(super) latest: bool,
    /// A program reads the log meanwhile.
    #[cfg_attr(not(feature = "read"), allow(dead_code))]
    pub(super) merges: bool,
    /// When all others have ended, a process recovers their queues and removes old files.
    pub(super) ends_well: bool,
    /// The processes start at 0, 1 or 2 times this.
    pub(super) start: Duration,
    /// How many bytes the disk has room for, until it is cleared.
    pub(super) capacity: Option<u64>,
    pub(super) strategy: Strategy,
    pub(super) faults: Faults,
}

/// The link to the current file.
pub(super) const LATEST: &str = "/log/latest";

const MILLISECOND: u64 = 1_000_000;

impl Scenario {
    pub(super) fn new(seed: Seed) -> Self {
        let mut scenario = Scenario::direct(seed.number);
        match seed.kind {
            Kind::Small => scenario.make_small(),
            Kind::Direct => {}
            Kind::All => scenario.extend(seed.number),
        }
        scenario
    }

    pub(super) fn limit_processes(&mut self, most: usize) {
        self.processes = self.processes.min(most);
        self.faults.spared = self.processes;
    }

    /// Only the options that faults interact with.
    pub(super) fn leave_out_options(&mut self) {
        self.period = None;
        self.returns = None;
        self.syncs = false;
        self.compresses = false;
        self.latest = false;
        self.max_total_size = None;
    }

    /// One or two processes that write a few records.
    fn make_small(&mut self) {
        self.limit_processes(2);
        self.threads = self.threads.min(2);
        self.records = self.records.min(3);
        self.is_read = false;
        self.linger = Duration::ZERO;
        self.stranger = self.stranger.min(2);
    }

    /// Draws, from numbers of its own, what was added later than the seeds that are kept as tests.
    fn extend(&mut self, seed: u64) {
        let random = &mut Random::new(seed ^ 0xA11);
        self.queues = random.one_in(2) || random.one_in(2);
        self.latest = random.one_in(4);
        self.merges = random.one_in(2);
        self.ends_well = true;
        self.start = Duration::from_millis(random.pick(&[3, 3, 30]));
        if self.queues && random.one_in(2) {
            self.faults.kill = random.pick(&[20, 60, 200]);
            self.faults.kills_left = 1 + random.index(2) as u32;
        }
        if random.one_in(4) {
            let least = self.max_size.unwrap_or(30);
            self.max_total_size = Some(least * random.pick(&[1, 1, 2, 5]));
        }
        if random.one_in(3) {
            self.faults.fork = random.pick(&[2, 3, 8]);
            self.faults.forks_left = 1 + random.index(3) as u32;
            self.faults.threadless = random.pick(&[0, 0, 3]);
        }
    }

    fn direct(seed: u64) -> Self {
        let random = &mut Random::new(seed ^ 0x5EED);
        let processes = 1 + random.index(4).min(random.index(6));
        let strategy = match random.one_in(3) {
            true => Strategy::Priority {
                one_in: random.pick(&[5, 20, 100]),
            },
            false => Strategy::Uniform {
                one_in: random.pick(&[1, 2, 4, 16]),
            },
        };
        let mut faults = Faults {
            resolution: random.pick(&[1, MILLISECOND, 4 * MILLISECOND, 2_000 * MILLISECOND]),
            until: random.pick(&[5, 50, 200, 20_000]) * MILLISECOND,
            spared: processes,
            longest_stop: random.pick(&[5, 50, 5_000]) * MILLISECOND,
            longest_delay: random.pick(&[1, 20, 20, 1_500]) * MILLISECOND,
            ..Faults::default()
        };
        // Each run has few faults, so that most of the checks apply in most runs.
        if random.one_in(4) {
            faults.kill = random.pick(&[20, 60, 200]);
            faults.kills_left = 1 + random.index(2) as u32;
        }
        if random.one_in(4) {
            faults.stop = random.pick(&[30, 150]);
        }
        if random.one_in(2) {
            faults.delay = random.pick(&[10, 40, 200]);
        }
        if random.one_in(6) {
            faults.clock_jump = random.pick(&[30, 200]);
        }
        if random.one_in(4) {
            faults.error = random.pick(&[10, 40, 150]);
        }
        if random.one_in(4) {
            faults.short_write = random.pick(&[3, 10]);
        }
        let is_mixed = random.one_in(4);
        if is_mixed {
            // A clock that is set ahead by a minute makes an archive look old, and a process that
            // does not rotate may be about to write to it.
            faults.clock_jump = 0;
            // The same holds for a process that is stopped for two seconds.
            faults.longest_stop = 50 * MILLISECOND;
        }
        faults.no_locks = random.one_in(25);
        if faults.no_locks {
            // Without locks others write between two parts of a record.
            faults.short_write = 0;
        }
        let is_stubborn = random.one_in(8);
        if is_stubborn {
            faults.no_truncation = 2;
        }
        let is_read = random.one_in(4);
        // What is read is rotated, and so is what a process does not rotate.
        let rotates = is_mixed || is_read || random.one_in(2);
        if is_mixed && random.one_in(2) {
            faults.delay = 40;
            faults.longest_delay = 1_500 * MILLISECOND;
            faults.until = 20_000 * MILLISECOND;
        }
        Scenario {
            processes,
            threads: 1 + random.index(3).min(random.index(3)),
            records: 1 + random.index(8),
            longest_record: random.pick(&[20, 60, 200]),
            pause: Duration::from_micros(random.pick(&[0, 20, 2_000, 2_000_000])),
            lock_wait: Duration::from_micros(random.pick(&[0, 500, 2_000, 10_000])),
            max_variants: random.pick(&[0, 1, 2, 3]),
            max_size: rotates.then(|| random.pick(&[30, 100, 300])),
            period: random.one_in(6).then_some(Period::Minutely),
            max_total_size: None,
            max_files: random
                .one_in(if is_mixed { 1 } else { 3 })
                .then(|| 1 + random.index(4)),
            returns: random
                .one_in(3)
                .then(|| Duration::from_millis(random.pick(&[0, 1, 20]))),
            syncs: random.one_in(6),
            compresses: random.one_in(if is_read { 2 } else { 12 }),
            is_mixed,
            is_read,
            stranger: match random.one_in(3) {
                true => 1 + random.index(6),
                false => 0,
            },
            abrupt: random.one_in(4),
            linger: match is_read || random.one_in(4) {
                true => Duration::from_secs(random.pick(&[3, 60])),
                false => Duration::ZERO,
            },
            capacity: random
                .one_in(if is_stubborn { 2 } else { 12 })
                .then(|| 100 + random.below(400))
                // Without locks others write between two parts of a record also here.
                .filter(|_| !faults.no_locks),
            queues: false,
            latest: false,
            merges: false,
            ends_well: false,
            start: Duration::from_millis(3),
            strategy,
            faults,
        }
    }

    pub(super) fn builder(&self, process: usize) -> Builder {
        let mut builder = FileAppender::builder()
            .lock_wait(self.lock_wait)
            .max_variants(self.max_variants);
        let rotates = process > 0 || !self.is_mixed;
        if let Some(size) = self.max_size.filter(|_| rotates) {
            builder = builder.max_file_size(size);
        }
        if let Some(period) = self.period.filter(|_| rotates) {
            builder = builder.rotate_every(period);
        }
        if let Some(files) = self.max_files {
            builder = builder.max_files(files);
        }
        if let Some(size) = self.max_total_size {
            builder = builder.max_total_size(size);
        }
        if let Some(returns) = self.returns {
            builder = builder.return_to_primary(returns);
        }
        if self.latest {
            builder = builder.latest_symlink(LATEST);
        }
        if self.queues {
            builder = builder.queue_size(1);
        }
        if self.syncs {
            builder = builder.sync(SyncPolicy::EveryCommit);
        }
        #[cfg(feature = "gzip")]
        if self.compresses {
            builder = builder.compress(crate::retention::Compression::Gzip);
        }
        builder
    }

    /// A program reads the log meanwhile, and nothing takes away what it reads: what is in the queue
    /// of a process that runs is in no file, and who recovers a queue has locked it.
    #[cfg(feature = "read")]
    pub(super) fn merges(&self) -> bool {
        self.merges && !self.queues && !self.removes() && self.stranger == 0
    }

    pub(super) fn compresses(&self) -> bool {
        cfg!(feature = "gzip") && self.compresses
    }

    /// Old files are removed.
    pub(super) fn removes(&self) -> bool {
        self.max_files.is_some() || self.max_total_size.is_some()
    }

    pub(super) fn forks(&self) -> bool {
        self.faults.fork > 0
    }

    /// The size at which files are rotated, if nothing else rotates a file or cuts it.
    pub(super) fn size_alone(&self) -> Option<u64> {
        // A batch of a queue may not fit.
        let is_alone = !self.is_mixed
            && !self.queues
            && self.period.is_none()
            && !self.removes()
            && !self.compresses()
            && self.stranger == 0
            && self.capacity.is_none()
            && self.faults.error == 0
            && self.faults.no_truncation == 0;
        self.max_size.filter(|_| is_alone)
    }

    /// Returns true if a part of a record may be left in a file.
    pub(super) fn may_tear(&self) -> bool {
        let Faults {
            kill,
            error,
            no_truncation,
            fork,
            short_write,
            ..
        } = self.faults;
        let cut = kill > 0 || error > 0 || no_truncation > 0 || self.capacity.is_some();
        // A thread that the child does not have has written the first part.
        let cut = cut || fork > 0 && short_write > 0;
        cut || self.leaves_queues()
    }

    /// Returns true if a process may end before its queue is written.
    pub(super) fn leaves_queues(&self) -> bool {
        self.queues && (self.abrupt || self.faults.kill > 0 || self.forks())
    }
}
