//! What goes wrong with one operation, by chance.

use rustix::io::Errno;

use super::faults::Op;
use super::machine::State;

impl State {
    fn is_faulty(&self) -> bool {
        self.clock < self.faults.until && self.faults.may_disturb(self.process())
    }

    /// The error that an operation fails with by chance.
    pub(crate) fn error(&mut self, op: Op) -> Option<Errno> {
        if op == Op::Lock && self.faults.no_locks {
            return Some(Errno::NOLCK);
        }
        if op == Op::Truncate && self.is_faulty() && self.random.one_in(self.faults.no_truncation) {
            self.faults.errors += 1;
            return Some(Errno::IO);
        }
        if self.faults.error == 0 || !self.is_faulty() || !self.random.one_in(self.faults.error) {
            return None;
        }
        let errors: &[Errno] = match op {
            Op::Open => &[
                Errno::MFILE,
                Errno::NFILE,
                Errno::IO,
                Errno::ACCESS,
                Errno::NOMEM,
            ],
            Op::Create => &[
                Errno::NOSPC,
                Errno::DQUOT,
                Errno::MFILE,
                Errno::IO,
                Errno::ACCESS,
            ],
            Op::Lock => &[Errno::INTR, Errno::INTR, Errno::IO],
            Op::Read => &[Errno::IO],
            Op::Write => &[Errno::INTR, Errno::NOSPC, Errno::DQUOT, Errno::IO],
            Op::Truncate | Op::Sync => &[Errno::IO],
            Op::Stat => &[Errno::IO, Errno::NOMEM],
            Op::List => &[Errno::IO, Errno::MFILE],
            Op::Rename => &[Errno::IO, Errno::ACCESS, Errno::NOSPC, Errno::BUSY],
            Op::Remove => &[Errno::IO, Errno::ACCESS],
            Op::Spawn => &[Errno::AGAIN],
            Op::Other => return None,
        };
        self.faults.errors += 1;
        Some(self.random.pick(errors))
    }

    /// How much of a write lands, if it is cut short by chance; and whether the process dies then.
    pub(crate) fn cut(&mut self, length: usize) -> Option<(usize, bool)> {
        if length < 2 || !self.is_faulty() {
            return None;
        }
        let faults = &self.faults;
        let (short, kill) = (faults.short_write, faults.kill.div_ceil(8));
        if self.random.one_in(short) {
            self.faults.errors += 1;
            return Some((1 + self.random.index(length - 1), false));
        }
        if self.random.one_in(kill) && self.faults.take_kill() {
            return Some((self.random.index(length + 1), true));
        }
        None
    }
}
