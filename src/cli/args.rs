//! The arguments of the command.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Parser, ValueEnum};
use jiff::tz::TimeZone;

use super::filter::{Field, Least};
use super::time_argument;

const EXAMPLES: &str = "\
Examples:
  fallback-log logs/app.log                        all records, by time
  fallback-log -f logs/app.log                     the last ten, and what comes
  fallback-log -n 20 --level error logs/app.log    the last 20 errors
  fallback-log --since 10m --level warn logs/app.log
  fallback-log --since 'yesterday 10:00' --until @1795420501 logs/app.log
  fallback-log --grep 'timed? ?out' -i -C 3 logs/app.log
  fallback-log --field status=500 --field 'elapsed_ms>100' logs/app.log
  fallback-log logs/app.log | jq .fields.message
  fallback-log --cursor-file app.cursor --level error logs/app.log    the errors since the last run
  fallback-log --list logs/app.log                 the files: times, size, locked or not
  fallback-log --stats --since today logs/app.log
  fallback-log --rotate logs/app.log               renames what is written to, now
  fallback-log --recover logs/app.log              writes what killed processes have left in queues

Exit status:
  0  there were records
  1  no record was asked for that there is: the filters or --cursor-file left none; or nothing to
     rotate or recover
  2  something is wrong with the arguments, the log or one of its files";

/// Prints the records of a log from all its files, by time: the primary, its numbered variants, and
/// its archives, compressed or not.
#[derive(Debug, Parser)]
#[command(
    name = "fallback-log",
    version,
    override_usage = "fallback-log [OPTIONS] <LOG>...",
    after_help = EXAMPLES
)]
pub(crate) struct Args {
    /// The log, as its program was given it: logs/app.log; or one of its files; - is standard input
    #[arg(required_unless_present_any = ["completions", "man"], value_name = "LOG")]
    pub(crate) logs: Vec<PathBuf>,

    /// Shows the last ten records, and goes on with what comes into the log, through switches,
    /// rotation and removal
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Only the last N records (of those that the other options leave), or all
    #[arg(short = 'n', long, value_name = "N", value_parser = lines)]
    pub(crate) lines: Option<Lines>,

    /// The latest record first
    #[arg(short, long, conflicts_with = "follow")]
    pub(crate) reverse: bool,

    /// Only records from then on: RFC 3339, a date, a time or both, 'today', 'yesterday 10:00',
    /// 'monday', @seconds since 1970, or so long ago: 10m, 2h, 3d
    #[arg(long, value_name = "TIME", value_parser = time_argument::parse, allow_hyphen_values = true)]
    pub(crate) since: Option<SystemTime>,

    /// Only records until then
    #[arg(long, value_name = "TIME", value_parser = time_argument::parse, allow_hyphen_values = true)]
    #[arg(conflicts_with = "follow")]
    pub(crate) until: Option<SystemTime>,

    /// Only records of that level or a more severe one, and those that have none
    #[arg(short, long, ignore_case = true)]
    pub(crate) level: Option<Least>,

    /// Only records with a line that matches, as it is in the file, but for colours
    #[arg(long, value_name = "REGEX")]
    pub(crate) grep: Option<String>,

    /// --grep takes upper and lower case for the same
    #[arg(short, long, requires = "grep")]
    pub(crate) ignore_case: bool,

    /// Only records that --grep does not match
    #[arg(short = 'v', long, requires = "grep")]
    pub(crate) invert_match: bool,

    /// Only records with that field, also of a span, or target: key=value, key!=value, key>number,
    /// key<number or key~regex
    #[arg(long, value_name = "FIELD", value_parser = Field::parse)]
    pub(crate) field: Vec<Field>,

    /// And N records after each
    #[arg(short = 'A', long, value_name = "N", conflicts_with = "follow")]
    pub(crate) after_context: Option<usize>,

    /// And N records before each
    #[arg(short = 'B', long, value_name = "N", conflicts_with = "follow")]
    pub(crate) before_context: Option<usize>,

    /// And N records before and after each
    #[arg(short = 'C', long, value_name = "N", conflicts_with = "follow")]
    pub(crate) context: Option<usize>,

    /// Only records that were not there when a run with the same FILE ended; the file is written at
    /// the end, with --follow also in between. An interrupted run may show records again
    #[arg(long, value_name = "FILE", conflicts_with = "until")]
    pub(crate) cursor_file: Option<PathBuf>,

    /// A table of the files instead: first and last time, size, locked by somebody or not (which
    /// only Linux can tell); and of the queues that killed processes have left, with the number of
    /// records in each
    #[arg(long, conflicts_with_all = ["follow", "lines", "reverse", "since", "until", "level", "grep", "field", "source", "stats", "cursor_file"])]
    pub(crate) list: bool,

    /// How many records there are instead: over time, by level, and by target
    #[arg(long, conflicts_with_all = ["follow", "reverse", "source"])]
    pub(crate) stats: bool,

    /// Rotates the log instead: renames what its programs write to, if there is something in it, and
    /// prints the archives; the programs go on in new files
    #[arg(long, conflicts_with_all = ["follow", "lines", "reverse", "since", "until", "level", "grep", "field", "source", "list", "stats", "output"])]
    pub(crate) rotate: bool,

    /// Writes to the log instead what processes that were killed have left in queues beside it or in
    /// --queue-dir, and prints how many records that were; a queue whose process runs stays as it is
    #[arg(long, conflicts_with_all = ["follow", "lines", "reverse", "since", "until", "level", "grep", "field", "source", "list", "stats", "rotate", "output", "cursor_file"])]
    pub(crate) recover: bool,

    /// Where the programs have their queues, if that is not beside the log
    #[arg(long, value_name = "DIR")]
    pub(crate) queue_dir: Option<PathBuf>,

    /// Before each line, the file that it comes from
    #[arg(long)]
    pub(crate) source: bool,

    /// JSON records as readable lines (text), all records as they are in the file (raw), or what
    /// --list and --stats show as JSON (json) [default: text on a terminal, else raw]
    #[arg(long, value_enum)]
    pub(crate) output: Option<Output>,

    /// Times in the zone of this machine
    #[arg(long, conflicts_with = "utc")]
    pub(crate) local: bool,

    /// Times in UTC
    #[arg(long)]
    pub(crate) utc: bool,

    /// The zone of times that name none
    #[arg(long, value_name = "ZONE", value_parser = time_argument::zone, default_value = "local")]
    pub(crate) assume_tz: TimeZone,

    /// How late a record may be in its file and still be put in order: 100ms, 2s
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "100ms")]
    pub(crate) window: Duration,

    /// When to use colours; auto is on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub(crate) color: When,

    /// When to use a pager ($PAGER, or less); auto is on a terminal, but not with --follow
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    pub(crate) paging: When,

    /// Prints completions for a shell
    #[arg(long, value_name = "SHELL", exclusive = true)]
    pub(crate) completions: Option<clap_complete::Shell>,

    /// Prints the man page
    #[arg(long, exclusive = true)]
    pub(crate) man: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Raw,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    All,
    Last(usize),
}

/// A number of records; tail's `+N` means something else.
fn lines(text: &str) -> Result<Lines, String> {
    match text {
        "all" => Ok(Lines::All),
        text if text.starts_with('+') => Err("from the start is all of it".into()),
        text => {
            let number = text.parse().map(Lines::Last);
            number.map_err(|_| "not a number of records".into())
        }
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let span = text.parse::<jiff::SignedDuration>().ok();
    let span = span.and_then(|span| Duration::try_from(span).ok());
    span.ok_or_else(|| "not a time span such as 100ms or 2s".into())
}
