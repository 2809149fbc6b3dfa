//! The seed, which names a run.

use std::fmt;
use std::str::FromStr;

/// The kind of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One or two processes write a few records.
    Small,
    /// Up to four processes write records, each in the call that logs it.
    Direct,
    /// The same with all options, and with queues.
    All,
}

impl Kind {
    pub(super) const EACH: [Kind; 3] = [Kind::Small, Kind::Direct, Kind::All];
}

/// A run: its kind, its number, and which parts are left out of it. As text `all:1279` or
/// `all:1279-2a`; without a kind it is `direct`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) without: u32,
}

impl Seed {
    pub(super) fn new(kind: Kind, number: u64) -> Self {
        let without = 0;
        Seed {
            kind,
            number,
            without,
        }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Small => "small",
            Kind::Direct => "direct",
            Kind::All => "all",
        };
        write!(f, "{kind}:{}", self.number)?;
        match self.without {
            0 => Ok(()),
            without => write!(f, "-{without:x}"),
        }
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').unwrap_or(("direct", text));
        let kind = match kind {
            "small" => Kind::Small,
            "direct" => Kind::Direct,
            "all" => Kind::All,
            other => return Err(format!("{other} is no kind of a run")),
        };
        let (number, without) = number.split_once('-').unwrap_or((number, "0"));
        let number = number.parse().map_err(|_| format!("{number} is no seed"))?;
        let without = u32::from_str_radix(without, 16);
        let without = without.map_err(|_| format!("{text} leaves out no parts"))?;
        Ok(Seed {
            kind,
            number,
            without,
        })
    }
}
