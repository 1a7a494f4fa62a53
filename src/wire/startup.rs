//! The first packets of a connection: encryption requests, a cancel request, or the startup packet with
//! its protocol version. No byte that came before a TLS handshake is ever taken for one that came inside.

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use crate::error::{Error, SqlState};
use crate::wire::message::StartupPacket;
use crate::wire::reply::{self, Severity};
use crate::wire::socket::{ReadError, Socket};
use crate::wire::tls::{ALPN, Certificate, Identity};
use crate::wire::transport::{Rewound, Transport};

/// The newest protocol that the server speaks.
const NEWEST_MINOR: u16 = 2;
/// The first byte of a TLS handshake, which no packet of the protocol's own begins with.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a connection turned out to want.
pub enum Opening<S> {
    Cancel { process_id: i32, key: Bytes },
    Session(Box<Startup<S>>),
}

/// A client that wants a session.
pub struct Startup<S> {
    pub socket: Socket<Transport<S>>,
    /// The agreed minor version.
    pub minor_version: u16,
    pub user: String,
    pub database: String,
    /// Parameters other than user and database, in the packet's order.
    pub parameters: Vec<(String, String)>,
    /// The certificate's hash, when the connection is encrypted and the hash is defined.
    pub endpoint_hash: Option<Arc<[u8]>>,
}

/// Follows the negotiation to its end; `None`: the client is gone or was refused.
pub async fn open<S>(stream: S, certificate: Option<&Certificate>, tls_required: bool) -> Option<Opening<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut socket = Socket::new(Transport::Plain(stream));
    let mut identity: Option<Identity> = None;
    if socket.peek().await.ok()? == TLS_HANDSHAKE {
        identity = Some(certificate?.identity());
        socket = encrypt(socket, identity.as_ref()?).await?;
        // Without ALPN, bytes meant for another protocol could be replayed at this one.
        if !has_alpn(&socket) {
            let missing = "received direct SSL connection request without ALPN protocol negotiation extension";
            return refuse(socket, &violation(missing)).await;
        }
    }
    let (mut asked_tls, mut asked_gss) = (identity.is_some(), false);
    loop {
        let packet = match socket.startup_packet().await {
            Ok(packet) => packet,
            Err(ReadError::Gone) => return None,
            Err(ReadError::Malformed(malformed)) => return refuse(socket, &malformed.into()).await,
        };
        match packet {
            StartupPacket::Ssl if !asked_tls => {
                asked_tls = true;
                if socket.has_unread() {
                    return refuse(socket, &stray_bytes("SSL")).await;
                }
                let Some(certificate) = certificate else {
                    answer(&mut socket, b'N').await?;
                    continue;
                };
                answer(&mut socket, b'S').await?;
                identity = Some(certificate.identity());
                socket = encrypt(socket, identity.as_ref()?).await?;
            }
            StartupPacket::Gss if !asked_gss => {
                asked_gss = true;
                if socket.has_unread() {
                    return refuse(socket, &stray_bytes("GSSAPI")).await;
                }
                answer(&mut socket, b'N').await?;
            }
            StartupPacket::Ssl | StartupPacket::Gss => {
                return refuse(socket, &violation("encryption was requested more than once")).await;
            }
            StartupPacket::Cancel { process_id, key } => return Some(Opening::Cancel { process_id, key }),
            StartupPacket::Startup {
                major,
                minor,
                parameters,
            } => {
                if tls_required && identity.is_none() {
                    return refuse(socket, &tls_needed()).await;
                }
                let endpoint_hash = identity.and_then(|identity| identity.endpoint_hash);
                return begin(socket, major, minor, parameters, endpoint_hash).await;
            }
        }
    }
}

/// Agrees on the version and reads who wants to connect where.
async fn begin<S>(
    mut socket: Socket<Transport<S>>,
    major: u16,
    minor: u16,
    parameters: Vec<(String, String)>,
    endpoint_hash: Option<Arc<[u8]>>,
) -> Option<Opening<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if major != 3 {
        let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{NEWEST_MINOR}");
        return refuse(socket, &Error::new(SqlState::FeatureNotSupported, message)).await;
    }
    let (options, parameters): (Vec<_>, Vec<_>) =
        parameters.into_iter().partition(|(name, _)| name.starts_with("_pq_."));
    if minor > NEWEST_MINOR || !options.is_empty() {
        let unknown: Vec<&str> = options.iter().map(|(name, _)| name.as_str()).collect();
        let version = (3 << 16) | u32::from(minor.min(NEWEST_MINOR));
        socket.put(|out| reply::negotiate_protocol_version(out, version, &unknown));
    }

    let (mut user, mut database, mut rest) = (String::new(), String::new(), Vec::new());
    for (name, value) in parameters {
        match name.as_str() {
            "user" => user = value,
            "database" => database = value,
            "replication" if !matches!(value.as_str(), "false" | "off" | "no" | "0") => {
                return refuse(socket, &Error::unsupported("the replication protocol")).await;
            }
            "replication" => {}
            "options" => match settings_of_options(&value) {
                Ok(settings) => drop(rest.splice(0..0, settings)),
                Err(error) => return refuse(socket, &error).await,
            },
            _ => rest.push((name, value)),
        }
    }
    if user.is_empty() {
        let message = "no PostgreSQL user name specified in startup packet";
        return refuse(socket, &Error::new(SqlState::InvalidAuthorization, message)).await;
    }
    if database.is_empty() {
        database = user.clone();
    }
    let minor_version = minor.min(NEWEST_MINOR);
    Some(Opening::Session(Box::new(Startup {
        socket,
        minor_version,
        user,
        database,
        parameters: rest,
        endpoint_hash,
    })))
}

/// The settings of the startup parameter `options`: `-c name=value` and `--name=value`, with blanks between and a
/// backslash before a blank that belongs to a value.
fn settings_of_options(options: &str) -> Result<Vec<(String, String)>, Error> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            blank if blank.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    let mut words = words.into_iter();
    let mut settings = vec![];
    while let Some(word) = words.next() {
        let (switch, assignment) = match (word.strip_prefix("-c"), word.strip_prefix("--")) {
            (Some(""), _) => ("-c ", words.next()),
            (Some(assignment), _) => ("-c ", Some(assignment.to_string())),
            (None, assignment) => ("--", assignment.map(str::to_string)),
        };
        let assignment = assignment.ok_or_else(|| {
            let message = format!("invalid command-line argument for server process: {word}");
            Error::new(SqlState::SyntaxError, message)
        })?;
        let (name, value) = assignment.split_once('=').ok_or_else(|| {
            let message = format!("{switch}{assignment} requires a value");
            Error::new(SqlState::SyntaxError, message)
        })?;
        settings.push((name.replace('-', "_"), value.to_string()));
    }
    Ok(settings)
}

/// Shakes hands over what the client has sent so far and will send.
async fn encrypt<S>(socket: Socket<Transport<S>>, identity: &Identity) -> Option<Socket<Transport<S>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (Transport::Plain(stream), unread) = socket.into_parts() else {
        return None;
    };
    let handshake = TlsAcceptor::from(Arc::clone(&identity.config)).accept(Rewound::new(stream, unread));
    match handshake.await {
        Ok(stream) => Some(Socket::new(Transport::Tls(Box::new(stream)))),
        Err(error) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
    }
}

fn has_alpn<S>(socket: &Socket<Transport<S>>) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    matches!(socket.stream(), Transport::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(ALPN))
}

/// Answers an encryption request with its one byte.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<S>, byte: u8) -> Option<()> {
    socket.put(|out| out.put_u8(byte));
    socket.flush().await.ok()
}

/// Tells the client why it cannot stay.
pub async fn refuse<S: AsyncRead + AsyncWrite + Unpin, T>(mut socket: Socket<S>, error: &Error) -> Option<T> {
    socket.put(|out| reply::error(out, Severity::Fatal, error));
    if socket.flush().await.is_ok() {
        socket.shutdown().await;
    }
    None
}

fn violation(message: &str) -> Error {
    Error::new(SqlState::ProtocolViolation, message)
}

fn stray_bytes(kind: &str) -> Error {
    violation(&format!("received unencrypted data after {kind} request"))
        .with_detail("This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.")
}

fn tls_needed() -> Error {
    Error::new(
        SqlState::InvalidAuthorization,
        "the server accepts encrypted connections only",
    )
    .with_hint("Connect with sslmode=require or stronger.")
}
