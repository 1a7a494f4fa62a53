//! /metrics, /health and /ready on a listener of their own, which is loopback by default: nothing here
//! asks for a password.

use std::io::ErrorKind;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::metrics::{CacheReading, MemoryReading, Metrics};
use crate::error::{Error, Result, SqlState};

/// What the rest of the server tells when the metrics are asked for.
pub trait Readings: Send + Sync + 'static {
    fn caches(&self) -> Vec<CacheReading> {
        vec![]
    }

    fn memory(&self) -> MemoryReading {
        MemoryReading::default()
    }

    /// Whether new clients can be served; the reason if not.
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    readings: Arc<dyn Readings>,
}

/// Binds the address and answers until `stop` is cancelled; returns once it listens.
/// An address in use is warned of only.
pub async fn serve(
    address: &str,
    metrics: Arc<Metrics>,
    readings: Arc<dyn Readings>,
    stop: CancellationToken,
) -> Result<()> {
    const HINT: &str = "Choose another address with metrics.listen, or switch metrics off with \"\".";
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        // Two servers on one machine have the same default here, and may well do without one's numbers.
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            tracing::warn!(address, hint = HINT, "metrics are not served: their address is in use");
            return Ok(());
        }
        Err(error) => {
            let message = format!("could not listen on \"{address}\" for metrics: {error}");
            return Err(Error::new(SqlState::ConfigFileError, message).with_hint(HINT));
        }
    };
    let router = Router::new()
        .route("/metrics", get(metrics_text))
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .with_state(Shared { metrics, readings });
    tokio::spawn(async move {
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::warn!(%error, "the metrics listener ended");
        }
    });
    Ok(())
}

async fn metrics_text(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.metrics.render(shared.readings.as_ref()) {
        Ok(text) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
            text,
        ),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            error.message().to_string(),
        ),
    }
}

async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.readings.ready() {
        Ok(()) => (StatusCode::OK, "ready\n".to_string()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    struct NotYet;

    impl Readings for NotYet {
        fn ready(&self) -> Result<(), String> {
            Err("the warehouse is not open yet".to_string())
        }
    }

    #[tokio::test]
    async fn answers_over_http() {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        let stop = CancellationToken::new();
        serve(
            &address,
            Arc::new(Metrics::new().unwrap()),
            Arc::new(NotYet),
            stop.clone(),
        )
        .await
        .unwrap();
        let cases = [
            ("/health", "HTTP/1.1 200", "ok"),
            ("/ready", "HTTP/1.1 503", "the warehouse is not open yet"),
            ("/metrics", "HTTP/1.1 200", "boathouse_connections_open 0"),
            ("/nothing", "HTTP/1.1 404", ""),
        ];
        for (path, status, content) in cases {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(
                answer.starts_with(status) && answer.contains(content),
                "{path}: {answer}"
            );
        }
        let metrics = || Arc::new(Metrics::new().unwrap());
        let taken = serve(&address, metrics(), Arc::new(NotYet), stop.clone()).await;
        assert!(taken.is_ok(), "an address in use is no reason to stop");
        let wrong = serve("nowhere", metrics(), Arc::new(NotYet), stop).await;
        assert_eq!(wrong.unwrap_err().state().code(), "F0000");
    }
}
