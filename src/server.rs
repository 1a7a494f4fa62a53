//! Listens, and hands each connection to the wire. On shutdown it stops listening, lets running
//! statements finish for a while, and then ends them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::interrupt::InterruptReason;
use crate::engine::Engine;
use crate::error::{Error, Result, SqlState};
use crate::telemetry;
use crate::wire::backend::Service;
use crate::wire::{Certificate, ClientStream, Connections, EngineService, Gate, Rules, converse};

/// Sockets that have not got past their startup packet and password, beyond the connection limit.
const UNIDENTIFIED_ALLOWANCE: usize = 256;
/// How long an exhausted process waits before it accepts again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long interrupted connections may take to say farewell.
const FAREWELL: Duration = Duration::from_secs(5);

/// From the start of the server to its first search for garbage.
const FIRST_VACUUM: Duration = Duration::from_secs(600);

/// Of the connection limit, places that only superusers get.
const RESERVED_FOR_SUPERUSERS: usize = 3;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 1024;

/// Serves an engine until SIGTERM or SIGINT. `started` is called once clients can connect.
pub async fn run(engine: Arc<Engine>, started: impl FnOnce(&[SocketAddr])) -> Result<()> {
    let config = &engine.config;
    let certificate = match config.tls.certificate.as_str() {
        "" => None,
        chain => Some(Certificate::load(Path::new(chain), Path::new(&config.tls.key))?),
    };
    let closing = stop_signal()?;
    let gate = Gate {
        service: Arc::new(EngineService::new(Arc::clone(&engine))),
        connections: Connections::new(config.server.max_connections, RESERVED_FOR_SUPERUSERS),
        metrics: Arc::clone(&engine.metrics),
        certificate,
        rules: Rules {
            tls_required: config.tls.required,
            trust_loopback: config.server.trust_loopback,
            authentication_timeout: config.server.authentication_timeout.0,
            message_limit: usize::try_from(config.server.message_limit.0).unwrap_or(usize::MAX),
        },
        closing: closing.clone(),
    };
    let listeners = listen(&config.server.listen.0).await?;
    if !config.metrics.listen.is_empty() {
        let readings = Arc::clone(&engine) as Arc<dyn telemetry::Readings>;
        telemetry::serve(&config.metrics.listen, Arc::clone(&engine.metrics), readings, closing).await?;
    }
    let addresses = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<std::io::Result<Vec<_>>>()?;
    started(&addresses);
    tokio::spawn(keep_up(Arc::clone(&engine)));
    serve(
        listeners,
        Arc::new(gate),
        config.server.max_connections,
        config.server.shutdown_grace.0,
    )
    .await;
    engine.services.storage.close();
    Ok(())
}

/// Finishes what servers that died had decided, then deletes garbage now and then.
async fn keep_up(engine: Arc<Engine>) {
    engine.services.finish_decided().await;
    let interval = engine.config.storage.vacuum_interval.0;
    if interval.is_zero() {
        return;
    }
    tokio::time::sleep(FIRST_VACUUM.min(interval)).await;
    loop {
        let storage = &engine.config.storage;
        if storage.compact_after > 0 {
            engine
                .services
                .compact_all(&engine.upkeep_session(), storage.compact_after)
                .await;
        }
        engine.services.vacuum_all(storage.retention.0).await;
        tokio::time::sleep(interval).await;
    }
}

/// Binds every address (`HOST:PORT`), or says which cannot be had.
pub async fn listen(addresses: &[String]) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let failed = |error: std::io::Error| {
            Error::new(SqlState::ConfigFileError, format!("could not listen on \"{address}\""))
                .with_detail(format!("{error}."))
                .with_hint("Is another server running there? Choose another address with --listen.")
        };
        for resolved in tokio::net::lookup_host(address).await.map_err(failed)? {
            listeners.push(bind(resolved).map_err(failed)?);
        }
    }
    Ok(listeners)
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it: a client whose machine died is noticed although it says nothing.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until the gate closes and its connections are gone. `grace` is how long running statements may
/// then take to finish.
pub async fn serve<V: Service>(listeners: Vec<TcpListener>, gate: Arc<Gate<V>>, limit: usize, grace: Duration) {
    let tasks = TaskTracker::new();
    let unidentified = Arc::new(Semaphore::new(limit + UNIDENTIFIED_ALLOWANCE));
    for listener in listeners {
        tasks.spawn(accept(
            listener,
            Arc::clone(&gate),
            tasks.clone(),
            Arc::clone(&unidentified),
        ));
    }
    gate.closing.cancelled().await;
    tasks.close();
    tracing::info!(connections = gate.connections.count(), "shutting down");
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        tracing::warn!(
            connections = gate.connections.count(),
            "ending statements that did not finish in time"
        );
        gate.connections.interrupt_all(InterruptReason::Shutdown);
        // Whoever holds its interrupt off for longer ends with the process.
        let _ = tokio::time::timeout(FAREWELL, tasks.wait()).await;
    }
}

async fn accept<V: Service>(
    listener: TcpListener,
    gate: Arc<Gate<V>>,
    tasks: TaskTracker,
    unidentified: Arc<Semaphore>,
) {
    loop {
        let Ok(permit) = Arc::clone(&unidentified).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            biased;
            () = gate.closing.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let gate = Arc::clone(&gate);
                tasks.spawn(async move {
                    receive(stream, peer, &gate).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: accepting again at once would only burn a core.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn receive<V: Service>(stream: TcpStream, peer: SocketAddr, gate: &Gate<V>) {
    // Replies are sent off in whole, so waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let (stream, doorstep) = ClientStream::new(stream);
    converse(stream, doorstep, Some(peer), gate).await;
}

/// Cancelled by SIGTERM or SIGINT.
pub fn stop_signal() -> Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let stopped = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopped.cancel();
    });
    Ok(token)
}

#[cfg(test)]
mod tests;
