//! Prints records.

use std::collections::VecDeque;
use std::io::{self, Write};

use super::complain;
use super::filter::Filter;
use super::show::Show;
use crate::{Merge, Record, RecordRef};

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

/// How many records around those that are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) before: usize,
    pub(crate) after: usize,
}

impl Context {
    /// The same in a stream from the latest record on.
    pub(crate) fn turned(self, reverse: bool) -> Self {
        match reverse {
            true => Context {
                before: self.after,
                after: self.before,
            },
            false => self,
        }
    }
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

    /// Those that the filter lets through, with others around them.
    pub(crate) fn with_context(
        &mut self,
        records: &mut Merge,
        filter: &Filter,
        context: Context,
    ) -> io::Result<()> {
        let mut before: VecDeque<Record> = VecDeque::new();
        let (mut after, mut is_apart) = (0, false);
        while let Some(record) = records.next_ref() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.fail(&error)?;
                    continue;
                }
            };
            if filter.passes(&record) {
                if is_apart && self.outcome.printed && !self.show.raw {
                    self.out.write_all(b"--\n")?;
                }
                for record in before.drain(..) {
                    self.record(&record.record_ref())?;
                }
                self.record(&record)?;
                (after, is_apart) = (context.after, false);
            } else if after > 0 {
                self.record(&record)?;
                after -= 1;
            } else {
                before.push_back(record.to_record());
                if before.len() > context.before {
                    before.pop_front();
                    is_apart = true;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &RecordRef<'_>) -> io::Result<()> {
        self.outcome.printed = true;
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
