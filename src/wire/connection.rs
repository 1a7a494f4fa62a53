//! One connection from its first byte to its last: startup, authentication, session, farewell. A panic
//! anywhere inside ends this connection only, and none of its text reaches the client.

use std::any::Any;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, SqlState};
use crate::telemetry::Metrics;
use crate::wire::authenticate::{self, Origin};
use crate::wire::backend::{Backend, Login, Service};
use crate::wire::client::Client;
use crate::wire::client_stream::Doorstep;
use crate::wire::connections::{Connections, Place};
use crate::wire::interruption::Stop;
use crate::wire::placement;
use crate::wire::reply::{self, Severity};
use crate::wire::socket::Socket;
use crate::wire::startup::{self, Opening, Startup};
use crate::wire::tls::Certificate;
use crate::wire::transport::Transport;

/// How long a farewell may wait for a client that does not read.
const FAREWELL: Duration = Duration::from_secs(2);

/// What all connections of a server share.
pub struct Gate<V> {
    pub service: Arc<V>,
    pub connections: Arc<Connections>,
    pub metrics: Arc<Metrics>,
    pub certificate: Option<Certificate>,
    pub rules: Rules,
    /// Cancelled when the server stops: idle clients leave at once, others after their statement.
    pub closing: CancellationToken,
}

/// The settings that connections are held to.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether clients without TLS are refused.
    pub tls_required: bool,
    /// Development only: clients on loopback need no password.
    pub trust_loopback: bool,
    /// From the first byte to the end of authentication.
    pub authentication_timeout: Duration,
    /// Bytes of the longest message.
    pub message_limit: usize,
}

/// Talks to one client until either side ends it. `doorstep` is that of `stream`, if it has one.
pub async fn converse<S, V>(stream: S, doorstep: Option<Doorstep>, peer: Option<SocketAddr>, gate: &Gate<V>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    V: Service,
{
    let admitted = AssertUnwindSafe(tokio::time::timeout(
        gate.rules.authentication_timeout,
        Box::pin(admit(stream, doorstep, peer, gate)),
    ));
    let (mut client, place) = match admitted.catch_unwind().await {
        Ok(Ok(Some(admitted))) => admitted,
        Ok(Ok(None)) => return,
        Ok(Err(_)) => return tracing::debug!(?peer, "authentication timed out"),
        Err(panic) => return log_panic(panic.as_ref()),
    };
    let counted = Counted::new(&gate.metrics);
    let ended = AssertUnwindSafe(client.serve()).catch_unwind().await;
    placement::leave();
    let farewell = match ended {
        Ok(Ok(()) | Err(Stop::Gone)) => None,
        Ok(Err(Stop::Fatal(error) | Stop::Statement(error))) => Some(error),
        Err(panic) => {
            log_panic(panic.as_ref());
            Some(Error::internal("internal error"))
        }
    };
    // Its transaction, cursors and memory go before the place does.
    let socket = client.into_socket();
    if let Some(error) = farewell {
        dismiss(socket, &error).await;
    }
    drop((place, counted));
}

/// Counts an open connection for as long as it lives.
struct Counted<'a>(&'a Metrics);

impl<'a> Counted<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.connections_open.inc();
        metrics.connections_total.inc();
        Counted(metrics)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.connections_open.dec();
    }
}

type Admitted<S, V> = (Client<Transport<S>, <V as Service>::Session>, Place);

/// Everything up to the first ReadyForQuery; `None`: there will be no session.
async fn admit<S, V>(
    stream: S,
    doorstep: Option<Doorstep>,
    peer: Option<SocketAddr>,
    gate: &Gate<V>,
) -> Option<Admitted<S, V>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    V: Service,
{
    match startup::open(stream, gate.certificate.as_ref(), gate.rules.tls_required).await? {
        Opening::Cancel { process_id, key } => {
            gate.connections.cancel(process_id, &key);
            None
        }
        Opening::Session(mut startup) => match login(&mut startup, peer, gate).await {
            Ok((session, place)) => {
                let interrupt = Arc::clone(&place.interrupt);
                // What is encrypted goes by the layer that decrypts it.
                let doorstep = doorstep.filter(|_| matches!(startup.socket.stream(), Transport::Plain(_)));
                let client = Client::new(
                    startup.socket,
                    doorstep,
                    session,
                    interrupt,
                    Arc::clone(&gate.metrics),
                    gate.closing.clone(),
                    gate.rules.message_limit,
                );
                Some((client, place))
            }
            Err(Stop::Gone) => None,
            Err(Stop::Fatal(error) | Stop::Statement(error)) => {
                gate.metrics.connections_refused.inc();
                tracing::info!(?peer, user = startup.user, %error, sqlstate = error.state().code(), "client refused");
                dismiss(startup.socket, &error).await;
                None
            }
        },
    }
}

async fn login<S, V>(
    startup: &mut Startup<S>,
    peer: Option<SocketAddr>,
    gate: &Gate<V>,
) -> Result<(V::Session, Place), Stop>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    V: Service,
{
    if gate.closing.is_cancelled() {
        return Err(Stop::Fatal(Error::new(
            SqlState::CannotConnectNow,
            "the database system is shutting down",
        )));
    }
    let place = gate.connections.enter(startup.minor_version)?;
    let service = gate.service.as_ref();
    let endpoint_hash = startup.endpoint_hash.as_deref();
    let origin = Origin {
        peer: peer.map(|peer| peer.ip()),
        trust_loopback: gate.rules.trust_loopback,
        endpoint_hash,
    };
    let role = authenticate::authenticate(&mut startup.socket, service, &startup.user, origin).await?;
    if !service.has_database(&startup.database).await? {
        let message = format!("database \"{}\" does not exist", startup.database);
        return Err(Stop::Fatal(Error::new(SqlState::InvalidCatalogName, message)));
    }
    place.identify(role.id, &startup.user, role.superuser, role.connection_limit)?;
    let login = Login {
        role: role.id,
        role_name: startup.user.clone(),
        database: startup.database.clone(),
        parameters: std::mem::take(&mut startup.parameters),
        peer,
        process_id: place.process_id,
        interrupt: Arc::clone(&place.interrupt),
    };
    let mut session = service.open(login).await?;
    startup.socket.put(|out| {
        for (name, value) in session.parameter_statuses() {
            reply::parameter_status(out, &name, &value);
        }
        reply::backend_key_data(out, place.process_id, &place.key);
    });
    Ok((session, place))
}

/// The last error a client is told.
async fn dismiss<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>, error: &Error) {
    socket.discard_unfinished();
    socket.put(|out| reply::error(out, Severity::Fatal, error));
    let farewell = async {
        if socket.flush().await.is_ok() {
            socket.shutdown().await;
        }
    };
    // A client that does not read in time does not learn why.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

fn log_panic(panic: &(dyn Any + Send)) {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("unknown"), "a connection ended by a panic");
}
