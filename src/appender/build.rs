//! What `build` does: it checks the options and the path, and makes the appender.

use std::mem;
use std::path::Path;
use std::sync::Arc;

use super::probe::{absolute, in_real_directory, prove_writable};
use super::FileAppender;
use crate::builder::Builder;
use crate::error::InitError;
use crate::file::Calendar;
use crate::names::{self, MAX_VARIANTS};
use crate::notify::Notifier;
use crate::queue;
use crate::sink::{QueueOptions, Sink};
use crate::sys;

impl Builder {
    /// Makes the appender, and the directories above the file if they are missing.
    ///
    /// The file itself comes with the first record. That there will be one is proved here, without
    /// leaving anything behind: some file of the family can be opened for writing, or can be made.
    /// A file that somebody else has locked is no error.
    ///
    /// # Errors
    ///
    /// An [`InitError`] whose [`kind`](InitError::kind) is
    ///
    /// - `InvalidInput` for more than 999 variants, for a size or a number of files of zero, for a
    ///   `queue_size` over 2 GiB, for a `mode` without 0o600, for a `latest_symlink` that is a file of the log
    ///   itself, for a `max_total_size` that is less than `max_file_size`, and for a path without a file name: empty,
    ///   ending in `..`, `/.` or a separator, with a NUL byte in it, or, on Windows, the name of a
    ///   device (`con.log`) or of a stream (`a:b`);
    /// - `Unsupported` if there is a FIFO, a socket or a block device at the path, or something else
    ///   that can't seek, such as a terminal;
    /// - what the system answers if the directories can't be made, or if no file of the family can
    ///   be written (`PermissionDenied` for example, or a read-only file system).
    pub fn build(self, path: impl AsRef<Path>) -> Result<FileAppender, InitError> {
        let path = path.as_ref();
        let mut options = self.options;
        if options.max_variants > MAX_VARIANTS {
            let cause = format!("{} variants, but 999 at most", options.max_variants);
            return Err(InitError::invalid(path, "use max_variants for", cause));
        }
        if options.queue.size == 0 || options.queue.size > QueueOptions::MAX_SIZE {
            let cause = format!("{} bytes, but 1 to 2 GiB", options.queue.size);
            return Err(InitError::invalid(path, "use queue_size for", cause));
        }
        #[cfg(unix)]
        if let Some(mode) = options.mode.filter(|mode| mode & sys::OWNER != sys::OWNER) {
            let cause = format!("{mode:#o}, with which the owner can't read and write the file");
            return Err(InitError::invalid(path, "use mode for", cause));
        }
        for (operation, value) in [
            ("use max_file_size for", options.max_file_size),
            ("use max_total_size for", options.limits.max_total_size),
            (
                "use max_files for",
                options.limits.max_files.map(|n| n as u64),
            ),
        ] {
            if value == Some(0) {
                let cause = "zero; without a limit, leave the option out";
                return Err(InitError::invalid(path, operation, cause));
            }
        }
        if let (Some(total), Some(file)) = (options.limits.max_total_size, options.max_file_size) {
            if total < file {
                let cause = "max_total_size is less than max_file_size";
                return Err(InitError::invalid(path, "use these options for", cause));
            }
        }
        #[cfg(feature = "local-time")]
        if let Some(period) = self.period {
            let calendar = Calendar::in_zone(period, &self.time_zone);
            let refused = |cause| InitError::invalid(path, "use time_zone for", cause);
            options.calendar = Some(calendar.map_err(refused)?);
        }
        #[cfg(not(feature = "local-time"))]
        {
            options.calendar = self.period.map(Calendar::new);
        }
        let primary = absolute(path)?;
        if let Some(directory) = primary.parent() {
            sys::create_dir_all(directory)
                .map_err(InitError::at(directory, "make the directory"))?;
        }
        if let Some(link) = &mut options.latest {
            let given = mem::replace(link, absolute(link)?);
            if names::is_member(&in_real_directory(&primary), &in_real_directory(link)) {
                let cause = "it is a file of the log itself";
                return Err(InitError::invalid(&given, "use as latest_symlink", cause));
            }
        }
        if let Some(directory) = &mut options.queue.directory {
            sys::create_dir_all(&*directory)
                .map_err(InitError::at(directory, "make the directory"))?;
            *directory = std::path::absolute(&*directory)
                .map_err(InitError::at(directory, "use as queue_dir"))?;
        }
        let length = prove_writable(&primary, options.max_variants)?;
        let notifier = Notifier::new(self.on_switch, self.on_rotate);
        let sink = Arc::new(Sink::new(primary, length, options, self.header, notifier));
        // The lines of a killed process belong to the log that it wrote.
        queue::recover(&sink);
        sink.start();
        Ok(FileAppender::from(sink))
    }
}
