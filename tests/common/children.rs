//! Second processes.
//!
//! A child is the test binary again, told to run one `#[ignore]`d test; the two talk over its
//! standard input and output. Run without a parent, such a test does nothing.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

const ARGUMENTS: &str = "FALLBACK_TEST_ARGUMENTS";
/// What a child says to its parent starts with this; the test harness prints lines of its own.
const MARK: &str = "@ ";

/// A running child.
pub struct Child {
    process: std::process::Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// The command that runs the test `name` of this binary as a child.
pub fn child_command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            name,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ARGUMENTS, arguments.join("\n"))
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// The same child under another program: `wrapper` is its name and arguments.
pub fn wrapped(wrapper: &[&str], child: &Command) -> Command {
    let mut command = match wrapper {
        [] => Command::new(child.get_program()),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(child.get_program());
            command
        }
    };
    command.args(child.get_args());
    for (key, value) in child.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Reads a child's output up to this word.
pub fn await_word(output: &mut impl BufRead, word: &str) {
    let mut line = String::new();
    loop {
        line.clear();
        assert!(
            output.read_line(&mut line).unwrap() > 0,
            "the child ended before {word:?}"
        );
        if line.trim_end().ends_with(&format!("{MARK}{word}")) {
            return;
        }
    }
}

const ETXTBSY: i32 = 26;
const ERROR_INTERNAL_ERROR: i32 = 1359;

impl Child {
    pub fn start(name: &str, arguments: &[&str]) -> Child {
        Child::from_command(&mut child_command(name, arguments))
    }

    /// Runs a child whose argument is a log, to its end; what it said.
    pub fn run(name: &str, log: &Path) -> Vec<String> {
        Child::start(name, &[log.to_str().unwrap()]).end()
    }

    pub fn from_command(command: &mut Command) -> Child {
        // A child that another test is just starting still has the handle with which the binary was
        // copied. Wine now and then fails to start a program on a busy machine.
        const PASSING: i32 = if cfg!(windows) {
            ERROR_INTERNAL_ERROR
        } else {
            ETXTBSY
        };
        let mut process = loop {
            match command.spawn() {
                Err(error) if error.raw_os_error() == Some(PASSING) => std::thread::yield_now(),
                spawned => break spawned.unwrap(),
            }
        };
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        Child {
            process,
            input,
            output,
        }
    }

    /// The child's next word; panics if it ends without one.
    pub fn hear(&mut self) -> String {
        self.hear_or_end().expect("the child ended early")
    }

    /// The same for a child that does not `say`: what follows `mark` in its output's next line that
    /// has it.
    pub fn hear_after(&mut self, mark: &str) -> String {
        self.after_or_end(mark).expect("the child ended early")
    }

    fn hear_or_end(&mut self) -> Option<String> {
        self.after_or_end(MARK)
    }

    fn after_or_end(&mut self, mark: &str) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            assert_ne!(line, "running 0 tests\n", "there is no test of that name");
            // The harness prints the test's name without a line break before it.
            if let Some(at) = line.find(mark) {
                return Some(line[at + mark.len()..].trim_end().to_owned());
            }
        }
    }

    pub fn expect(&mut self, word: &str) {
        assert_eq!(self.hear(), word);
    }

    pub fn tell(&mut self, word: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{word}\n").as_bytes()).unwrap();
    }

    /// Waits for the end; what the child still said.
    pub fn end(self) -> Vec<String> {
        let (words, status) = self.end_in_any_way();
        assert!(status.success(), "child: {status}");
        words
    }

    /// The same for an end that need not be a good one.
    pub fn end_in_any_way(mut self) -> (Vec<String>, ExitStatus) {
        self.input = None;
        let words = std::iter::from_fn(|| self.hear_or_end()).collect();
        (words, self.process.wait().unwrap())
    }

    /// Waits for an end that need not be a good one.
    pub fn wait(mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    pub fn kill(mut self) -> ExitStatus {
        self.process.kill().unwrap();
        self.process.wait().unwrap()
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it prints on stderr, if the command has that piped.
    pub fn stderr(&mut self) -> ChildStderr {
        self.process.stderr.take().unwrap()
    }
}

/// In a child: what the parent passed, or `None` if there is no parent.
pub fn arguments() -> Option<Vec<String>> {
    let arguments = std::env::var(ARGUMENTS).ok()?;
    Some(arguments.split('\n').map(str::to_owned).collect())
}

/// In a child.
pub fn say(word: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{MARK}{word}").unwrap();
    out.flush().unwrap();
}

/// In a child: the parent's next word; `None` when it has none any more.
pub fn hear() -> Option<String> {
    let mut line = String::new();
    let n = io::stdin().read_line(&mut line).unwrap();
    (n > 0).then(|| line.trim_end().to_owned())
}

/// In a child: ends it when it is stuck, so that its parent fails and does not hang as well.
pub fn abort_when_stuck() {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(100));
        std::process::abort();
    });
}
