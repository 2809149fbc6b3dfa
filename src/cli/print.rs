//! Prints records.

use std::io::{self, Write};

use super::messages::complain;
use super::show::Show;
use crate::read::{Merge, RecordRef};

/// What has come of it so far.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) printed: bool,
    pub(crate) failed: bool,
}

pub(crate) struct Printer<'a, W: Write> {
    pub(crate) show: &'a Show,
    pub(crate) out: W,
    /// Each record goes out when it is found.
    pub(crate) at_once: bool,
    pub(crate) outcome: Outcome,
}

impl<W: Write> Printer<'_, W> {
    pub(crate) fn all(&mut self, records: &mut Merge) -> io::Result<()> {
        while let Some(record) = records.next_ref() {
            match record {
                Ok(record) => self.record(&record)?,
                Err(error) => self.fail(&error)?,
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &RecordRef<'_>) -> io::Result<()> {
        self.outcome.printed = true;
        if record.follows_gap() && !self.show.raw {
            self.out.write_all(b"--\n")?;
        }
        self.show.record(record, &mut self.out)?;
        match self.at_once {
            true => self.out.flush(),
            false => Ok(()),
        }
    }

    fn fail(&mut self, error: &io::Error) -> io::Result<()> {
        self.out.flush()?;
        complain(error);
        self.outcome.failed = true;
        Ok(())
    }
}
