//! The command `fallback-log`.

use std::collections::VecDeque;
#[cfg(unix)]
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::{CommandFactory, Parser, ValueEnum};
use regex::bytes::Regex;

use crate::read::{Follow, Merge, RecordRef, Selection, Timestamp};
use filter::{Filter, Level};
use show::Show;

mod filter;
mod list;
mod show;
mod when;

/// How often a followed log is looked at.
const EVERY: Duration = Duration::from_millis(100);

const EXAMPLES: &str = "\
Examples:
  fallback-log logs/app.log                        all records, by time
  fallback-log -f -n 20 logs/app.log               the last 20, and what comes
  fallback-log --since 10m --level warn logs/app.log
  fallback-log --since 2026-11-23T07:00:00Z --until 2h --source logs/app.log
  fallback-log --grep 'timed? ?out' logs/app.log
  fallback-log logs/app.log | jq .fields.message
  fallback-log --output text logs/app.log | less
  fallback-log --list logs/app.log                 the files, and who is locked

Exit status:
  0  there were records
  1  no record was asked for that there is: --grep, --level, --since or --until left none
  2  something is wrong with the arguments, the log or one of its files";

/// Prints the records of a log from all its files, by time: the primary, its numbered variants, and
/// its archives, compressed or not.
#[derive(Debug, Parser)]
#[command(
    name = "fallback-log",
    version,
    override_usage = "fallback-log [OPTIONS] <LOG>",
    after_help = EXAMPLES
)]
struct Args {
    /// The log, as its program was given it: logs/app.log
    #[arg(required_unless_present_any = ["completions", "man"])]
    log: Option<PathBuf>,

    /// Goes on with what comes into the log, through switches, rotation and removal
    #[arg(short, long)]
    follow: bool,

    /// Only the last N records (of those that the other options leave)
    #[arg(short = 'n', long, value_name = "N", value_parser = number)]
    lines: Option<usize>,

    /// Only records from then on: RFC 3339, a date, a time of today, 'today', 'yesterday', or so long
    /// ago: 10m, 2h, 3d
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    since: Option<Timestamp>,

    /// Only records until then
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    #[arg(conflicts_with = "follow")]
    until: Option<Timestamp>,

    /// Only records of that level or a more severe one
    #[arg(short, long, ignore_case = true)]
    level: Option<Level>,

    /// Only records with a line that matches, as it is in the file, but for colours
    #[arg(long, value_name = "REGEX", value_parser = filter::pattern)]
    grep: Option<Regex>,

    /// A table of the files instead: records, first and last time, size, locked by somebody or not
    #[arg(long, conflicts_with_all = ["follow", "lines", "since", "until", "level", "grep", "source", "output"])]
    list: bool,

    /// Before each line, the file that it comes from
    #[arg(long)]
    source: bool,

    /// JSON records as readable lines (text), or all records as they are in the file (json)
    /// [default: text on a terminal, else json]
    #[arg(long, value_enum)]
    output: Option<Output>,

    /// When to use colours; auto is on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    color: Colour,

    /// Prints completions for a shell
    #[arg(long, value_name = "SHELL", exclusive = true)]
    completions: Option<clap_complete::Shell>,

    /// Prints the man page
    #[arg(long, exclusive = true)]
    man: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

/// Runs the command with the arguments of the process.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Help and version are no errors.
        Err(error) if !error.use_stderr() => {
            return match error.print() {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => ended(&error),
            }
        }
        Err(error) => {
            complain(in_one_line(&error.to_string()));
            return ExitCode::from(2);
        }
    };
    match run(&args) {
        Ok(code) => code,
        Err(error) => ended(&error),
    }
}

/// How it ends when the output can't be written.
fn ended(error: &io::Error) -> ExitCode {
    // Whoever reads has seen enough.
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    complain(error);
    ExitCode::from(2)
}

fn complain(what: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "fallback-log: {what}");
}

/// What clap says, without the usage.
fn in_one_line(text: &str) -> String {
    let paragraph = text.lines().take_while(|line| !line.trim().is_empty());
    let words: Vec<_> = paragraph.map(str::trim).collect();
    let text = words.join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    format!("{text} (see --help)")
}

fn run(args: &Args) -> io::Result<ExitCode> {
    if let Some(shell) = args.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Args::command(), "fallback-log", &mut script);
        io::stdout().write_all(&script)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.man {
        let mut page = Vec::new();
        clap_mangen::Man::new(Args::command()).render(&mut page)?;
        io::stdout().write_all(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    let log = args.log.clone().unwrap_or_default();
    if let Some(why) = no_log(&log) {
        complain(format_args!("{}: {why}", log.display()));
        return Ok(ExitCode::from(2));
    }
    if args.list {
        return list::list(&log);
    }
    let filter = Filter {
        since: args.since,
        until: args.until,
        level: args.level,
        grep: args.grep.clone(),
    };
    let selection = Selection {
        // What is filtered is counted after the filter.
        last: args.lines.filter(|_| !filter.any()),
        since: args.since,
    };
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let show = Show {
        raw: args
            .output
            .map_or(!terminal, |output| output == Output::Json),
        source: args.source,
        colours: colours(args.color, &stdout),
        terminal,
    };
    let mut out = BufWriter::with_capacity(256 * 1024, stdout.lock());
    let mut outcome = Outcome::default();
    let mut follow = None;
    let mut first = if args.follow {
        raise_descriptor_limit();
        let follow = follow.insert(Follow::new(&log, selection));
        let first = follow.poll();
        if !follow.found_any() {
            complain(format_args!("{}: there is no such log yet", log.display()));
        }
        first
    } else {
        match Merge::select(&log, &selection) {
            Ok(merge) => merge,
            Err(error) => {
                complain(format_args!("{}: {error}", log.display()));
                return Ok(ExitCode::from(2));
            }
        }
    };
    match args.lines {
        Some(n) => outcome.print_last(n, &mut first, &filter, &show, &mut out)?,
        None => outcome.print(&mut first, &filter, &show, &mut out)?,
    }
    out.flush()?;
    if let Some(mut follow) = follow {
        while !nobody_reads() {
            outcome.print(&mut follow.poll(), &filter, &show, &mut out)?;
            out.flush()?;
            thread::sleep(EVERY);
        }
    }
    Ok(match outcome {
        Outcome { failed: true, .. } => ExitCode::from(2),
        Outcome { printed: false, .. } if filter.any() => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

/// A number of records; tail's `+N` means something else.
fn number(text: &str) -> Result<usize, String> {
    match text.starts_with('+') {
        true => Err("from the start is all of it".into()),
        false => text.parse().map_err(|_| "not a number of records".into()),
    }
}

/// Why it can't be a log that is read here.
fn no_log(log: &Path) -> Option<&'static str> {
    let Some(_) = log.file_name() else {
        return Some("there is no file name at its end");
    };
    match log.metadata() {
        Ok(found) if found.is_dir() => Some("it is a directory"),
        Ok(found) if !found.is_file() => Some("it is not a regular file"),
        _ if writes_to(log) => Some("it is where the output goes"),
        _ => None,
    }
}

/// Whether standard output is a file of the log, so that there would be no end to it.
#[cfg(unix)]
fn writes_to(log: &Path) -> bool {
    use std::os::fd::AsFd;
    let identity = |file: io::Result<File>| crate::sys::identity(&file.ok()?).ok();
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let Some(stdout) = identity(stdout) else {
        return false;
    };
    let is_it = |path: &PathBuf| identity(File::open(path)) == Some(stdout);
    let files = crate::Family::of(log);
    files.is_ok_and(|files| files.primary.iter().chain(&files.variants).any(is_it))
}

#[cfg(not(unix))]
fn writes_to(_: &Path) -> bool {
    false
}

/// What has come of it so far.
#[derive(Default)]
struct Outcome {
    printed: bool,
    failed: bool,
}

impl Outcome {
    fn print(
        &mut self,
        records: &mut Merge,
        filter: &Filter,
        show: &Show,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.each(records, filter, out, |record, out| {
            show.record(record.bytes, record.path, out)
        })
    }

    fn print_last(
        &mut self,
        n: usize,
        records: &mut Merge,
        filter: &Filter,
        show: &Show,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut last = VecDeque::new();
        self.each(records, filter, out, |record, _| {
            last.push_back((record.bytes.to_vec(), Arc::clone(record.path)));
            if last.len() > n {
                last.pop_front();
            }
            Ok(())
        })?;
        self.printed &= !last.is_empty();
        for (bytes, path) in last {
            show.record(&bytes, &path, out)?;
        }
        Ok(())
    }

    /// Does that with each record that the filter lets through.
    fn each<W: Write>(
        &mut self,
        records: &mut Merge,
        filter: &Filter,
        out: &mut W,
        mut take: impl FnMut(&RecordRef<'_>, &mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        while let Some(record) = records.advance() {
            match record {
                Ok(record) if filter.lets_through(&record) => {
                    take(&record, out)?;
                    self.printed = true;
                }
                Ok(_) => {}
                Err(error) => self.fail(&error, out)?,
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: &io::Error, out: &mut impl Write) -> io::Result<()> {
        out.flush()?;
        complain(error);
        self.failed = true;
        Ok(())
    }
}

fn colours(colour: Colour, stdout: &io::Stdout) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        // NO_COLOR, TERM and the like; on Windows it makes the console understand them.
        Colour::Auto => anstream::AutoStream::choice(stdout) != anstream::ColorChoice::Never,
    }
}

/// Each file of a log that is written to stays open.
#[cfg(unix)]
fn raise_descriptor_limit() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        // More than that macOS does not grant, whatever its limit says.
        current: Some(limit.maximum.map_or(10_240, |most| most.min(10_240))),
        ..limit
    };
    // Where it can't be raised, what can't be opened is said.
    let _ = setrlimit(Resource::Nofile, raised);
}

#[cfg(not(unix))]
fn raise_descriptor_limit() {}

/// Whether standard output is a pipe that nobody reads any more.
#[cfg(unix)]
fn nobody_reads() -> bool {
    use rustix::event::{poll, PollFd, PollFlags, Timespec};
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::ERR)
}

#[cfg(not(unix))]
fn nobody_reads() -> bool {
    false
}
