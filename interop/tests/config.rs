//! The options of a log in TOML, YAML, JSON and the environment.

use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing_fallback_file::{Compression, Config, Period, SyncPolicy, TimeZone};

/// A program's settings, of which the log is a part.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    threads: u16,
    log: Config,
}

const TOML: &str = r#"
threads = 4

[log]
path = "logs/app.log"
rotate = "daily"
time_zone = "Europe/Berlin"
rotate_on_start = true
max_file_size = "10 MB"
max_files = 30
max_age = "30d"
max_total_size = "2 GiB"
compress = "gzip"
lock_wait = "10ms"
max_variants = 20
return_to_primary = "1m"
backlog_limit = 65536
queue_size = "1 MiB"
queue_dir = "queues"
lossy = true
sync = "every_commit"
mode = "0640"
latest_symlink = "logs/latest.log"
"#;

const YAML: &str = r#"
threads: 4
log:
  path: logs/app.log
  rotate: daily
  time_zone: Europe/Berlin
  rotate_on_start: true
  max_file_size: 10 MB
  max_files: 30
  max_age: 30d
  max_total_size: 2 GiB
  compress: gzip
  lock_wait: 10ms
  max_variants: 20
  return_to_primary: 1m
  backlog_limit: 65536
  queue_size: 1 MiB
  queue_dir: queues
  lossy: true
  sync: every_commit
  mode: "0640"
  latest_symlink: logs/latest.log
"#;

fn expected() -> Config {
    let mut config = Config::default();
    config.path = Some("logs/app.log".into());
    config.rotate = Some(Period::Daily);
    config.time_zone = Some(TimeZone::Named("Europe/Berlin".into()));
    config.rotate_on_start = Some(true);
    config.max_file_size = Some(10_000_000);
    config.max_files = Some(30);
    config.max_age = Some(Duration::from_secs(30 * 86_400));
    config.max_total_size = Some(2 << 30);
    config.compress = Some(Compression::Gzip);
    config.lock_wait = Some(Duration::from_millis(10));
    config.max_variants = Some(20);
    config.return_to_primary = Some(Duration::from_secs(60));
    config.backlog_limit = Some(65_536);
    config.queue_size = Some(1 << 20);
    config.queue_dir = Some("queues".into());
    config.lossy = Some(true);
    config.sync = Some(SyncPolicy::EveryCommit);
    config.mode = Some(0o640);
    config.latest_symlink = Some("logs/latest.log".into());
    config
}

#[test]
fn every_format_has_the_same_options_and_keeps_them() {
    let settings: Settings = toml::from_str(TOML).unwrap();
    assert_eq!(settings.log, expected());
    let yaml: Settings = serde_yaml_ng::from_str(YAML).unwrap();
    assert_eq!(yaml, settings);
    let text = toml::to_string(&settings).unwrap();
    assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
    let text = serde_yaml_ng::to_string(&settings).unwrap();
    assert_eq!(
        serde_yaml_ng::from_str::<Settings>(&text).unwrap(),
        settings
    );
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    let value = serde_json::to_value(&settings.log).unwrap();
    assert_eq!(value["max_file_size"], 10_000_000);
    assert_eq!(
        serde_json::from_value::<Config>(value).unwrap(),
        settings.log
    );
}

#[test]
fn what_is_not_there_or_null_keeps_its_default() {
    for config in [
        serde_json::from_str::<Config>("{}").unwrap(),
        serde_json::from_str(r#"{"max_files": null}"#).unwrap(),
        serde_yaml_ng::from_str("max_files:\nrotate: ~").unwrap(),
        toml::from_str("").unwrap(),
    ] {
        assert_eq!(config, Config::default());
    }
    assert_eq!(serde_json::to_string(&Config::default()).unwrap(), "{}");
}

/// The error names the key, the value and what is allowed.
fn assert_says<E: Debug + ToString>(
    result: Result<Config, E>,
    key: &str,
    value: &str,
    allowed: &str,
) {
    let error = result.unwrap_err().to_string();
    for part in [key, value, allowed] {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn a_value_that_is_not_allowed_is_an_error_that_says_what_is() {
    for (key, values, allowed) in [
        ("path", &[r#""""#, "1"][..], "a path"),
        (
            "rotate",
            &[r#""dayly""#, r#""90s""#, "1", r#""0m""#],
            "daily",
        ),
        ("rotate_on_start", &["1", r#""yes""#], "true or false"),
        (
            "max_file_size",
            &[r#""10 XB""#, "0", "-1", r#""""#, "1.5", r#""0 MB""#],
            "10 MB",
        ),
        (
            "max_files",
            &["0", "-3", r#""many""#, "true", "[1]"],
            "a number that is not zero",
        ),
        (
            "max_age",
            &["30", r#""30""#, r#""-1d""#, r#""soon""#],
            "30d",
        ),
        ("max_total_size", &[r#""MB""#, "0"], "64 KiB"),
        ("compress", &[r#""zstd""#, "true"], "none or gzip"),
        ("lock_wait", &["10", r#""10 parsecs""#], "10ms"),
        ("max_variants", &["1000", "-1"], "from 0 to 999"),
        ("return_to_primary", &["60"], "12h"),
        ("backlog_limit", &[r#""all""#], "64 KiB"),
        ("sync", &[r#""always""#, "true"], "never or every_commit"),
        (
            "mode",
            &["640", r#""0999""#, r#""+640""#, r#""10640""#, r#""""#],
            "0640",
        ),
        ("latest_symlink", &["false"], "a path"),
    ] {
        for value in values {
            let toml = toml::from_str(&format!("{key} = {value}"));
            let shown = if *value == "[1]" { "a list" } else { value };
            assert_says(toml, key, shown, allowed);
            let json = serde_json::from_str(&format!("{{\"{key}\": {value}}}"));
            assert_says(json, key, shown, allowed);
            let yaml = serde_yaml_ng::from_str(&format!("{key}: {value}"));
            assert_says(yaml, key, shown, allowed);
        }
    }
}

#[test]
fn a_key_that_is_unknown_or_there_twice_is_an_error() {
    let error = "there is no key max_file; the keys are path, rotate, ";
    assert_says(toml::from_str("max_file = 30"), error, "max_files", "mode");
    assert_says(
        serde_json::from_str(r#"{"max_file": 30}"#),
        error,
        "max_files",
        "mode",
    );
    assert_says(
        serde_yaml_ng::from_str("max_file: 30"),
        error,
        "max_files",
        "mode",
    );
    let twice = serde_json::from_str(r#"{"max_files": 30, "max_files": 31}"#);
    assert_says(twice, "max_files", "is there twice", "");
}

/// Runs a test of this binary in a process of its own, with these variables.
fn in_environment(test: &str, directory: &Path, variables: &[(&str, &str)]) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .current_dir(directory)
        .status();
    assert!(child.unwrap().success());
}

#[test]
#[ignore = "a child of another one"]
fn logs_as_the_environment_says() {
    let mut config: Config = toml::from_str("path = \"from_file.log\"\nmax_files = 3").unwrap();
    config.apply_env("MYAPP_LOG").unwrap();
    assert_eq!(config.max_files, Some(3));
    assert_eq!(config.max_file_size, Some(64 * 1024));
    let alone = Config::from_env("MYAPP_LOG").unwrap();
    assert_eq!(alone.max_files, None);
    let file = config.build().unwrap();
    std::io::Write::write_all(
        &mut tracing_subscriber::fmt::MakeWriter::make_writer(&file),
        b"hello\n",
    )
    .unwrap();
    let error = Config::from_env("WRONG").unwrap_err();
    assert_eq!(
        (error.key(), error.found()),
        ("WRONG_ROTATE", Some("\"dayly\""))
    );
    assert!(error.allowed().contains("daily"));
}

#[test]
fn the_environment_goes_over_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [
        ("MYAPP_LOG_PATH", "logs/app.log"),
        ("MYAPP_LOG_MAX_FILE_SIZE", "64 KiB"),
        ("MYAPP_LOG_ROTATE", ""),
        ("WRONG_ROTATE", "dayly"),
    ];
    in_environment("logs_as_the_environment_says", dir.path(), &variables);
    let log = fs::read_to_string(dir.path().join("logs/app.log")).unwrap();
    assert_eq!(log, "hello\n");
}

#[test]
fn a_log_without_a_path_is_an_error() {
    let error = Config::default().build().unwrap_err();
    assert!(
        error.to_string().contains("the key path is missing"),
        "{error}"
    );
}
