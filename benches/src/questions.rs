//! The command `fallback-log`, beside the tools that answer the same questions.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::measure::{in_turns, median, ratio, timed, Effort};
use crate::place::DISK;
use crate::records::{fill, json, text, time, Form};
use crate::report::Report;

/// Under this name the program is the command.
pub(crate) const COMMAND: &str = "fallback-log";

const GB: usize = 1_000_000_000;

/// One question, with the shell commands that answer it; `LOG` is the log, `FL` the command.
struct Question {
    what: &'static str,
    form: Form,
    ours: &'static str,
    theirs: &'static str,
    /// Of our time to theirs.
    bound: f64,
}

const QUESTIONS: [Question; 10] = [
    Question {
        what: "the last error, text; `tac` and `grep -m1`, to 10 ms more",
        form: text_with_error,
        ours: "FL -n 1 --level error LOG",
        theirs: "tac LOG | grep -m1 ERROR; sleep 0.01",
        bound: 1.0,
    },
    Question {
        what: "the last error, JSON; the same",
        form: json_with_error,
        ours: "FL -n 1 --level error LOG",
        theirs: "tac LOG | grep -m1 ERROR; sleep 0.01",
        bound: 1.0,
    },
    Question {
        what: "since the last 1 %; `tail` of 2 %",
        form: text,
        ours: "FL --since SINCE LOG",
        theirs: "tail -c 2% LOG | cat",
        bound: 1.0,
    },
    Question {
        what: "until the first 1 %; `head` of 2 %",
        form: text,
        ours: "FL --until UNTIL LOG",
        theirs: "head -c 2% LOG | cat",
        bound: 1.0,
    },
    Question {
        what: "a text that is nowhere; `grep`",
        form: text,
        ours: "FL --grep n=99999999999 LOG",
        theirs: "grep n=99999999999 LOG | cat",
        bound: 1.3,
    },
    Question {
        what: "a text that is in each record; without a search",
        form: text,
        ours: "FL --grep connection LOG",
        theirs: "FL --grep n=99999999999 -v LOG",
        bound: 2.0,
    },
    Question {
        what: "JSON with the time last; with the time first",
        form: json_time_last,
        ours: "FL LOG",
        theirs: "FL FIRST",
        bound: 2.0,
    },
    Question {
        what: "by level, JSON; `jq`",
        form: json,
        ours: "FL --level error LOG",
        theirs: "jq -c 'select(.level==\"ERROR\")' LOG",
        bound: 0.5,
    },
    Question {
        what: "by a field, JSON; `jq`",
        form: json,
        ours: "FL --field elapsed_ms=976 LOG",
        theirs: "jq -c 'select(.fields.elapsed_ms==976)' LOG",
        bound: 0.5,
    },
    Question {
        what: "JSON as text; `jq` as lines",
        form: json,
        ours: "FL --output text LOG",
        theirs: "jq -r '\"\\(.timestamp) \\(.level) \\(.target): \\(.fields.message)\"' LOG",
        bound: 0.5,
    },
];

pub(crate) fn questions(report: &mut Report, effort: Effort) {
    let effort = Effort {
        rounds: effort.rounds.min(3),
        ..effort
    };
    let length = effort.records(GB);
    let rows: Vec<String> = QUESTIONS
        .iter()
        .filter_map(|question| row(report, effort, question, length))
        .collect();
    let name = format!("`fallback-log` on one file of {} MB", length / 1_000_000);
    report.table(
        &name,
        "question | fallback-log, s | the other, s | ratio",
        rows,
    );
}

/// `None` if the other program is not here.
fn row(report: &mut Report, effort: Effort, question: &Question, length: usize) -> Option<String> {
    let dir = DISK.directory();
    let log = fill(dir.path(), question.form, 1, length).remove(0);
    let first: PathBuf = dir.path().join("first");
    std::fs::create_dir(&first).unwrap();
    let first = match question.theirs.contains("FIRST") {
        true => fill(&first, json, 1, length).remove(0),
        false => first,
    };
    let last = last_micros(&log);
    let program = dir.path().join(COMMAND);
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &program).unwrap();
    let command = |script: &str| {
        let script = script
            .replace("FL", "\"$FL\"")
            .replace("FIRST", &first.display().to_string())
            .replace("LOG", &log.display().to_string())
            .replace("SINCE", &time(last / 100 * 99))
            .replace("UNTIL", &time(last / 100))
            .replace("2%", &(length / 50).to_string());
        let mut command = Command::new("sh");
        command.args(["-c", &script]).env("LC_ALL", "C");
        command.env("FL", &program);
        command.stdout(Stdio::null());
        command
    };
    let other = question.theirs.split(' ').next().unwrap_or_default();
    let is_here = other == "FL" || Command::new(other).arg("--version").output().is_ok();
    if !is_here {
        return None;
    }
    let scripts = [question.ours, question.theirs];
    let turns = in_turns(effort, 2, |contender| {
        timed(|| {
            let status = command(scripts[contender]).status().unwrap();
            assert!(status.code().is_some_and(|code| code < 2), "{status}");
        })
        .as_secs_f64()
    });
    let to_theirs = ratio(&turns[0], &turns[1]);
    let [ours, theirs] = [0, 1].map(|n| median(turns[n].clone()));
    report.at_most(question.what, to_theirs, question.bound);
    Some(format!(
        "{} | {ours:.3} | {theirs:.3} | {to_theirs:.2}",
        question.what
    ))
}

/// The time of the last record of a log whose records have their time as `n=`.
fn last_micros(log: &Path) -> u64 {
    let tail = Command::new("tail").args(["-n", "1"]).arg(log).output();
    let line = String::from_utf8(tail.unwrap().stdout).unwrap();
    let number = line.split("n=").nth(1).or(line.split("\"n\":").nth(1));
    let digits = number.map(|text| text.split(|c: char| !c.is_ascii_digit()).next());
    digits
        .flatten()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

fn json_time_last(micros: u64) -> String {
    let record = json(micros);
    let members = record.trim_end().trim_start_matches('{').strip_suffix('}');
    let (time, rest) = members.and_then(|members| members.split_once(',')).unwrap();
    format!("{{{rest},{time}}}\n")
}

/// A record in ten thousand is an error.
fn text_with_error(micros: u64) -> String {
    with_error(text(micros), micros)
}

fn json_with_error(micros: u64) -> String {
    with_error(json(micros), micros)
}

fn with_error(record: String, micros: u64) -> String {
    match micros % 100_000 < 10 {
        true => record.replacen("INFO", "ERROR", 1),
        false => record,
    }
}
