//! Three processes log JSON on one path, and while they do, a fourth one takes the file's lock for
//! a while. In the end every record is looked for.
//!
//! The exit code is not zero if one is missing or there twice.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use tracing_fallback_file::{Family, FileAppender, TARGET};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{fmt, prelude::*};

const WORKERS: usize = 3;
const RECORDS: usize = 1_500;
const PAUSE: Duration = Duration::from_millis(1);
/// The other process takes the lock at this time after its start, and holds it for this time.
const LOCKED_AFTER: Duration = Duration::from_millis(600);
const LOCKED_FOR: Duration = Duration::from_secs(1);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", path, name] => worker(Path::new(path), name)?,
        ["holder", path] => holder(Path::new(path))?,
        _ => return demo(),
    }
    Ok(ExitCode::SUCCESS)
}

/// What a service does.
fn worker(path: &Path, name: &str) -> Result<(), Box<dyn Error>> {
    let file = FileAppender::new(path)?;
    let on_stdout = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(TARGET, LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(fmt::layer().with_ansi(false).with_filter(on_stdout))
        .with(file.json_layer())
        .init();
    for number in 0..RECORDS {
        tracing::info!(worker = name, number, "an order came in");
        thread::sleep(PAUSE);
    }
    // Waits for records that no file has taken yet; there are none, unless all were locked.
    file.flush(Duration::from_secs(5))?;
    Ok(())
}

/// What an editor, a backup or a virus scanner does.
fn holder(path: &Path) -> Result<(), Box<dyn Error>> {
    thread::sleep(LOCKED_AFTER);
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    let mut file = fd_lock::RwLock::new(file);
    let held = file.write()?;
    println!("*** another process has app.log locked");
    thread::sleep(LOCKED_FOR);
    drop(held);
    println!("*** app.log is free again");
    Ok(())
}

fn demo() -> Result<ExitCode, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("app.log");
    println!(
        "{WORKERS} processes write {RECORDS} records each to {}",
        path.display()
    );

    let mut processes = vec![start(&["holder".as_ref(), path.as_os_str()])?];
    for worker in 0..WORKERS {
        let name = format!("worker-{worker}");
        processes.push(start(&[
            "worker".as_ref(),
            path.as_os_str(),
            name.as_ref(),
        ])?);
    }
    for mut process in processes {
        let status = process.wait()?;
        if !status.success() {
            return Err(format!("a process failed: {status}").into());
        }
    }

    // How often each record is there, and how many each file has.
    let mut found: BTreeMap<(String, u64), usize> = BTreeMap::new();
    println!("\n{:<14}{:>10}{:>10}", "file", "records", "notices");
    let files = Family::of(&path)?;
    for file in files.primary.iter().chain(&files.variants) {
        let (mut records, mut notices) = (0, 0);
        for line in fs::read_to_string(file)?.lines() {
            let line: serde_json::Value = serde_json::from_str(line)?;
            if line["target"] == TARGET {
                notices += 1;
                continue;
            }
            let fields = &line["fields"];
            let worker = fields["worker"]
                .as_str()
                .ok_or("a record without a worker")?;
            let number = fields["number"]
                .as_u64()
                .ok_or("a record without a number")?;
            *found.entry((worker.to_owned(), number)).or_default() += 1;
            records += 1;
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{name:<14}{records:>10}{notices:>10}");
    }
    let sent = WORKERS * RECORDS;
    let missing = sent - found.len();
    let doubled = found.values().filter(|&&times| times > 1).count();
    println!(
        "\nsent {sent}, found {}, missing {missing}, doubled {doubled}",
        found.len()
    );
    Ok(if missing + doubled == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn start(arguments: &[&std::ffi::OsStr]) -> Result<Child, Box<dyn Error>> {
    Ok(Command::new(env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()?)
}
