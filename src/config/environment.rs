//! A [`Config`] from the variables of the environment.

use std::env;
use std::ffi::{OsStr, OsString};

use super::error::ConfigError;
use super::keys::{Key, KEYS};
use super::value::Value;
use super::Config;

impl Config {
    /// The options that the environment has under `prefix`: of `MYAPP_LOG` they are
    /// `MYAPP_LOG_PATH`, `MYAPP_LOG_MAX_FILE_SIZE` and so on, a variable for each key.
    ///
    /// An empty variable counts as unset.
    ///
    /// # Errors
    ///
    /// If a value is not allowed, or if a variable begins with the prefix and `_` and no key follows:
    /// choose a prefix that is the log's alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_fallback_file::{Config, Period};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # std::env::set_var("MYAPP_LOG_ROTATE", "hourly");
    /// // MYAPP_LOG_ROTATE=hourly
    /// let config = Config::from_env("MYAPP_LOG")?;
    /// assert_eq!(config.rotate, Some(Period::Hourly));
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_env(prefix: &str) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        config.apply_env(prefix)?;
        Ok(config)
    }

    /// Puts the options that the environment has in the place of those that are here, as
    /// [`from_env`](Self::from_env) reads them: a file of settings first, the environment over it.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env); then those that came before the error are changed.
    pub fn apply_env(&mut self, prefix: &str) -> Result<(), ConfigError> {
        self.apply(prefix, env::vars_os())
    }

    fn apply(
        &mut self,
        prefix: &str,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), ConfigError> {
        let prefix = format!("{prefix}_");
        for (variable, value) in variables {
            let Some(key) = strip(&variable, &prefix) else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let value = match value.into_string() {
                Ok(text) => Value::Text(text),
                Err(bytes) => Value::Bytes(bytes),
            };
            let variable = format!("{prefix}{key}");
            let known = Some(&key)
                .filter(|key| key.bytes().all(|byte| !byte.is_ascii_lowercase()))
                .and_then(|key| Key::find(&key.to_ascii_lowercase()));
            match known {
                Some(known) => known.set(self, &variable, &value)?,
                None => {
                    let name = |key: &Key| format!("{prefix}{}", key.name.to_ascii_uppercase());
                    let names: Vec<_> = KEYS.iter().map(name).collect();
                    return Err(ConfigError::unknown(variable, &names));
                }
            }
        }
        Ok(())
    }
}

/// What follows the prefix in the name of a variable.
fn strip(variable: &OsStr, prefix: &str) -> Option<String> {
    let key = variable.to_str()?.strip_prefix(prefix)?;
    Some(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        config.apply("MYAPP_LOG", variables).map(|()| config)
    }

    #[test]
    fn a_variable_that_is_empty_or_another_program_s_changes_nothing() {
        let config = read(&[
            ("MYAPP_LOG", "debug"),
            ("MYAPP_LOGLEVEL", "x"),
            ("XMYAPP_LOG_PATH", "x"),
            ("MYAPP_LOG_ROTATE", ""),
        ]);
        assert_eq!(config, Ok(Config::default()));
    }

    #[test]
    fn a_variable_that_is_no_key_is_an_error_with_all_that_are() {
        for name in ["MYAPP_LOG_MAX_FILE", "MYAPP_LOG_path", "MYAPP_LOG_"] {
            let error = read(&[(name, "x")]).unwrap_err();
            assert_eq!((error.key(), error.found()), (name, None));
            assert!(error.allowed().contains("MYAPP_LOG_MAX_FILES, "), "{error}");
        }
    }

    #[cfg(not(all(feature = "gzip", feature = "local-time")))]
    #[test]
    fn a_value_that_needs_a_feature_is_an_error_that_names_it() {
        for (variable, default, value, feature) in [
            #[cfg(not(feature = "gzip"))]
            ("MYAPP_LOG_COMPRESS", "none", "gzip", "the feature gzip "),
            #[cfg(not(feature = "local-time"))]
            (
                "MYAPP_LOG_TIME_ZONE",
                "utc",
                "local",
                "the feature local-time ",
            ),
        ] {
            assert!(read(&[(variable, default)]).is_ok());
            let error = read(&[(variable, value)]).unwrap_err();
            assert_eq!(
                (error.key(), error.found()),
                (variable, Some(&*format!("{value:?}")))
            );
            assert!(error.allowed().starts_with(default), "{error}");
            assert!(error.allowed().contains(feature), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_path_need_not_be_text() {
        use std::os::unix::ffi::OsStringExt;

        let raw = OsString::from_vec(vec![b'a', 0xff]);
        let mut config = Config::default();
        let set = config.apply("A", [("A_PATH".into(), raw.clone())]);
        assert_eq!(set, Ok(()));
        assert_eq!(config.path, Some(raw.clone().into()));
        let error = config.apply("A", [("A_ROTATE".into(), raw)]).unwrap_err();
        assert_eq!(error.key(), "A_ROTATE");
        assert!(serde_json::to_string(&config).is_err());
    }
}
