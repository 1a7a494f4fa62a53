//! Proves who the client is. Every refusal of a password looks the same and follows the same steps,
//! whether the role exists, has a password, or let it expire.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::catalog::scram::Verifier;
use crate::error::{Error, Result, SqlState};
use crate::wire::backend::{LoginRole, Service};
use crate::wire::interruption::Stop;
use crate::wire::message::{self, Message, UNAUTHENTICATED_LIMIT};
use crate::wire::reply;
use crate::wire::scram_exchange::{Exchange, SCRAM, SCRAM_PLUS};
use crate::wire::socket::{ReadError, Socket};

/// Where a client comes from, as far as authentication cares.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub peer: Option<IpAddr>,
    /// The development setting that lets loopback clients in without a password.
    pub trust_loopback: bool,
    /// Present when the connection is encrypted and channel binding is possible.
    pub endpoint_hash: Option<&'a [u8]>,
}

/// Returns the role that logged in; AuthenticationOk is buffered then.
pub async fn authenticate<S, V>(
    socket: &mut Socket<S>,
    service: &V,
    user: &str,
    origin: Origin<'_>,
) -> Result<LoginRole, Stop>
where
    S: AsyncRead + AsyncWrite + Unpin,
    V: Service,
{
    let found = service.find_role(user).await?;
    let trusted = origin.trust_loopback && origin.peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    let role = if trusted {
        let message = format!("role \"{user}\" does not exist");
        found.ok_or_else(|| Stop::Fatal(Error::new(SqlState::InvalidAuthorization, message)))?
    } else {
        prove_password(socket, service, user, found, origin.endpoint_hash).await?
    };
    socket.put(reply::authentication_ok);
    if !role.login {
        let message = format!("role \"{user}\" is not permitted to log in");
        return Err(Stop::Fatal(Error::new(SqlState::InvalidAuthorization, message)));
    }
    Ok(role)
}

async fn prove_password<S, V>(
    socket: &mut Socket<S>,
    service: &V,
    user: &str,
    found: Option<LoginRole>,
    endpoint_hash: Option<&[u8]>,
) -> Result<LoginRole, Stop>
where
    S: AsyncRead + AsyncWrite + Unpin,
    V: Service,
{
    // Known or not, both verifiers are made, so that the time taken does not tell.
    let mock = Verifier::mock(&service.mock_secret(), user);
    let stored = found
        .as_ref()
        .filter(|role| !is_expired(role))
        .and_then(|role| role.verifier.clone());
    let mock_text = mock.to_string();
    let verifier = stored.as_ref().unwrap_or(&mock_text).parse::<Verifier>();
    let can_succeed = stored.is_some() && verifier.is_ok();
    let verifier = verifier.unwrap_or(mock);

    let mechanisms: &[&str] = if endpoint_hash.is_some() {
        &[SCRAM_PLUS, SCRAM]
    } else {
        &[SCRAM]
    };
    socket.put(|out| reply::authentication_sasl(out, mechanisms));
    let (mechanism, client_first) =
        message::decode_sasl_initial(response(socket).await?).map_err(|malformed| Stop::Fatal(malformed.into()))?;
    if !mechanisms.contains(&mechanism.as_str()) {
        let error = Error::new(
            SqlState::ProtocolViolation,
            "client selected an invalid SASL authentication mechanism",
        );
        return Err(Stop::Fatal(error));
    }
    let client_first = match client_first {
        Some(first) => first,
        None => {
            socket.put(|out| reply::authentication_sasl_continue(out, ""));
            response(socket).await?
        }
    };
    let exchange =
        Exchange::begin(verifier, &mechanism, &client_first, endpoint_hash, &rand::random()).map_err(Stop::Fatal)?;
    socket.put(|out| reply::authentication_sasl_continue(out, exchange.server_first()));
    let client_final = response(socket).await?;
    match (exchange.finish(&client_final).map_err(Stop::Fatal)?, found) {
        (Some(server_final), Some(role)) if can_succeed => {
            socket.put(|out| reply::authentication_sasl_final(out, &server_final));
            Ok(role)
        }
        _ => {
            let message = format!("password authentication failed for user \"{user}\"");
            Err(Stop::Fatal(Error::new(SqlState::InvalidPassword, message)))
        }
    }
}

/// Sends what is buffered and waits for the client's answer.
async fn response<S>(socket: &mut Socket<S>) -> Result<bytes::Bytes, Stop>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.flush().await.map_err(|_| Stop::Gone)?;
    let decoded = match socket.frame(UNAUTHENTICATED_LIMIT).await {
        Ok(frame) => message::decode(frame),
        Err(ReadError::Gone) => return Err(Stop::Gone),
        Err(ReadError::Malformed(malformed)) => Err(malformed),
    };
    match decoded {
        Ok(Message::Authentication(body)) => Ok(body),
        Ok(Message::Terminate) => Err(Stop::Gone),
        Ok(_) => Err(Stop::Fatal(Error::new(
            SqlState::ProtocolViolation,
            "expected SASL response",
        ))),
        Err(malformed) => Err(Stop::Fatal(malformed.into())),
    }
}

fn is_expired(role: &LoginRole) -> bool {
    role.valid_until
        .is_some_and(|until| until < chrono::Utc::now().timestamp_micros())
}
