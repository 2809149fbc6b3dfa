//! The same operations on the disk in memory and in a real directory give the same answers.

use std::fs;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::sys::sim::faults::Faults;
use crate::sys::sim::machine::{Machine, Strategy};
use crate::sys::sim::random::Random;
use crate::sys::{self, File, FileLock, OpenOptions};

#[derive(Clone, Debug)]
enum Operation {
    Open(usize, usize),
    Create(usize, usize),
    Truncated(usize, usize),
    Close(usize),
    Append(usize, usize),
    Read(usize, usize),
    Seek(usize, u64),
    SetLength(usize, u64),
    State(usize),
    Lock(usize, usize),
    IsAt(usize, usize),
    StateAt(usize),
    IsFile(usize),
    IsSymlink(usize),
    ReadLink(usize),
    Canonicalize(usize),
    Remove(usize),
    Rename(usize, usize),
    RenameToNew(usize, usize),
    HardLink(usize, usize),
    Symlink(usize, usize),
    CreateDirectories(usize),
    List(usize),
}

/// Names that meet each other: files, directories, and paths through both.
const PATHS: [&str; 8] = ["a", "b", "c", "d", "d/a", "d/../b", "e/f", "."];
const HANDLES: usize = 3;

fn operation(random: &mut Random) -> Operation {
    let path = random.index(PATHS.len());
    // `.` can't be removed or renamed, for one of many reasons.
    let (name, other) = (random.index(PATHS.len() - 1), random.index(PATHS.len() - 1));
    let (handle, second) = (random.index(HANDLES), random.index(HANDLES));
    let length = random.index(30);
    match random.below(23) {
        0 => Operation::Open(handle, path),
        1 => Operation::Create(handle, path),
        2 => Operation::Truncated(handle, path),
        3 => Operation::Close(handle),
        4 => Operation::Append(handle, length),
        5 => Operation::Read(handle, length),
        6 => Operation::Seek(handle, length as u64),
        7 => Operation::SetLength(handle, length as u64),
        8 => Operation::State(handle),
        9 => Operation::Lock(handle, second),
        10 => Operation::IsAt(handle, path),
        11 => Operation::StateAt(path),
        12 => Operation::IsFile(path),
        13 => Operation::IsSymlink(path),
        14 => Operation::ReadLink(path),
        15 => Operation::Canonicalize(path),
        16 => Operation::Remove(name),
        17 => Operation::Rename(name, other),
        18 => Operation::RenameToNew(name, other),
        19 => Operation::HardLink(name, other),
        20 => Operation::Symlink(name, other),
        21 => Operation::CreateDirectories(path),
        _ => Operation::List(path),
    }
}

/// Removes from an answer what differs between two systems: the root, and the numbers of files.
fn answer<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        // If there are two reasons for an error, systems find different ones first.
        Err(error) => match error.kind() {
            kind @ (ErrorKind::NotFound | ErrorKind::AlreadyExists | ErrorKind::WouldBlock) => {
                format!("{kind:?}")
            }
            _ => "refused".to_owned(),
        },
    }
}

/// Does the operations below `root`, and returns the answers.
fn answers(root: &Path, operations: &[Operation]) -> Vec<String> {
    let mut handles: Vec<Option<File>> = (0..HANDLES).map(|_| None).collect();
    operations
        .iter()
        .map(|operation| one(root, operation, &mut handles))
        .collect()
}

fn one(root: &Path, operation: &Operation, handles: &mut [Option<File>]) -> String {
    let at = |path: &usize| root.join(PATHS[*path]);
    let relative = |found: PathBuf| {
        found
            .strip_prefix(root)
            .map(Path::to_owned)
            .unwrap_or(found)
    };
    let state = |found: sys::FileState| found.length;
    let mut opened = |handle: &usize, result: io::Result<File>| {
        let answer = answer(
            result
                .as_ref()
                .map(|_| ())
                .map_err(|error| error.kind().into()),
        );
        if let Ok(file) = result {
            handles[*handle] = Some(file);
        }
        answer
    };
    match operation {
        Operation::Open(handle, path) => return opened(handle, sys::open(&at(path))),
        Operation::Create(handle, path) => return opened(handle, sys::create(&at(path), None)),
        Operation::Truncated(handle, path) => {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(true);
            return opened(handle, options.open(at(path)));
        }
        _ => {}
    }
    let on = |handle: &usize| handles[*handle].as_ref();
    let is_file = |file: &&File| file.metadata().is_ok_and(|found| found.is_file());
    match operation {
        Operation::Close(handle) => {
            handles[*handle] = None;
            String::new()
        }
        Operation::Append(handle, n) => match on(handle) {
            Some(mut file) => answer(file.write(&vec![b'x'; *n])),
            None => String::new(),
        },
        Operation::Read(handle, n) => match on(handle).filter(is_file) {
            Some(mut file) => {
                let mut buffer = vec![0; *n];
                let read = file.read(&mut buffer);
                answer(read.map(|n| String::from_utf8_lossy(&buffer[..n]).into_owned()))
            }
            None => String::new(),
        },
        Operation::Seek(handle, n) => match on(handle).filter(is_file) {
            Some(mut file) => {
                let end = file.seek(SeekFrom::End(0));
                answer(end.and_then(|end| Ok((end, file.seek(SeekFrom::Start(*n))?))))
            }
            None => String::new(),
        },
        Operation::SetLength(handle, n) => match on(handle) {
            Some(file) => answer(file.set_len(*n)),
            None => String::new(),
        },
        Operation::State(handle) => match on(handle).filter(is_file) {
            Some(file) => answer(
                file.metadata()
                    .map(|found| (found.len(), sys::is_deleted(&found), found.is_symlink())),
            ),
            None => String::new(),
        },
        Operation::Lock(one, other) if one != other => {
            let (first, second) = (handles[*one].take(), handles[*other].take());
            let (Some(first), Some(second)) = (first, second) else {
                return String::new();
            };
            let mut locks = [FileLock::new(first), FileLock::new(second)];
            let [first, second] = &mut locks;
            let held = first.try_write();
            let refused = answer(second.try_write().map(|_| ()));
            drop(held);
            let free = answer(second.try_write().map(|_| ()));
            let [first, second] = locks;
            handles[*one] = Some(first.into_inner());
            handles[*other] = Some(second.into_inner());
            format!("{refused} {free}")
        }
        Operation::IsAt(handle, path) => match on(handle) {
            Some(file) => answer(sys::is_at(&at(path), file)),
            None => String::new(),
        },
        Operation::StateAt(path) => match sys::is_file(&at(path)) {
            true => answer(sys::state_at(&at(path)).map(state)),
            false => answer(sys::metadata(at(path)).map(|found| found.is_file())),
        },
        Operation::IsFile(path) => sys::is_file(&at(path)).to_string(),
        Operation::IsSymlink(path) => sys::is_symlink(&at(path)).to_string(),
        Operation::ReadLink(path) => answer(sys::read_link(at(path))),
        Operation::Canonicalize(path) => answer(sys::canonicalize(at(path)).map(relative)),
        Operation::Remove(path) => answer(sys::remove_file(at(path))),
        Operation::Rename(from, to) => answer(sys::rename(at(from), at(to))),
        Operation::RenameToNew(from, to) => answer(sys::rename_to_new(&at(from), &at(to))),
        Operation::HardLink(from, to) => answer(sys::hard_link(at(from), at(to))),
        Operation::Symlink(target, link) => answer(sys::symlink(PATHS[*target], at(link))),
        Operation::CreateDirectories(path) => answer(sys::create_dir_all(at(path)).map_err(|_| {
            // std makes further system calls, and returns the error of any of them.
            io::Error::other("")
        })),
        Operation::List(path) => match sys::read_dir(at(path)) {
            Ok(entries) => {
                let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
                names.sort();
                format!("{names:?}")
            }
            Err(error) => answer::<()>(Err(error)),
        },
        _ => String::new(),
    }
}

fn in_memory(operations: &[Operation]) -> Vec<String> {
    let machine = Machine::new(0, Strategy::Uniform { one_in: 0 }, Faults::default());
    machine.add_process();
    let found = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let (inner, operations) = (std::rc::Rc::clone(&found), operations.to_owned());
    machine.spawn(0, "main", move || {
        let root = Path::new("/root");
        sys::create_dir_all(root).unwrap();
        *inner.borrow_mut() = answers(root, &operations);
    });
    machine.run();
    machine.end(Vec::<()>::new());
    assert_eq!(machine.state.borrow().failure, None);
    found.take()
}

#[test]
fn the_disk_in_memory_answers_as_a_real_one() {
    for seed in 0..500 {
        let random = &mut Random::new(seed);
        let operations: Vec<_> = (0..60).map(|_| operation(random)).collect();
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        let real = answers(&root, &operations);
        let simulated = in_memory(&operations);
        for (n, operation) in operations.iter().enumerate() {
            let before = &operations[..n];
            assert_eq!(real[n], simulated[n], "{operation:?} after {before:?}");
        }
    }
}
