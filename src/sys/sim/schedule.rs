//! Who goes next, and what happens to a process by chance.

use std::mem;

use super::machine::{State, Status, Strategy, ThreadId};

impl State {
    pub(super) fn is_dead(&self, id: ThreadId) -> bool {
        self.processes[self.threads[id].process].is_dead
    }

    pub(super) fn is_stopped(&self, id: ThreadId) -> bool {
        self.processes[self.threads[id].process].stopped_until > self.clock
    }

    pub(super) fn kill(&mut self, me: ThreadId) {
        let process = self.threads[me].process;
        self.trace(format_args!("KILLED"));
        self.processes[process].is_dead = true;
        self.disk.close_all(process);
    }

    /// Kills, stops or delays by chance.
    pub(super) fn disturb(&mut self, me: ThreadId) {
        let process = self.threads[me].process;
        if !self.faults.may_disturb(process) || self.clock >= self.faults.until {
            return;
        }
        if self.random.one_in(self.faults.kill) && self.faults.take_kill() {
            self.kill(me);
        } else if self.random.one_in(self.faults.stop) {
            let pause = 1_000_000 + self.random.below(self.faults.longest_stop);
            self.processes[process].stopped_until = self.clock + pause;
            self.trace(format_args!("stopped for {:.1} ms", pause as f64 / 1e6));
        } else if self.random.one_in(self.faults.delay) {
            let mut pause = self.random.below(self.faults.longest_delay);
            if pause > 100_000_000 {
                match self.clock >= self.faults.rested_at {
                    true => self.faults.rested_at = self.clock + pause + 3_000_000_000,
                    false => pause /= 1_000,
                }
            }
            let until = self.clock + pause;
            self.threads[me].status = Status::Sleeping {
                until,
                parked: false,
            };
            self.trace(format_args!(
                "not scheduled for {:.1} ms",
                pause as f64 / 1e6
            ));
        } else if self.random.one_in(self.faults.clock_jump) {
            let jump = self.random.below(600_000_000_000) as i64 - 300_000_000_000;
            self.faults.wall_offset += jump;
            self.trace(format_args!(
                "the clock jumps by {:.1} s",
                jump as f64 / 1e9
            ));
        }
    }

    fn may_run(&self, id: ThreadId) -> bool {
        let thread = &self.threads[id];
        let process = &self.processes[thread.process];
        if process.is_dead {
            return thread.status != Status::Done;
        }
        let is_ready = match thread.status {
            Status::Ready => true,
            Status::Sleeping { until, .. } => until <= self.clock,
            Status::Waiting { seen, until } => seen != self.progress || until <= self.clock,
            Status::Parked | Status::Done => false,
        };
        is_ready && process.stopped_until <= self.clock
    }

    /// Whom to go on with instead of `me`, which could go on.
    pub(super) fn next_instead(&mut self, me: ThreadId) -> Option<ThreadId> {
        match self.strategy {
            Strategy::Uniform { one_in } => match self.random.one_in(one_in) {
                true => self.pick(),
                false => None,
            },
            Strategy::Priority { one_in } => {
                if self.random.one_in(one_in) {
                    self.lowest -= 1;
                    self.threads[me].priority = self.lowest;
                }
                self.pick()
            }
        }
    }

    /// The next thread; the clock goes on where all sleep. `None` if there is none.
    pub(super) fn pick(&mut self) -> Option<ThreadId> {
        let mut ready = mem::take(&mut self.ready);
        let found = loop {
            let threads = &self.threads;
            self.live.retain(|id| threads[*id].status != Status::Done);
            ready.clear();
            ready.extend(self.live.iter().filter(|id| self.may_run(**id)));
            if let Some(dead) = ready.iter().find(|id| self.is_dead(**id)) {
                break Some(*dead);
            }
            let found = match self.strategy {
                _ if ready.is_empty() => None,
                Strategy::Uniform { .. } => Some(ready[self.random.index(ready.len())]),
                Strategy::Priority { .. } => {
                    let found = ready.iter().copied();
                    found.max_by_key(|id| self.threads[*id].priority)
                }
            };
            if found.is_some() {
                break found;
            }
            match self.next_time() {
                Some(time) => self.clock = time,
                None => break None,
            }
        };
        self.ready = ready;
        found
    }

    fn next_time(&self) -> Option<u64> {
        let times = self.live.iter().filter_map(|id| {
            let thread = &self.threads[*id];
            let stopped = self.processes[thread.process].stopped_until;
            let until = match thread.status {
                Status::Ready => 0,
                Status::Sleeping { until, .. } => until,
                Status::Waiting { seen, .. } if seen != self.progress => 0,
                Status::Waiting { until, .. } if until < u64::MAX => until,
                _ => return None,
            };
            Some(until.max(stopped))
        });
        times.min().filter(|time| *time > self.clock)
    }
}
