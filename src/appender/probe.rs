//! What `build` finds out about a path: whether it can be a log, and whether a file of the log can be
//! written.

use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::mem;
use std::path::{Path, PathBuf};

use crate::error::InitError;
use crate::file::CommitError;
use crate::names;
use crate::sys::{self, FailureScope};

pub(crate) fn absolute(path: &Path) -> Result<PathBuf, InitError> {
    let operation = "use as a log file";
    // `Path` does not see a separator or a dot at the end.
    let is_file_name = path.file_name().is_some_and(|name| {
        path.as_os_str()
            .as_encoded_bytes()
            .ends_with(name.as_encoded_bytes())
    });
    if !is_file_name {
        return Err(InitError::invalid(
            path,
            operation,
            "there is no file name at its end",
        ));
    }
    if let Some(why) = path.file_name().and_then(sys::invalid_name) {
        return Err(InitError::invalid(path, operation, why));
    }
    std::path::absolute(path).map_err(InitError::at(path, operation))
}

/// The same file, whatever way its directory is spelled.
pub(crate) fn in_real_directory(path: &Path) -> PathBuf {
    let directory = path
        .parent()
        .and_then(|parent| sys::canonicalize(parent).ok());
    match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

/// Returns the length of the primary, if it exists. Fails if no file of the family can be written.
pub(crate) fn prove_writable(primary: &Path, max_variants: u16) -> Result<Option<u64>, InitError> {
    let length = match sys::metadata(primary) {
        Ok(metadata) => match sys::no_log_file(&metadata) {
            Some(why) => {
                let cause = io::Error::new(ErrorKind::Unsupported, why);
                return Err(InitError::at(primary, "use as a log file")(cause));
            }
            None => Some(metadata.len()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => Some(0),
    };
    let mut first: Option<InitError> = None;
    let mut looked_for_room = false;
    for number in 0..=max_variants {
        let path = names::member(primary, number);
        let error = match sys::open(&path) {
            Ok(mut file) => match file.seek(SeekFrom::End(0)) {
                Ok(_) => return Ok(length),
                Err(_) => {
                    let cause = "it can't seek, as a terminal can't";
                    let cause = io::Error::new(ErrorKind::Unsupported, cause);
                    let error = InitError::at(&path, "use as a log file")(cause);
                    if number == 0 {
                        return Err(error);
                    }
                    first.get_or_insert(error);
                    continue;
                }
            },
            Err(error) => error,
        };
        if error.kind() == ErrorKind::NotFound {
            // A temporary file, which on Linux has no name. The primary itself must not be made and
            // removed: another process might write to it. All variants are in one directory; the
            // primary may be a link into another one.
            if number == 0 || !mem::replace(&mut looked_for_room, true) {
                let target = sys::canonical(&path);
                let directory = target.parent().unwrap_or(&target);
                match sys::temporary_file(directory) {
                    Ok(_) => return Ok(length),
                    Err(error) => {
                        first.get_or_insert(InitError::at(directory, "make a file in")(error));
                    }
                }
            }
            continue;
        }
        let error = CommitError::from(error).at(&path);
        let scope = error.scope;
        let error = InitError::at(&path, "open")(error.into_cause());
        match scope {
            FailureScope::Locked => return Ok(length),
            FailureScope::File(_) => {
                first.get_or_insert(error);
            }
            FailureScope::Directory | FailureScope::Process => return Err(error),
        }
    }
    first.map_or(Ok(length), Err)
}
