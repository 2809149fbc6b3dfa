//! The options that there are on Unix only.

use std::path::Path;

use super::Builder;

/// Options that there are on Unix only.
pub trait BuilderExt {
    /// The permissions with which files are made, primary and variants, less those that the
    /// process's umask takes. Default: 0o666.
    ///
    /// The owner may always read and write: a `mode` without 0o600 is an [`InitError`](crate::InitError), and what the
    /// umask takes of that is given back, as the file could not be opened a second time.
    ///
    /// They are given when a file is made and never changed after that: a file that exists keeps
    /// its own. Directories are made with 0o777, less the umask.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use std::os::unix::fs::PermissionsExt;
    /// use tracing_fallback_file::{unix::BuilderExt, FileAppender};
    /// use tracing_subscriber::fmt::MakeWriter;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let file = FileAppender::builder().mode(0o640).build(&path)?;
    /// file.make_writer().write_all(b"hello\n")?;
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777 & !0o640, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "options do nothing until `build`"]
    fn mode(self, mode: u32) -> Self;

    /// Keeps a symbolic link at `path` that leads to the file written to: the primary from the
    /// first record on, then the file of the last switch. Default: no link.
    ///
    /// It is replaced atomically on Linux and Apple systems; on others, and on file systems that
    /// can't exchange two names (NFS), there is no link for a moment. The process that switched last
    /// has set it. A file or directory at `path` is never replaced or removed; it is a WARN event,
    /// as any other error with the link, and the records are written all the same. A link into the
    /// same directory is relative. A link that has been removed comes back with the next switch or
    /// start.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use tracing_fallback_file::{unix::BuilderExt, FileAppender};
    /// use tracing_subscriber::fmt::MakeWriter;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.log");
    /// let link = dir.path().join("latest.log");
    /// let file = FileAppender::builder().latest_symlink(&link).build(&path)?;
    /// file.make_writer().write_all(b"hello\n")?;
    /// assert_eq!(std::fs::read_to_string(&link)?, "hello\n");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "options do nothing until `build`"]
    fn latest_symlink(self, path: impl AsRef<Path>) -> Self;
}

impl BuilderExt for Builder {
    fn mode(mut self, mode: u32) -> Self {
        self.options.mode = Some(mode);
        self
    }

    fn latest_symlink(mut self, path: impl AsRef<Path>) -> Self {
        self.options.latest = Some(path.as_ref().to_owned());
        self
    }
}
