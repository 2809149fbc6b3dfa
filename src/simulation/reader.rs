//! A program that lists the log's files while they are rotated, compressed and removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::files::is_archive;
use super::workload::LOG;
use crate::family::Listing;
use crate::sys::sim::disk::Kind;
use crate::sys::sim::machine::Machine;

/// Lists the log often while an archive is being compressed, and now and then otherwise.
pub(super) fn run(machine: &Rc<Machine>) {
    for _ in 0..60 {
        let before = archives(machine);
        let listed = match Listing::of(Path::new(LOG)) {
            Ok(listed) => listed.archives,
            Err(_) => continue,
        };
        let listed: BTreeSet<_> = listed
            .into_iter()
            .map(|archive| plain(archive.path))
            .collect();
        let after = archives(machine);
        // An archive that was there before and after was there all the time, plain or compressed.
        let mut missed = before
            .intersection(&after)
            .filter(|path| !listed.contains(*path));
        if let Some(missed) = missed.next() {
            let failure = format!("a listing misses {}", missed.display());
            machine.state.borrow_mut().fail(failure);
            return;
        }
        let pause = machine.state.borrow_mut().random.below(300_000);
        let pause = Duration::from_micros(pause);
        machine.wait_for(Some(pause), || is_compressing(machine).then_some(()));
        machine.step();
    }
}

fn is_compressing(machine: &Machine) -> bool {
    let state = machine.state.borrow();
    let mut names = state.disk.names_in(Path::new("/log"));
    names.any(|name| name.as_encoded_bytes().ends_with(b".tmp"))
}

fn plain(path: PathBuf) -> PathBuf {
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => path.with_extension(""),
        false => path,
    }
}

/// The archives that exist now, by their names without `.gz`.
fn archives(machine: &Machine) -> BTreeSet<PathBuf> {
    let state = machine.state.borrow();
    let files = state.disk.files(Path::new("/log")).into_iter();
    // A link or a directory in a file's place is the stranger's.
    let files = files.filter(|(_, ino)| state.disk.stat_of(*ino).kind == Kind::File);
    let files = files.map(|(path, _)| path);
    let archives = files.filter(|path| is_archive(&path.to_string_lossy()));
    let complete = archives.filter(|path| path.extension().is_some_and(|it| it != "tmp"));
    complete.map(plain).collect()
}
