//! The command `fallback-log`.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use jiff::tz::TimeZone;

use crate::read::{Follow, Merge, MergeBuilder};
use args::{Args, Lines, Output, When};
use cursor_file::CursorFile;
use filter::Filter;
use messages::{complain, in_one_line};
use print::{Outcome, Printer};
use settings::Settings;
use show::Show;
use sources::{sources, without_slash};

mod args;
mod cursor_file;
mod filter;
mod follow;
mod json;
mod list;
mod messages;
mod pager;
mod print;
mod recover;
mod rotate;
mod settings;
mod show;
mod sources;
mod stats;
mod time_argument;

/// The number of records shown first of a log that is followed.
const BEFORE_FOLLOWING: usize = 10;

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
    // The reader of the output has ended; that is no error.
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    complain(error);
    ExitCode::from(2)
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
    let logs: Vec<PathBuf> = args.logs.iter().map(|log| without_slash(log)).collect();
    if args.rotate {
        return rotate::rotate(&logs);
    }
    if args.recover {
        return recover::recover(&logs, args.queue_dir.as_deref());
    }
    let sources = match sources(args, &logs) {
        Ok(sources) => sources,
        Err(why) => {
            complain(why);
            return Ok(ExitCode::from(2));
        }
    };
    let stdout = io::stdout();
    let settings = Settings {
        zone: args.assume_tz.clone(),
        shown_zone: match (args.local, args.utc) {
            (true, _) => Some(TimeZone::system()),
            (_, true) => Some(TimeZone::UTC),
            _ => None,
        },
        window: args.window,
        queue_dir: args.queue_dir.clone(),
        is_terminal: stdout.is_terminal() || pager::is_paged(),
        colours: colours(args.color, &stdout),
    };
    let as_json = args.output == Some(Output::Json);
    if args.list {
        return list::list(&settings, &logs, as_json);
    }
    if is_paging(args, &stdout) {
        pager::page()?;
    }
    let filter = match filter(args) {
        Ok(filter) => filter,
        Err(error) => {
            complain(format_args!("--grep: {}", in_one_line(&error.to_string())));
            return Ok(ExitCode::from(2));
        }
    };
    let builder = builder(args, &settings, &filter);
    follow::raise_descriptor_limit();
    let (mut cursor_file, mut follows) = match &args.cursor_file {
        Some(path) => match CursorFile::open(path, &logs[0], &builder) {
            Ok((file, follow)) => (Some(file), vec![follow]),
            Err(error) => {
                complain(error);
                return Ok(ExitCode::from(2));
            }
        },
        None if args.follow => (None, logs.iter().map(|log| builder.follow(log)).collect()),
        None => (None, Vec::new()),
    };
    let show = Show {
        raw: match args.output {
            Some(output) => output != Output::Text,
            None => !settings.is_terminal,
        },
        source: args.source,
        colours: settings.colours,
        terminal: settings.is_terminal,
        zone: settings.shown_zone.clone(),
    };
    let mut printer = Printer {
        show: &show,
        out: BufWriter::with_capacity(256 * 1024, stdout.lock()),
        at_once: settings.is_terminal || sources.is_stream(),
        outcome: Outcome::default(),
    };
    if args.follow {
        follow::watch(&logs, follows, cursor_file, &mut printer)?;
    } else {
        let merge = match follows.first_mut() {
            Some(follow) => since_the_last_run(follow),
            None => sources.open(&builder),
        };
        let mut merge = match merge {
            Ok(merge) => merge,
            Err(error) => return Ok(refused(&logs, &error)),
        };
        tell_without_times(&merge, args);
        if args.stats {
            printer.outcome = stats::stats(&settings, &mut merge, as_json, &mut printer.out)?;
        } else {
            printer.all(&mut merge)?;
        }
        printer.out.flush()?;
        if let (Some(file), Some(follow)) = (&mut cursor_file, follows.first()) {
            file.save(follow)?;
        }
    }
    printer.out.flush()?;
    let without_level = filter.without_level.load(Ordering::Relaxed);
    if without_level > 0 {
        complain(format_args!(
            "{without_level} of these records have no level"
        ));
    }
    let is_filtered =
        filter.any() || args.since.is_some() || args.until.is_some() || args.cursor_file.is_some();
    Ok(match printer.outcome {
        Outcome { failed: true, .. } => ExitCode::from(2),
        Outcome { printed: false, .. } if is_filtered => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

/// Which records are read, and in what order.
fn builder(args: &Args, settings: &Settings, filter: &Filter) -> MergeBuilder {
    let before = args.before_context.or(args.context).unwrap_or(0);
    let after = args.after_context.or(args.context).unwrap_or(0);
    let mut builder = settings.builder().newest_first(args.reverse);
    if let Some(since) = args.since {
        builder = builder.since(since);
    }
    if let Some(until) = args.until {
        builder = builder.until(until);
    }
    if filter.any() {
        builder = builder.context(before, after);
        let filter = filter.clone();
        if let Some(search) = filter.search() {
            builder = builder.search(search);
        }
        builder = builder.filter(move |record| filter.passes(record));
    }
    match args.lines {
        Some(Lines::Last(n)) => builder.last(n),
        // A followed log begins with its last records, unless a time or a cursor says where it
        // begins.
        None if args.follow && args.since.is_none() && args.cursor_file.is_none() => {
            builder.last(BEFORE_FOLLOWING)
        }
        Some(Lines::All) | None => builder,
    }
}

/// The records that no earlier run has printed.
fn since_the_last_run(follow: &mut Follow) -> io::Result<Merge> {
    let merge = follow.poll();
    match follow.found_any() {
        true => Ok(merge),
        false => Err(io::Error::new(ErrorKind::NotFound, "there is no such log")),
    }
}

fn refused(logs: &[PathBuf], error: &io::Error) -> ExitCode {
    let names: Vec<_> = logs.iter().map(|log| log.display().to_string()).collect();
    complain(format_args!("{}: {error}", names.join(", ")));
    ExitCode::from(2)
}

fn filter(args: &Args) -> Result<Filter, regex::Error> {
    let grep = args.grep.as_ref();
    Ok(Filter {
        level: args.level,
        grep: grep
            .map(|grep| filter::pattern(grep, args.ignore_case))
            .transpose()?,
        invert: args.invert_match,
        fields: args.field.clone(),
        without_level: Arc::default(),
    })
}

/// Reports the files in which no time is known.
fn tell_without_times(merge: &Merge, args: &Args) {
    let left_out = match args.since.is_some() || args.until.is_some() {
        true => ", and --since and --until leave them out",
        false => "",
    };
    for path in merge.without_times() {
        complain(format_args!(
            "{}: no time is known in it; each of its lines is a record{left_out}",
            path.display()
        ));
    }
}

fn is_paging(args: &Args, stdout: &io::Stdout) -> bool {
    !pager::is_paged()
        && match args.paging {
            When::Always => true,
            When::Never => false,
            When::Auto => stdout.is_terminal() && !args.follow && !args.stats,
        }
}

fn colours(when: When, stdout: &io::Stdout) -> bool {
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if pager::is_paged() => {
            std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
        }
        // NO_COLOR, TERM and the like; on Windows it makes the console understand them.
        When::Auto => anstream::AutoStream::choice(stdout) != anstream::ColorChoice::Never,
    }
}
