//! The command `fallback-log`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use clap::{CommandFactory, Parser};
use flate2::bufread::MultiGzDecoder;
use jiff::tz::TimeZone;

use crate::{Follow, Merge, MergeBuilder};
use args::{Args, Lines, Output, When};
use filter::Filter;
use print::{Context, Outcome, Printer};
use show::Show;

mod args;
mod filter;
mod json;
mod list;
mod pager;
mod print;
mod rotate;
mod show;
mod stats;
mod when;

/// How often a followed log is looked at.
const EVERY: Duration = Duration::from_millis(100);

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

/// What clap says, with its tips and without the usage.
fn in_one_line(text: &str) -> String {
    let paragraph = text.lines().take_while(|line| !line.trim().is_empty());
    let tips = text.lines().filter(|line| line.trim().starts_with("tip: "));
    let words: Vec<_> = paragraph.map(str::trim).collect();
    let tips: String = tips.map(|tip| format!("; {}", tip.trim())).collect();
    let text = words.join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    format!("{text}{tips} (see --help)")
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
    let context = Context {
        before: args.before_context.or(args.context).unwrap_or(0),
        after: args.after_context.or(args.context).unwrap_or(0),
    };
    let mut builder = settings.builder().newest_first(args.reverse);
    if let Some(since) = args.since {
        builder = builder.since(since);
    }
    if let Some(until) = args.until {
        builder = builder.until(until);
    }
    if filter.any() && context == Context::default() {
        let filter = filter.clone();
        builder = builder.filter(move |record| filter.passes(record));
    }
    match args.lines {
        Some(Lines::Last(n)) => builder = builder.last(n),
        // What somebody asks for by time is shown.
        None if args.follow && args.since.is_none() => builder = builder.last(BEFORE_FOLLOWING),
        Some(Lines::All) | None => {}
    }
    if args.stats {
        let mut merge = match sources.open(&builder) {
            Ok(merge) => merge,
            Err(error) => return Ok(refused(&logs, &error)),
        };
        tell_without_times(&merge, args);
        return stats::stats(&settings, &mut merge, as_json);
    }
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
        follow(&logs, &builder, &mut printer)?;
    } else {
        let mut merge = match sources.open(&builder) {
            Ok(merge) => merge,
            Err(error) => return Ok(refused(&logs, &error)),
        };
        tell_without_times(&merge, args);
        // Beside the filter, it needs what that leaves out.
        match context == Context::default() {
            true => printer.all(&mut merge)?,
            false => printer.with_context(&mut merge, &filter, context.turned(args.reverse))?,
        }
    }
    printer.out.flush()?;
    let without_level = filter.without_level.load(Ordering::Relaxed);
    if without_level > 0 {
        complain(format_args!(
            "{without_level} of these records have no level"
        ));
    }
    let is_filtered = filter.any() || args.since.is_some() || args.until.is_some();
    Ok(match printer.outcome {
        Outcome { failed: true, .. } => ExitCode::from(2),
        Outcome { printed: false, .. } if is_filtered => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

/// How all logs are read and shown.
struct Settings {
    zone: TimeZone,
    shown_zone: Option<TimeZone>,
    window: Duration,
    is_terminal: bool,
    colours: bool,
}

impl Settings {
    fn builder(&self) -> MergeBuilder {
        /// The offset of a zone changes at the quarter of an hour, if it does.
        const QUARTER: i64 = 900;
        let zone = self.zone.clone();
        let known = Mutex::new((i64::MIN, 0));
        let at = move |civil: i64| {
            let quarter = civil.div_euclid(QUARTER);
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.0 != quarter {
                *known = (quarter, when::offset_at(&zone, civil));
            }
            known.1
        };
        Merge::builder().window(self.window).local_offset(at)
    }

    /// A time in a table.
    fn time(&self, time: SystemTime) -> String {
        let Ok(time) = jiff::Timestamp::try_from(time) else {
            return "?".into();
        };
        match &self.shown_zone {
            Some(zone) => {
                let time = time.to_zoned(zone.clone());
                time.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
            }
            None => time.to_string(),
        }
    }
}

/// What is read: files, or what can be read only once.
enum Sources {
    Logs(Vec<PathBuf>),
    Stream(PathBuf),
}

impl Sources {
    fn is_stream(&self) -> bool {
        matches!(self, Sources::Stream(_))
    }

    fn open(&self, builder: &MergeBuilder) -> io::Result<Merge> {
        match self {
            Sources::Logs(logs) => builder.open_all(logs),
            Sources::Stream(path) => {
                let stream: Box<dyn Read + Send> = match path.as_os_str() == "-" {
                    true => Box::new(io::stdin()),
                    false => Box::new(File::open(path)?),
                };
                let mut stream = BufReader::new(stream);
                let is_compressed = stream.fill_buf()?.starts_with(&[0x1f, 0x8b]);
                // Nothing is held back to be put in order.
                let builder = builder.clone().window(Duration::ZERO);
                Ok(match is_compressed {
                    true => builder.read(path, MultiGzDecoder::new(stream)),
                    false => builder.read(path, stream),
                })
            }
        }
    }
}

fn sources(args: &Args, logs: &[PathBuf]) -> Result<Sources, String> {
    if let (Some(since), Some(until)) = (args.since, args.until) {
        if since > until {
            return Err("--since is after --until".into());
        }
    }
    if args.output == Some(Output::Json) && !args.list && !args.stats {
        return Err("--output json is for --list and --stats; raw is as it is in the file".into());
    }
    let is_stream = |log: &PathBuf| {
        // What a shell gives as a file need not have a name of its own.
        log.as_os_str() == "-"
            || log.starts_with("/dev")
            || log.starts_with("/proc")
            || log
                .metadata()
                .is_ok_and(|found| !found.is_file() && !found.is_dir())
    };
    if let Some(stream) = logs.iter().find(|log| is_stream(log)) {
        let name = stream.display();
        if logs.len() > 1 {
            return Err(format!("{name}: a pipe can't be read beside other logs"));
        }
        if args.follow || args.list {
            return Err(format!(
                "{name}: it is a pipe, which ends by itself and has no other files"
            ));
        }
        return Ok(Sources::Stream(stream.clone()));
    }
    for log in logs {
        if let Some(why) = no_log(log) {
            return Err(format!("{}: {why}", log.display()));
        }
    }
    Ok(Sources::Logs(logs.to_vec()))
}

/// `app.log/` of a file is the file.
fn without_slash(log: &Path) -> PathBuf {
    let stripped: PathBuf = log.components().collect();
    match log.as_os_str() != stripped.as_os_str() && stripped.is_file() {
        true => stripped,
        false => log.to_owned(),
    }
}

/// Why it can't be a log that is read here.
fn no_log(log: &Path) -> Option<&'static str> {
    let Some(_) = log.file_name() else {
        return Some("there is no file name at its end");
    };
    match log.metadata() {
        Ok(found) if found.is_dir() => Some("it is a directory; name the log in it"),
        _ if writes_to(log) => Some("it is where the output goes"),
        _ => None,
    }
}

/// Returns true if standard output is a file of the log, so that there would be no end to it.
#[cfg(unix)]
fn writes_to(log: &Path) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let identity = |found: std::fs::Metadata| (found.dev(), found.ino());
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let Ok(stdout) = stdout.and_then(|stdout| stdout.metadata()).map(identity) else {
        return false;
    };
    let is_it = |path: &PathBuf| path.metadata().is_ok_and(|found| identity(found) == stdout);
    crate::Family::of(log).is_ok_and(|family| {
        let current = family.primary.iter().chain(&family.variants);
        current.chain(&family.archives).any(is_it)
    })
}

#[cfg(not(unix))]
fn writes_to(_: &Path) -> bool {
    false
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

/// Says of which files the times are not known.
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

fn follow<W: Write>(
    logs: &[PathBuf],
    builder: &MergeBuilder,
    printer: &mut Printer<'_, W>,
) -> io::Result<()> {
    raise_descriptor_limit();
    let mut follows: Vec<Follow> = logs.iter().map(|log| builder.follow(log)).collect();
    for (log, follow) in logs.iter().zip(&mut follows) {
        let mut first = follow.poll();
        if !follow.found_any() {
            complain(format_args!("{}: there is no such log yet", log.display()));
        }
        printer.all(&mut first)?;
    }
    printer.out.flush()?;
    while !nobody_reads() {
        for follow in &mut follows {
            printer.all(&mut follow.poll())?;
        }
        printer.out.flush()?;
        thread::sleep(EVERY);
    }
    Ok(())
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
