//! Messages on stderr.

use std::fmt::Display;
use std::io::{self, Write};

pub(crate) fn complain(what: impl Display) {
    let _ = writeln!(io::stderr(), "fallback-log: {what}");
}

/// What clap says, with its tips and without the usage.
pub(crate) fn in_one_line(text: &str) -> String {
    let paragraph = text.lines().take_while(|line| !line.trim().is_empty());
    let tips = text.lines().filter(|line| line.trim().starts_with("tip: "));
    let words: Vec<_> = paragraph.map(str::trim).collect();
    let tips: String = tips.map(|tip| format!("; {}", tip.trim())).collect();
    let text = words.join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    format!("{text}{tips} (see --help)")
}
