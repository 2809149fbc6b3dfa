//! Reads a log and all its files as one stream.

use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_fallback_file::cli::main()
}
