//! Two instances on one log, under load.

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
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::children::Child;
use common::files::{family, family_lines, lines, scratch, Scratch};
use common::locks::hold_when_free;
use common::timing::wait_until;
use rustix::process::{kill_process, Pid, Signal};
use tracing_fallback_file::TARGET;

/// A limit for what never comes.
const STUCK: Duration = Duration::from_secs(100);

struct Instance {
    pid: Pid,
    url: String,
    /// Reads what it says, so that it never waits for room to say it, and checks its end.
    end: Option<JoinHandle<Vec<String>>>,
}

impl Instance {
    fn start(log: &Path) -> Instance {
        let mut command = Command::new(env!("CARGO_BIN_EXE_async_service"));
        command.arg(log).env_remove("RUST_LOG");
        let mut child = Child::from_command(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        Instance {
            pid: Pid::from_raw(child.id() as i32).unwrap(),
            url: format!("http://{}", child.hear_after("listening address=")),
            end: Some(thread::spawn(|| child.end())),
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    fn join(mut self) {
        self.end.take().unwrap().join().unwrap();
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
    // Requests until one is refused, which it returns.
    let send = |url: &str, client_name: usize, answer: mpsc::Sender<String>| {
        let client = client();
        for n in 0.. {
            let id = format!("{name}-{client_name}-{n}");
            if let Err(error) = request(&client, url, &id) {
                assert!(stopping.load(Ordering::SeqCst), "{id}: {error}");
                return id;
            }
            // Nobody takes them any more only if the test has failed.
            let _ = answer.send(id);
        }
        unreachable!()
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
    for id in &answered {
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
        assert!(found.remove(&id).unwrap_or(0) <= 1, "{id}");
    }
    assert!(found.is_empty(), "nobody asked for {found:?}");
    assert!(
        !lines(&scratch.variant(1)).is_empty(),
        "the lock was in nobody's way"
    );
}
