//! A client's TCP stream. The runtime watches it only while somebody waits by the runtime: what the connection's own thread
//! waits for must not wake another one besides.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream as Unwatched};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream as Watched;

use crate::wire::placement;

/// How much is read at once without the runtime: most messages are short, and the room for them is cleared before; what
/// fills it has more behind it.
const READ_SIZES: [usize; 2] = [1024, 16 * 1024];

#[derive(Debug)]
enum State {
    Watched(Watched),
    /// Does not block.
    Unwatched(Unwatched),
    /// The system refused to change from one to the other.
    Lost,
}

#[derive(Debug, Clone)]
pub struct ClientStream(Arc<Mutex<State>>);

/// The same stream for the thread that waits for its client in person.
#[derive(Debug)]
pub struct Doorstep(Arc<Mutex<State>>);

/// Who does something with the stream.
enum By<'a> {
    Itself(&'a mut Unwatched),
    Runtime(Pin<&'a mut Watched>),
}

impl ClientStream {
    /// The doorstep is there for a client on this machine only: from elsewhere a message takes longer than a thread to wake.
    pub fn new(stream: Watched) -> (ClientStream, Option<Doorstep>) {
        let is_near = match (stream.peer_addr(), stream.local_addr()) {
            (Ok(peer), Ok(local)) => peer.ip() == local.ip(),
            _ => false,
        };
        let state = Arc::new(Mutex::new(State::Watched(stream)));
        let doorstep = is_near.then(|| Doorstep(Arc::clone(&state)));
        (ClientStream(state), doorstep)
    }

    /// Without the runtime, as long as that needs no waiting.
    fn poll<T>(&self, mut act: impl FnMut(By<'_>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let mut state = locked(&self.0);
        if let State::Unwatched(stream) = &mut *state {
            match act(By::Itself(stream)) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => state.watch()?,
                result => return result,
            }
        }
        match &mut *state {
            State::Watched(stream) => act(By::Runtime(Pin::new(stream))),
            State::Unwatched(_) | State::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl State {
    fn watch(&mut self) -> io::Result<()> {
        self.change(|state| match state {
            State::Unwatched(stream) => Watched::from_std(stream).map(State::Watched),
            other => Ok(other),
        })
    }

    fn unwatch(&mut self) -> io::Result<()> {
        self.change(|state| match state {
            State::Watched(stream) => stream.into_std().map(State::Unwatched),
            other => Ok(other),
        })
    }

    fn change(&mut self, change: impl FnOnce(State) -> io::Result<State>) -> io::Result<()> {
        *self = change(std::mem::replace(self, State::Lost))?;
        Ok(())
    }
}

impl Doorstep {
    /// Blocks this thread until the client has sent something, has left, or the time is over.
    pub fn wait(&self, limit: Duration) {
        let mut state = locked(&self.0);
        // A stream that is lost says so to whoever reads it.
        if state.unwatch().is_ok()
            && let State::Unwatched(stream) = &*state
        {
            placement::wait_beside_sender(stream, limit);
        }
    }
}

/// No lock is held across a change that panics half way, and one task alone has the stream.
fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll(|by| match by {
            By::Itself(stream) => Poll::Ready(read_at_once(stream, out)),
            By::Runtime(stream) => stream.poll_read(context, out),
        })
    }
}

/// What is there, or nothing but why.
fn read_at_once(stream: &mut Unwatched, out: &mut ReadBuf<'_>) -> io::Result<()> {
    let before = out.filled().len();
    for size in READ_SIZES {
        let room = out.remaining().min(size);
        match stream.read(out.initialize_unfilled_to(room)) {
            Ok(read) => out.advance(read),
            // The next one says so again.
            Err(_) if out.filled().len() > before => break,
            Err(error) => return Err(error),
        }
        if out.filled().len() - before < size {
            break;
        }
    }
    Ok(())
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|by| match by {
            By::Itself(stream) => Poll::Ready(stream.write(bytes)),
            By::Runtime(stream) => stream.poll_write(context, bytes),
        })
    }

    /// What is written is the system's at once.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|by| match by {
            By::Itself(stream) => Poll::Ready(stream.shutdown(Shutdown::Write)),
            By::Runtime(stream) => stream.poll_shutdown(context),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// More than the system takes without a reader.
    const MUCH: usize = 32 << 20;

    #[tokio::test]
    async fn nothing_is_lost_between_watched_and_unwatched() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut stream, doorstep) = ClientStream::new(listener.accept().await.unwrap().0);
        let doorstep = doorstep.unwrap();
        let (mut from_server, mut to_server) = client.into_split();
        for round in 0..3_u8 {
            doorstep.wait(Duration::from_micros(10));
            let sent = vec![round; MUCH];
            let reader = tokio::spawn(async move {
                let mut got = vec![0; MUCH];
                from_server.read_exact(&mut got).await.unwrap();
                (from_server, got)
            });
            stream.write_all(&sent).await.unwrap();
            let (reader, got) = reader.await.unwrap();
            from_server = reader;
            assert!(got == sent);
            doorstep.wait(Duration::from_micros(10));
            let writer = tokio::spawn(async move {
                to_server.write_all(&sent).await.unwrap();
                to_server
            });
            let mut got = vec![0; MUCH];
            stream.read_exact(&mut got).await.unwrap();
            to_server = writer.await.unwrap();
            assert!(got.iter().all(|byte| *byte == round));
        }
        doorstep.wait(Duration::ZERO);
        stream.shutdown().await.unwrap();
        assert_eq!(from_server.read(&mut [0]).await.unwrap(), 0);
        drop((from_server, to_server));
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }
}
