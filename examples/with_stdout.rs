//! Two layers, each with its filter: INFO and above in colour on stdout, DEBUG and above in the
//! file.

use std::fmt::Result as FmtResult;

use tracing_fallback_file::FileAppender;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::{fmt, prelude::*};

/// The default fields under another name.
///
/// tracing-subscriber formats the fields of a span once for all layers that have the same field
/// formatter, so a coloured layer would put its escape codes into the file's spans. With a type of
/// its own (or as JSON) the file's layer formats them itself.
struct FileFields;

impl<'writer> FormatFields<'writer> for FileFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> FmtResult {
        DefaultFields::new().format_fields(writer, fields)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("app.log");

    let file = FileAppender::new(&path)?;
    let file_layer = fmt::layer()
        .with_ansi(false)
        .fmt_fields(FileFields)
        .with_writer(file.clone());
    tracing_subscriber::registry()
        .with(fmt::layer().with_ansi(true).with_filter(LevelFilter::INFO))
        .with(file.attach(file_layer).with_filter(LevelFilter::DEBUG))
        .init();

    tracing::info_span!("request", id = 7).in_scope(|| {
        tracing::debug!("only in the file");
        tracing::info!("in both");
    });

    println!("--- {} has:", path.display());
    print!("{}", std::fs::read_to_string(&path)?);
    Ok(())
}
