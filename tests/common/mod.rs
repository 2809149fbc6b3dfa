//! Real second processes, locks and readers for the tests.
//!
//! A child is the test binary again, told to run one `#[ignore]`d test; the two talk over its
//! standard input and output. Run without a parent, such a test does nothing.

// Each test binary uses its part, and none of it is an interface.
#![allow(dead_code, unreachable_pub)]

#[cfg(target_os = "linux")]
pub mod trace;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{mpsc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use tracing::Dispatch;
use tracing_fallback_file::{Builder, Family, FileAppender};
use tracing_subscriber::fmt::MakeWriter;

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

impl Child {
    pub fn start(name: &str, arguments: &[&str]) -> Child {
        Child::from_command(&mut child_command(name, arguments))
    }

    pub fn from_command(command: &mut Command) -> Child {
        const TEXT_FILE_BUSY: i32 = 26;
        let mut process = loop {
            match command.spawn() {
                // A child that another test is just starting still has the handle with which the
                // binary was copied.
                Err(error) if error.raw_os_error() == Some(TEXT_FILE_BUSY) => {
                    std::thread::yield_now();
                }
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
    pub fn end(mut self) -> Vec<String> {
        self.input = None;
        let words = std::iter::from_fn(|| self.hear_or_end()).collect();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "child: {status}");
        words
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

/// Holds the lock of a file until it is dropped, as a stranger would, through a handle of its own.
pub struct Held(fd_lock::RwLock<File>);

pub fn hold(path: &Path) -> Held {
    try_hold(path).expect("somebody else holds the lock")
}

pub fn try_hold(path: &Path) -> Option<Held> {
    let mut lock = open(path);
    // The lock goes with the handle; `Held` is its guard.
    std::mem::forget(lock.try_write().ok()?);
    Some(Held(lock))
}

/// Waits for its turn among the writers.
pub fn hold_when_free(path: &Path) -> Held {
    let mut lock = open(path);
    std::mem::forget(lock.write().unwrap());
    Held(lock)
}

impl Drop for Held {
    fn drop(&mut self) {
        // Taken a second time through its handle, it is let go with the guard: the end of the
        // handle alone would leave it with a child that is just being started.
        drop(self.0.try_write());
    }
}

fn open(path: &Path) -> fd_lock::RwLock<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path);
    fd_lock::RwLock::new(file.unwrap())
}

/// For what depends on the machine's being free for some milliseconds: tries it again, and fails
/// if it fails each time.
pub fn within_attempts(attempts: u32, attempt: impl Fn() -> Result<(), String>) {
    let mut last = String::new();
    for _ in 0..attempts {
        match attempt() {
            Ok(()) => return,
            Err(error) => last = error,
        }
    }
    panic!("{attempts} times: {last}");
}

/// Waits for what another thread or process does. The limit is for what never comes: a busy machine
/// must not reach it.
pub fn wait_until(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(100), "it never comes");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// A thread that does nothing but sleep: how late the system lets it run is the control for a bound
/// on time.
pub struct Control {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Duration>,
}

impl Control {
    pub fn start() -> Control {
        const NAP: Duration = Duration::from_millis(1);
        let (stop, stops) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let mut latest = Duration::ZERO;
            loop {
                let began = Instant::now();
                if stops.recv_timeout(NAP) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return latest;
                }
                latest = latest.max(began.elapsed().saturating_sub(NAP));
            }
        });
        Control { stop, thread }
    }

    /// How late it ran when it was latest.
    pub fn latest(self) -> Duration {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}

/// Runs `work`; an error if it takes `limit` or longer and the machine is not the reason. A test
/// tries it several times, because `work` and the control are not late together.
pub fn timely<T>(limit: Duration, work: impl FnOnce() -> T) -> Result<T, String> {
    let control = Control::start();
    let began = Instant::now();
    let result = work();
    let took = began.elapsed();
    let late = control.latest();
    if took < limit + late {
        Ok(result)
    } else {
        Err(format!("{took:?}, where an idle thread was {late:?} late"))
    }
}

/// Keeps two subscribers alive in this process.
///
/// While tracing knows of one only, it asks the default subscriber of the current thread for its
/// interest in a callsite: another test's thread, which has none, would switch the callsite off.
pub fn keep_subscribers() {
    static KEPT: OnceLock<[Dispatch; 2]> = OnceLock::new();
    KEPT.get_or_init(|| [(); 2].map(|()| Dispatch::new(tracing_subscriber::registry())));
}

/// Makes room for a thousand open files, where the usual limit is 1,024 for the whole process.
pub fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{getrlimit, setrlimit, Resource};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit
            .maximum
            .map_or(Some(65_536), |maximum| Some(maximum.min(65_536)));
        setrlimit(Resource::Nofile, limit).unwrap();
    }
}

/// A directory of the test's own; the log in it.
pub struct Scratch {
    pub dir: tempfile::TempDir,
    pub log: PathBuf,
}

pub fn scratch() -> Scratch {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("app.log");
    Scratch { dir, log }
}

impl Scratch {
    pub fn variant(&self, number: u16) -> PathBuf {
        self.dir.path().join(format!("app.{number:03}.log"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Writes one record through the guard, as `fmt::Layer` does.
pub fn write(appender: &FileAppender, record: &str) {
    try_write(appender, record).unwrap();
}

pub fn try_write(appender: &FileAppender, record: &str) -> io::Result<()> {
    appender
        .make_writer()
        .write_all(format!("{record}\n").as_bytes())
}

/// What `text` is compressed.
pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Default::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What is in a file, compressed or not.
pub fn contents(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    if path.extension() != Some("gz".as_ref()) {
        return bytes;
    }
    let mut plain = Vec::new();
    let decoded = MultiGzDecoder::new(&*bytes).read_to_end(&mut plain);
    decoded.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    plain
}

pub fn lines(path: &Path) -> Vec<String> {
    let text = String::from_utf8(contents(path)).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "{} ends half-way",
        path.display()
    );
    text.lines().map(str::to_owned).collect()
}

/// The files of `log` that are written to: the primary, then its variants by number.
pub fn family(log: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
    let Family {
        primary, variants, ..
    } = Family::of(log)?;
    Ok(primary.into_iter().chain(variants).collect())
}

/// All lines of the family of `log`, in the order of its files.
pub fn family_lines(log: &Path) -> Vec<String> {
    family(log)
        .unwrap()
        .iter()
        .flat_map(|path| lines(path))
        .collect()
}

/// The archives of `log`, oldest first, and the files that are written to.
pub fn all_files(log: &Path) -> Vec<PathBuf> {
    let mut files = Family::of(log).unwrap().archives;
    files.extend(family(log).unwrap());
    files
}

/// An appender of files of at most `bytes` bytes.
pub fn rotating(bytes: u64) -> Builder {
    FileAppender::builder().max_file_size(bytes)
}

/// Has archives compressed, where the feature `gzip` is on.
pub fn compressing(builder: Builder) -> Builder {
    #[cfg(feature = "gzip")]
    let builder = builder.compress(tracing_fallback_file::Compression::Gzip);
    builder
}

pub fn set_modified(path: &Path, time: SystemTime) {
    let file = OpenOptions::new().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// A file with one line that was written so long ago.
pub fn left(path: &Path, ago: Duration) {
    fs::write(path, "old\n").unwrap();
    set_modified(path, SystemTime::now() - ago);
}

/// Every line of the family that satisfies `is_record` is one of `expected`, and each of those is
/// there once.
pub fn assert_each_once(log: &Path, expected: impl IntoIterator<Item = String>) {
    let mut found = BTreeMap::new();
    for line in family_lines(log) {
        *found.entry(line).or_insert(0u32) += 1;
    }
    let mut missing = Vec::new();
    for record in expected {
        if found.remove(&record).is_none() {
            missing.push(record);
        } else {
            continue;
        }
    }
    assert!(
        missing.is_empty(),
        "{} missing, such as {:?}",
        missing.len(),
        missing[0]
    );
    assert!(found.is_empty(), "strangers: {found:?}");
}

/// A file system of its own in memory, unmounted when it goes.
#[cfg(unix)]
pub struct SmallDisk(pub Scratch);

#[cfg(unix)]
impl SmallDisk {
    /// Mounts one of `size` KiB; `None`, said, where that is not allowed.
    pub fn mount(test: &str, size: u32) -> Option<SmallDisk> {
        SmallDisk::mount_with(test, &format!("size={size}k"))
    }

    pub fn mount_with(test: &str, options: &str) -> Option<SmallDisk> {
        let scratch = scratch();
        let mounted = cfg!(target_os = "linux")
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", options, "tmpfs"])
                .arg(scratch.dir.path())
                .output()
                .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED {test}: mounting a file system is not allowed here");
            return None;
        }
        Some(SmallDisk(scratch))
    }
}

#[cfg(unix)]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.0.dir.path())
            .status();
    }
}

/// The command that runs a child as a user whom permissions stop: nobody if this is root, else
/// this user.
///
/// Everything in `scratch` goes to that user, and a copy of the binary where it can be reached:
/// the build directory may not be open to everybody.
#[cfg(unix)]
pub fn as_nobody(name: &str, arguments: &[&str], scratch: &Scratch) -> Command {
    use std::os::unix::fs::{lchown as chown, PermissionsExt};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    let mut child = child_command(name, arguments);
    if !rustix::process::geteuid().is_root() {
        return child;
    }
    let binary = scratch.path("binary");
    if !binary.exists() {
        fs::copy(child.get_program(), &binary).unwrap();
    }
    fs::set_permissions(scratch.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&binary);
    command.args(child.get_args());
    for (key, value) in child.get_envs() {
        if let Some(value) = value {
            command.env(key, value);
        }
    }
    command.current_dir("/").uid(NOBODY).gid(NOBODY);
    child = command;
    child.stdin(Stdio::piped()).stdout(Stdio::piped());
    fn give(path: &Path) {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        if path.is_dir() && !path.is_symlink() {
            fs::read_dir(path)
                .unwrap()
                .for_each(|entry| give(&entry.unwrap().path()));
        }
    }
    give(scratch.dir.path());
    child
}
