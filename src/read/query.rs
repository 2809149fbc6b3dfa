//! Which records are asked for.

use std::fmt;
use std::sync::Arc;

use super::bisect::Times;
use super::record::RecordRef;
use super::search::Search;

/// The selection of records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) times: Times,
    pub(crate) filter: Option<Filter>,
    pub(crate) search: Option<Search>,
    pub(crate) context: Context,
    pub(crate) last: Option<usize>,
    pub(crate) newest_first: bool,
}

/// How many records are returned around each that passes the filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) before: usize,
    pub(crate) after: usize,
}

#[derive(Clone)]
pub(crate) struct Filter(pub(crate) Arc<Passes>);

type Passes = dyn Fn(&RecordRef<'_>) -> bool + Send + Sync;

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}
