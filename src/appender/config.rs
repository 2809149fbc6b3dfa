//! An appender with the options of a [`Config`].

use super::FileAppender;
use crate::builder::Builder;
use crate::config::Config;
use crate::error::InitError;

impl Config {
    /// A builder with these options; it has no `path`.
    pub fn builder(&self) -> Builder {
        let mut builder = FileAppender::builder();
        macro_rules! set {
            ($($key:ident => $option:ident),* $(,)?) => {
                $(if let Some(value) = self.$key.clone() {
                    builder = builder.$option(value);
                })*
            };
        }
        set! {
            rotate => rotate_every,
            rotate_on_start => rotate_on_start,
            max_file_size => max_file_size,
            max_files => max_files,
            max_age => max_age,
            max_total_size => max_total_size,
            compress => compress,
            lock_wait => lock_wait,
            max_variants => max_variants,
            return_to_primary => return_to_primary,
            backlog_limit => backlog_limit,
            queue_size => queue_size,
            queue_dir => queue_dir,
            lossy => lossy,
            sync => sync,
        }
        #[cfg(feature = "local-time")]
        set! { time_zone => time_zone }
        #[cfg(unix)]
        {
            use crate::builder::unix::BuilderExt;
            set! { mode => mode, latest_symlink => latest_symlink }
        }
        builder
    }

    /// Makes the appender.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`]; `InvalidInput` if there is no `path`.
    pub fn build(&self) -> Result<FileAppender, InitError> {
        match &self.path {
            Some(path) => self.builder().build(path),
            None => Err(InitError::invalid(
                "".as_ref(),
                "use as a log file",
                "the key path is missing",
            )),
        }
    }
}

impl From<Config> for Builder {
    fn from(config: Config) -> Self {
        config.builder()
    }
}
