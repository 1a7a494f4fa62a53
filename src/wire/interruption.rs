//! Runs a session's work while watching the connection: a cancel request, a client that went away and a
//! shutdown all stop it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::context::interrupt::{Interrupt, InterruptReason};
use crate::error::{Error, Result, SqlState};
use crate::wire::socket::Socket;

/// How long interrupted work may take to notice, before it is dropped.
const PATIENCE: Duration = Duration::from_millis(200);

/// What ends a statement early.
#[derive(Debug)]
pub enum Stop {
    /// The statement failed; the connection goes on.
    Statement(Error),
    /// The client is told, then the connection ends.
    Fatal(Error),
    /// There is nobody to tell.
    Gone,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Statement(error)
    }
}

impl From<InterruptReason> for Stop {
    fn from(reason: InterruptReason) -> Stop {
        match reason {
            InterruptReason::UserRequest | InterruptReason::StatementTimeout => Stop::Statement(reason.error()),
            InterruptReason::ClientGone => Stop::Gone,
            InterruptReason::Shutdown | InterruptReason::Termination | InterruptReason::TransactionTimeout => {
                Stop::Fatal(reason.error())
            }
        }
    }
}

/// Waits for `work`. When it is interrupted it gets a moment to end by itself; then it is dropped, unless
/// it holds the interrupt off.
pub async fn attend<S, T>(
    socket: &mut Socket<S>,
    interrupt: &Interrupt,
    work: impl Future<Output = Result<T>>,
) -> Result<T, Stop>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut work = pin!(work);
    // Work that is always ready would neither see an interrupt nor let the timer run that raises it.
    tokio::task::coop::consume_budget().await;
    if interrupt.reason().is_some() && !interrupt.is_held() {
        return Err(reason(interrupt).into());
    }
    // Most steps of a short statement wait for nothing: for those nobody is set to watch.
    if let Some(result) = at_once(work.as_mut()).await {
        return result.map_err(|error| cause(interrupt, error));
    }
    let token = interrupt.token();
    tokio::select! {
        biased;
        result = &mut work => return result.map_err(|error| cause(interrupt, error)),
        () = token.cancelled() => {}
        () = socket.vanished() => interrupt.trigger(InterruptReason::ClientGone),
    }
    let mut held = interrupt.is_held();
    loop {
        match tokio::time::timeout(PATIENCE, &mut work).await {
            // A cancel request that met a commit came too late; what follows the commit is not what it meant.
            Ok(Ok(value)) if held => {
                interrupt.begin();
                return Ok(value);
            }
            Ok(result) => return result.map_err(|error| cause(interrupt, error)),
            Err(_) if interrupt.is_held() => held = true,
            Err(_) => return Err(reason(interrupt).into()),
        }
    }
}

/// Sends what is buffered; a reader that is too slow does not keep an interrupt off.
pub async fn flush<S>(socket: &mut Socket<S>, interrupt: &Interrupt) -> Result<(), Stop>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut sent = pin!(socket.flush());
    if let Some(result) = at_once(sent.as_mut()).await {
        return result.map_err(|_| Stop::Gone);
    }
    let token = interrupt.token();
    tokio::select! {
        biased;
        result = sent => result.map_err(|_| Stop::Gone),
        () = token.cancelled() => Err(reason(interrupt).into()),
    }
}

/// What a future gives when it is polled once; `None` if it has to be waited for.
async fn at_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

fn reason(interrupt: &Interrupt) -> InterruptReason {
    interrupt.reason().unwrap_or(InterruptReason::UserRequest)
}

/// Work that ends because of an interrupt usually says so as a cancellation; what the client hears
/// depends on the interrupt.
fn cause(interrupt: &Interrupt, error: Error) -> Stop {
    match interrupt.reason() {
        Some(reason) if reason.ends_connection() || error.state() == SqlState::QueryCanceled => reason.into(),
        _ => Stop::Statement(error),
    }
}
