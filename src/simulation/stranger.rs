//! Another program that locks, renames, cuts and replaces the log's files.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::scenario::Scenario;
use super::workload::LOG;
use crate::sys::sim::machine::Machine;
use crate::sys::sim::random::Random;
use crate::sys::{self, File, FileLock, OpenOptions};

pub(super) fn run(machine: &Rc<Machine>, scenario: &Scenario) {
    let seed = machine.state.borrow_mut().random.next();
    let random = &mut Random::new(seed);
    let files = [LOG, LOG, LOG, "/log/app.001.log", "/log/app.002.log"];
    let mut directories: Vec<PathBuf> = Vec::new();
    for n in 0..scenario.stranger {
        sys::sleep(Duration::from_micros(random.below(30_000)));
        let path = Path::new(random.pick(&files));
        match random.below(8) {
            0..=2 => {
                if let Ok(file) = sys::open(path) {
                    hold(file, Duration::from_micros(random.below(100_000)));
                }
            }
            3 => drop(sys::rename(path, format!("{LOG}.{n}"))),
            4 => drop(sys::remove_file(path)),
            5 => {
                let opened = OpenOptions::new().write(true).open(path);
                drop(opened.and_then(|file| file.set_len(0)));
            }
            6 => {
                let made = machine.state.borrow_mut().disk.create_directory(path);
                directories.extend(made.is_ok().then(|| path.to_owned()));
            }
            _ => drop(sys::symlink("/data/real.log", path)),
        }
    }
    sys::sleep(Duration::from_millis(50));
    for directory in directories {
        let _ = machine.state.borrow_mut().disk.remove_directory(&directory);
    }
}

fn hold(file: File, time: Duration) {
    let mut lock = FileLock::new(file);
    let locked = lock.try_write();
    if locked.is_ok() {
        sys::sleep(time);
    }
}
