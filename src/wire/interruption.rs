//! Runs a session's work while watching the connection: a cancel request, a client that went away and a
//! shutdown all stop it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::context::interrupt::{Interrupt, InterruptReason};
use crate::error::{Error, Result, SqlState};
use crate::types::encoding::Encoding;
use crate::wire::backend::NoticeOutlet;
use crate::wire::placement;
use crate::wire::reply;
use crate::wire::socket::Socket;
use crate::wire::translation::{self, Lacking};

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
/// it holds the interrupt off. It stays where it is: a future that is handed over lies in each of those that hand it on.
pub async fn attend<S, T>(
    socket: &mut Socket<S>,
    interrupt: &Interrupt,
    work: Pin<&mut impl Future<Output = Result<T>>>,
) -> Result<T, Stop>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    attend_hearing(socket, interrupt, work, None).await
}

/// The same for work that may have something to tell before it ends.
pub async fn attend_hearing<S, T>(
    socket: &mut Socket<S>,
    interrupt: &Interrupt,
    mut work: Pin<&mut impl Future<Output = Result<T>>>,
    hearing: Option<Hearing<'_>>,
) -> Result<T, Stop>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Work that is always ready would neither see an interrupt nor let the timer run that raises it.
    placement::leaving_to_wait(tokio::task::coop::consume_budget()).await;
    if interrupt.reason().is_some() && !interrupt.is_held() {
        return Err(reason(interrupt).into());
    }
    // Most steps of a short statement wait for nothing: for those nobody is set to watch.
    if let Some(result) = at_once(work.as_mut()).await {
        return result.map_err(|error| cause(interrupt, error));
    }
    let token = interrupt.token();
    let mut sending = false;
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result.map_err(|error| cause(interrupt, error)),
            () = token.cancelled() => break,
            () = heard(hearing), if !sending => sending = hearing.is_some_and(|hearing| hearing.pass_on(socket)),
            goes_on = watched(socket, sending) => match goes_on {
                true => sending = false,
                false => {
                    interrupt.trigger(InterruptReason::ClientGone);
                    break;
                }
            },
        }
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

/// The notices of a statement that runs, and the client's character set.
#[derive(Clone, Copy)]
pub struct Hearing<'a> {
    pub outlet: &'a NoticeOutlet,
    pub encoding: Option<&'static Encoding>,
}

impl Hearing<'_> {
    /// Puts what there is to hear into what is sent; whether there was anything.
    fn pass_on<S>(&self, socket: &mut Socket<S>) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let notices = self.outlet.take();
        for notice in &notices {
            put_report(socket, self.encoding, |out| reply::notice(out, notice));
        }
        !notices.is_empty()
    }
}

async fn heard(hearing: Option<Hearing<'_>>) {
    match hearing {
        Some(hearing) => hearing.outlet.rung().await,
        None => std::future::pending().await,
    }
}

/// Sends what waits to be sent, or watches whether the client is still there; false when it is not.
async fn watched<S>(socket: &mut Socket<S>, sending: bool) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match sending {
        true => socket.flush().await.is_ok(),
        false => {
            socket.vanished().await;
            false
        }
    }
}

/// Appends messages that must reach the client, whatever its character set lacks.
pub fn put_report<S>(socket: &mut Socket<S>, encoding: Option<&'static Encoding>, write: impl FnOnce(&mut BytesMut))
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(encoding) = encoding else {
        return socket.put(write);
    };
    let mut messages = BytesMut::new();
    write(&mut messages);
    let encode = |out: &mut BytesMut| translation::encode(&messages, &[], encoding, Lacking::QuestionMark, out);
    if let Err(error) = socket.try_put(encode) {
        tracing::error!(%error, "a message could not be encoded");
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
            Poll::Pending => {
                placement::leave();
                None
            }
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
