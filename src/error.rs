//! Why an appender could not be made.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a [`FileAppender`](crate::FileAppender) could not be made: a path, what was to be done with it, and the cause.
///
/// It displays as one line with all three. [`source`](Error::source) is the cause alone, an
/// [`io::Error`].
#[derive(Debug)]
pub struct InitError {
    path: PathBuf,
    operation: &'static str,
    cause: io::Error,
}

impl InitError {
    pub(crate) fn at<'a>(
        path: &'a Path,
        operation: &'static str,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |cause| InitError {
            path: path.to_owned(),
            operation,
            cause,
        }
    }

    pub(crate) fn invalid(path: &Path, operation: &'static str, cause: impl Into<String>) -> Self {
        InitError::at(path, operation)(io::Error::new(ErrorKind::InvalidInput, cause.into()))
    }

    /// The path concerned: the one given, or a directory above it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What could not be done with the path, as in "cannot … /var/log/app.log".
    pub fn operation(&self) -> &str {
        self.operation
    }

    /// The kind of the cause.
    pub fn kind(&self) -> ErrorKind {
        self.cause.kind()
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {:?}: {}",
            self.operation, self.path, self.cause
        )
    }
}

impl Error for InitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

/// For a `main` that returns [`io::Result`]; keeps kind, path and operation.
impl From<InitError> for io::Error {
    fn from(error: InitError) -> Self {
        io::Error::new(error.kind(), error)
    }
}
