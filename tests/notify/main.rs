//! The notice of a switch, the report of dropped records, and `attach`.

mod bursts;
#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
mod drop_reports;
mod feedback;
#[cfg(unix)]
mod forks;
mod global;
mod positions;
mod subscribers;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::Subscriber;
use tracing_fallback_file::FileAppender;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use common::{wait_until, Scratch};

const NOTICE: &str = "File locked, switched to numbered variant:";

/// Another layer's output.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Sink;

    fn make_writer(&'a self) -> Sink {
        self.clone()
    }
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

/// Waits until as many notices are in the files.
fn await_notices(scratch: &Scratch, notices: usize) {
    wait_until(|| {
        let found = common::family_lines(&scratch.log);
        found.iter().filter(|line| line.contains(NOTICE)).count() == notices
    });
}

fn text<S>(file: &FileAppender) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer().with_ansi(false).with_writer(file.clone())
}

/// What a child prints on its two outputs.
fn outputs(name: &str, arguments: &[&str]) -> (String, String) {
    let output = common::child_command(name, arguments)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    (out, err)
}
