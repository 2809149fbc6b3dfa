//! The layers that [`FileAppender::layer`](crate::FileAppender::layer) and its like are made of.

use std::fmt::Result as FmtResult;

use tracing::Subscriber;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::{self, FormatFields, MakeWriter};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// The default fields under another name.
///
/// tracing-subscriber formats the fields of a span once for all layers that have the same field
/// formatter. A coloured layer on stdout would put its escape codes into the file's spans.
struct FileFields;

impl<'writer> FormatFields<'writer> for FileFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> FmtResult {
        DefaultFields::new().format_fields(writer, fields)
    }
}

/// Text without escape codes.
pub(crate) fn text<W, S>(writer: W) -> impl Layer<S>
where
    W: for<'writer> MakeWriter<'writer> + 'static,
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fmt::layer()
        .with_ansi(false)
        .fmt_fields(FileFields)
        .with_writer(writer)
}

/// One JSON object a line.
#[cfg(feature = "json")]
pub(crate) fn json<W, S>(writer: W) -> impl Layer<S>
where
    W: for<'writer> MakeWriter<'writer> + 'static,
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fmt::layer().json().with_writer(writer)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use tracing::{info, info_span, subscriber, Dispatch};
    use tracing_subscriber::{fmt, prelude::*, registry};

    use crate::FileAppender;

    /// Logs in a span beside a coloured layer.
    fn logged(file: impl tracing_subscriber::Layer<Coloured> + Send + Sync) {
        // While tracing knows of one subscriber only, another test's thread could switch the
        // callsites off.
        let _kept = Dispatch::new(registry());
        let stdout = fmt::layer().with_ansi(true).with_writer(io::sink as Sink);
        subscriber::with_default(registry().with(stdout).with(file), || {
            let span = info_span!("request", id = 7, late = tracing::field::Empty);
            span.record("late", "\x1b[31mred");
            span.in_scope(|| info!(answer = 42, "hello"));
        });
    }

    type Sink = fn() -> io::Sink;
    type Coloured = tracing_subscriber::layer::Layered<
        fmt::Layer<registry::Registry, fmt::format::DefaultFields, fmt::format::Format, Sink>,
        registry::Registry,
    >;

    #[test]
    fn a_coloured_layer_leaves_no_escape_code_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let file = FileAppender::new(&path).unwrap();
        logged(file.layer());
        let log = fs::read_to_string(&path).unwrap();
        assert!(!log.contains('\x1b'), "{log:?}");
        assert!(log.contains("request{id=7 "), "{log:?}");
        assert!(log.ends_with(" hello answer=42\n"), "{log:?}");
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_json_layer_writes_one_object_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let file = FileAppender::new(&path).unwrap();
        logged(file.json_layer());
        let log = fs::read_to_string(&path).unwrap();
        assert!(!log.contains('\x1b'), "{log:?}");
        let record: serde_json::Value = serde_json::from_str(&log).unwrap();
        assert_eq!(record["fields"]["answer"], 42);
        assert_eq!(record["span"]["id"], 7);
    }
}
