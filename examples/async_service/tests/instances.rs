//! Instances on one log, under load: stopped and killed.

#![cfg(unix)]

// The service needs a part of them, and none of it is an interface.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../tests/common"]
mod common {
    pub mod children;
    pub mod files;
    pub mod locks;
    pub mod timing;
}

use std::collections::HashMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::children::Child;
use common::files::{contents, family, family_lines, lines, scratch, Scratch};
use common::locks::hold_when_free;
use common::timing::wait_until;
use rustix::process::{kill_process, Pid, Signal};
use tracing_fallback_file::TARGET;

/// A limit for what never comes.
const STUCK: Duration = Duration::from_secs(100);

struct Instance {
    pid: Pid,
    url: String,
    /// Reads what it says, so that it never waits for room to say it, until its end.
    end: Option<JoinHandle<ExitStatus>>,
}

impl Instance {
    fn start(log: &Path) -> Instance {
        let mut command = Command::new(env!("CARGO_BIN_EXE_async_service"));
        command.arg(log).env_remove("RUST_LOG");
        let mut child = Child::from_command(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        Instance {
            pid: Pid::from_raw(child.id() as i32).unwrap(),
            url: format!("http://{}", child.hear_after("listening address=")),
            end: Some(thread::spawn(|| child.end_in_any_way().1)),
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    fn join(mut self) {
        let status = self.end.take().unwrap().join().unwrap();
        assert!(status.success(), "{status}");
    }

    fn kill(mut self) {
        self.signal(Signal::KILL);
        let status = self.end.take().unwrap().join().unwrap();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}");
    }
}

/// A failed test leaves no service behind, nor clients that go on.
impl Drop for Instance {
    fn drop(&mut self) {
        if self.end.as_ref().is_some_and(|end| !end.is_finished()) {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// It keeps its connections, and asks no proxy that the environment names.
fn client() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(STUCK))
        .proxy(None);
    config.build().into()
}

fn request(client: &ureq::Agent, url: &str, id: &str) -> Result<(), ureq::Error> {
    let request = client.get(format!("{url}/hello/{id}"));
    let mut response = request.header("x-request-id", id).call()?;
    let body = response.body_mut().read_to_string()?;
    assert_eq!(body, format!("Hello, {id}!\n"));
    Ok(())
}

/// Sends requests until one is refused, which it returns.
fn send_until_refused(
    url: &str,
    name: &str,
    answer: &mpsc::Sender<String>,
    stopping: &AtomicBool,
) -> String {
    let client = client();
    for n in 0.. {
        let id = format!("{name}-{n}");
        if let Err(error) = request(&client, url, &id) {
            assert!(stopping.load(Ordering::SeqCst), "{id}: {error}");
            return id;
        }
        // Nobody takes them any more only if the test has failed.
        let _ = answer.send(id);
    }
    unreachable!()
}

/// What two instances answered on their way from start to stop, and what they refused in the end.
fn life(scratch: &Scratch, name: &str) -> (Vec<String>, Vec<String>) {
    let instances = [(); 2].map(|()| Instance::start(&scratch.log));
    let urls = [0, 1].map(|n: usize| instances[n].url.clone());

    let mut answered = Vec::new();
    // Connected to the end, without a request: that must not hold anybody up.
    let idle = client();
    for (n, url) in urls.iter().enumerate() {
        let id = format!("{name}-idle-{n}");
        request(&idle, url, &id).unwrap();
        answered.push(id);
    }

    let stopping = AtomicBool::new(false);
    let (answer, answers) = mpsc::channel();
    let mut take = |count: usize| {
        for _ in 0..count {
            answered.push(answers.recv_timeout(STUCK).unwrap());
        }
    };
    let send = |url: &str, client_name: usize, answer: mpsc::Sender<String>| {
        let name = format!("{name}-{client_name}");
        send_until_refused(url, &name, &answer, &stopping)
    };
    let refused = thread::scope(|scope| {
        let instances = instances;
        let clients = [0, 1, 2, 3].map(|n| {
            let (url, answer, send) = (&urls[n % 2], answer.clone(), &send);
            scope.spawn(move || send(url, n, answer))
        });

        take(250);
        let held = hold_when_free(&scratch.log);
        take(250);
        wait_until(|| scratch.variant(1).exists());
        drop(held);
        take(250);

        // With their files locked, they stop before their last records are in one.
        let files = family(&scratch.log).unwrap();
        let _held: Vec<_> = files.iter().map(|file| hold_when_free(file)).collect();
        stopping.store(true, Ordering::SeqCst);
        instances[0].signal(Signal::INT);
        instances[1].signal(Signal::TERM);
        let refused = clients.map(|client| client.join().unwrap());
        instances.into_iter().for_each(Instance::join);
        refused.into()
    });
    drop(answer);
    answered.extend(answers);
    (answered, refused)
}

#[test]
fn every_answered_request_is_in_the_log_once() {
    let scratch = scratch();
    let (mut answered, mut refused) = (Vec::new(), Vec::new());
    for name in ["a", "b", "c", "d"] {
        let life = life(&scratch, name);
        answered.extend(life.0);
        refused.extend(life.1);
    }

    assert_each_once(&scratch, &answered, &refused);
    assert!(
        !lines(&scratch.variant(1)).is_empty(),
        "the lock was in nobody's way"
    );
}

/// Each request that was answered has one record; one that was refused may have one.
fn assert_each_once(scratch: &Scratch, answered: &[String], refused: &[String]) {
    let mut found: HashMap<String, u32> = HashMap::new();
    for line in family_lines(&scratch.log) {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        // Nothing was cut off.
        assert_eq!(record["level"], "INFO", "{line}");
        match record["span"]["id"].as_str() {
            Some(id) => *found.entry(id.to_owned()).or_default() += 1,
            None => {
                let message = &record["fields"]["message"];
                assert!(
                    record["target"] == TARGET || message == "listening",
                    "{line}"
                );
            }
        }
    }
    let mut wrong = Vec::new();
    for id in answered {
        match found.remove(id).unwrap_or(0) {
            1 => {}
            times => wrong.push((id, times)),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:?}",
        wrong.len(),
        answered.len()
    );
    // Who was refused an answer may have been heard.
    for id in refused {
        assert!(found.remove(id).unwrap_or(0) <= 1, "{id}");
    }
    assert!(found.is_empty(), "nobody asked for {found:?}");
}

/// What an instance answered until it was killed, and what it did not answer any more.
fn life_that_is_killed(scratch: &Scratch, name: &str) -> (Vec<String>, Vec<String>) {
    let instance = Instance::start(&scratch.log);
    let url = instance.url.clone();
    let stopping = AtomicBool::new(false);
    let (answer, answers) = mpsc::channel();
    let mut answered = Vec::new();
    let refused = thread::scope(|scope| {
        let instance = instance;
        let clients = [0, 1, 2, 3].map(|n| {
            let (name, answer) = (format!("{name}-{n}"), answer.clone());
            let (url, stopping) = (&url, &stopping);
            scope.spawn(move || send_until_refused(url, &name, &answer, stopping))
        });
        let mut take = |count: usize| {
            for _ in 0..count {
                answered.push(answers.recv_timeout(STUCK).unwrap());
            }
        };
        take(100);
        // What is answered from here on is in the queue alone for as long as `lock_wait`.
        let files = family(&scratch.log).unwrap();
        let _held: Vec<_> = files.iter().map(|file| hold_when_free(file)).collect();
        take(8);
        stopping.store(true, Ordering::SeqCst);
        instance.kill();
        clients.map(|client| client.join().unwrap())
    });
    drop(answer);
    answered.extend(answers);
    (answered, refused.into())
}

#[test]
fn every_request_answered_before_a_kill_is_in_the_log_once_after_the_next_start() {
    let scratch = scratch();
    let (mut answered, mut refused) = (Vec::new(), Vec::new());
    let mut queued = 0;
    for round in 0.. {
        assert!(round < 30, "nothing was queued when it was killed");
        let life = life_that_is_killed(&scratch, &format!("{round}"));
        let files = family(&scratch.log).unwrap();
        let text: String = files
            .iter()
            .map(|file| String::from_utf8_lossy(&contents(file)).into_owned())
            .collect();
        let is_in_log = |id: &String| text.contains(&format!("\"id\":\"{id}\""));
        queued += life.0.iter().filter(|id| !is_in_log(id)).count();
        answered.extend(life.0);
        refused.extend(life.1);
        if queued > 0 && round >= 2 {
            break;
        }
    }
    let next = Instance::start(&scratch.log);
    assert_each_once(&scratch, &answered, &refused);
    next.signal(Signal::TERM);
    next.join();
    let entries = fs::read_dir(scratch.dir.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.ends_with(".queue")).collect();
    assert!(left.is_empty(), "{left:?}");
}
