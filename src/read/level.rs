//! The names and numbers of levels.

use tracing::Level;

/// The level with this name, in upper or lower case.
pub(crate) fn level_named(name: &[u8]) -> Option<Level> {
    // tracing's names, and those of other loggers.
    const NAMES: [(&[u8], Level); 14] = [
        (b"INFO", Level::INFO),
        (b"DEBUG", Level::DEBUG),
        (b"TRACE", Level::TRACE),
        (b"WARN", Level::WARN),
        (b"ERROR", Level::ERROR),
        (b"WARNING", Level::WARN),
        (b"NOTICE", Level::INFO),
        (b"ERR", Level::ERROR),
        (b"CRIT", Level::ERROR),
        (b"CRITICAL", Level::ERROR),
        (b"ALERT", Level::ERROR),
        (b"EMERG", Level::ERROR),
        (b"FATAL", Level::ERROR),
        (b"PANIC", Level::ERROR),
    ];
    let mut names = NAMES.iter();
    let found = names.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, level)| *level)
}

/// The level of a number of bunyan's or pino's.
pub(crate) fn level_numbered(number: u64) -> Level {
    match number {
        0..=19 => Level::TRACE,
        20..=29 => Level::DEBUG,
        30..=39 => Level::INFO,
        40..=49 => Level::WARN,
        _ => Level::ERROR,
    }
}
