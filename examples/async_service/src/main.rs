//! An HTTP service that may run as several instances on one log: text on stdout, JSON in the file,
//! written off the tasks. Ctrl-C or SIGTERM ends it, and every request that its routes or their 404
//! answered is in the log. When it is killed instead, what was queued is in the log after its next
//! start.
//!
//! `cargo run -p async_service [LOG [ADDRESS]]`, then for example `curl http://ADDRESS/hello/you`.

use std::error::Error;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, process};

use axum::extract::{Path as UrlPath, Request};
use axum::{routing::get, Router};
use tokio::{net::TcpListener, runtime::Runtime, time};
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::{info, info_span, level_filters::LevelFilter, warn, Level, Span};
use tracing_fallback_file::FileAppender;
use tracing_subscriber::{fmt, prelude::*, EnvFilter};

/// Requests that still run so long after the signal are cut off, so that a slow client does not
/// hold the end up. Less than what systemd, Docker or Kubernetes wait before they kill.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let log = arguments
        .next()
        .map_or(env::temp_dir().join("async_service.log"), PathBuf::from);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());
    run(&log, &address.to_string_lossy())
}

fn run(log: &Path, address: &str) -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env()?;
    let file = FileAppender::new(log)?;
    let (writer, guard) = file.non_blocking();
    tracing_subscriber::registry()
        .with(filter)
        .with(fmt::layer().with_ansi(io::stdout().is_terminal()))
        .with(file.attach(fmt::layer().json().with_writer(writer)))
        .init();

    let runtime = Runtime::new()?;
    let served = runtime.block_on(serve(address));
    // First all tasks end, but for one that is stuck, as when nobody reads stdout: what it logs later
    // it writes itself.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let written = guard.shutdown(Duration::from_secs(3));
    Ok(served.and(written)?)
}

async fn serve(address: &str) -> io::Result<()> {
    let (stop, stop_late) = (stop_signal()?, stop_signal()?);
    let listener = TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })?;
    info!(address = %listener.local_addr()?, "listening");
    // At INFO the trace layer's record of the response is the one record of a request.
    let trace = TraceLayer::new_for_http()
        .make_span_with(request_span)
        .on_response(DefaultOnResponse::new().level(Level::INFO));
    let app = Router::new()
        .route("/hello/{name}", get(hello))
        .layer(trace);
    tokio::select! {
        // Ends when the requests do; connections without one are closed.
        served = axum::serve(listener, app).with_graceful_shutdown(stop) => served,
        () = async { stop_late.await; time::sleep(PATIENCE).await } => {
            warn!("requests cut off");
            Ok(())
        }
    }
}

async fn hello(UrlPath(name): UrlPath<String>) -> String {
    format!("Hello, {name}!\n")
}

/// The request's id is the client's, or else one that no other running instance gives.
fn request_span(request: &Request) -> Span {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = match request.headers().get("x-request-id").map(|id| id.to_str()) {
        Some(Ok(id)) => id.to_owned(),
        _ => {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            format!("{}-{number}", process::id())
        }
    };
    info_span!("request", id, method = %request.method(), path = request.uri().path())
}

/// Catches the signals from the call on, not from the first poll.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let (mut ctrl_c, mut other) = {
        use tokio::signal::unix::{signal, SignalKind as Kind};
        (signal(Kind::interrupt())?, signal(Kind::terminate())?)
    };
    #[cfg(windows)]
    let (mut ctrl_c, mut other) = {
        use tokio::signal::windows;
        (windows::ctrl_c()?, windows::ctrl_break()?)
    };
    Ok(async move {
        tokio::select! {
            _ = ctrl_c.recv() => {}
            _ = other.recv() => {}
        }
    })
}
