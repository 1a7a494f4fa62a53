//! Stays awake for a client that has just been answering at once. To sleep and be woken costs a short statement more
//! than all else. While one client alone is served, and its messages come within `WINDOW` some times in a row, the next is
//! looked for at the socket itself: to go by the runtime each time wakes another of its threads, which then waits for the
//! socket in this one's place, and the message has to be handed from thread to thread after all. One late message, or one of
//! another client between, ends it.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::wire::message::Frame;
use crate::wire::socket::{ReadError, Socket};

/// How soon a message follows an answer to count as at once, and how long is waited awake.
const WINDOW: Duration = Duration::from_micros(200);
/// Messages in a row that came at once before the next is waited for.
const ENOUGH: u8 = 3;
/// How long this thread may keep the runtime from its other sockets and timers: nobody else may be looking after them.
const ALONE: Duration = Duration::from_millis(1);

/// The client whose message came last, of all clients of the process: they share its cores.
static LAST_SERVED: AtomicU64 = AtomicU64::new(0);

/// What the last messages of a client let expect of the next one.
#[derive(Debug)]
pub(super) struct Expectation {
    client: u64,
    in_a_row: u8,
    /// When the runtime was last seen to.
    yielded: Instant,
}

impl Expectation {
    pub(super) fn new() -> Expectation {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Expectation {
            client: NEXT.fetch_add(1, Ordering::Relaxed),
            in_a_row: 0,
            yielded: Instant::now(),
        }
    }

    /// The client's next message. `direct` is the socket's descriptor, where its bytes are the protocol's.
    pub(super) async fn next_frame<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        socket: &mut Socket<S>,
        limit: usize,
        direct: Option<RawFd>,
    ) -> Result<Frame, ReadError> {
        let began = Instant::now();
        // If this is dropped before a message came, none came at once.
        let before = std::mem::take(&mut self.in_a_row);
        let mut frame = socket.waiting_frame(limit)?;
        if let (None, Some(direct), true) = (&frame, direct, before >= ENOUGH) {
            if began.duration_since(self.yielded) > ALONE {
                tokio::task::yield_now().await;
                self.yielded = Instant::now();
            }
            frame = look_for_frame(socket, limit, direct, began)?;
        }
        let frame = match frame {
            Some(frame) => frame,
            None => {
                let frame = socket.frame(limit).await?;
                self.yielded = Instant::now();
                frame
            }
        };
        let is_alone = LAST_SERVED.swap(self.client, Ordering::Relaxed) == self.client;
        if is_alone && began.elapsed() < WINDOW {
            self.in_a_row = ENOUGH.min(before + 1);
        }
        Ok(frame)
    }
}

/// Looks until the window is over.
fn look_for_frame<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<S>,
    limit: usize,
    direct: RawFd,
    began: Instant,
) -> Result<Option<Frame>, ReadError> {
    while began.elapsed() < WINDOW {
        if socket.read_now(direct)
            && let Some(frame) = socket.waiting_frame(limit)?
        {
            return Ok(Some(frame));
        }
        std::hint::spin_loop();
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const SYNC: [u8; 5] = [b'S', 0, 0, 0, 4];

    async fn connected() -> (TcpStream, Socket<TcpStream>, RawFd) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let direct = stream.as_raw_fd();
        (client, Socket::new(stream), direct)
    }

    #[tokio::test]
    async fn messages_are_read_beside_the_runtime_and_by_it() {
        let (mut client, mut socket, direct) = connected().await;
        let mut expectation = Expectation::new();
        for round in 0..50_u8 {
            // Whatever else the tests of this process do: it is expected in each second round.
            expectation.in_a_row = if round % 2 == 0 { ENOUGH } else { 0 };
            client.write_all(&SYNC).await.unwrap();
            let frame = expectation.next_frame(&mut socket, 1024, Some(direct)).await.unwrap();
            assert_eq!((frame.tag, frame.body.len()), (b'S', 0));
        }
        // In two parts.
        expectation.in_a_row = ENOUGH;
        client.write_all(&SYNC[..2]).await.unwrap();
        let later = tokio::spawn(async move {
            tokio::time::sleep(WINDOW * 3).await;
            client.write_all(&SYNC[2..]).await.unwrap();
            client
        });
        let frame = expectation.next_frame(&mut socket, 1024, Some(direct)).await.unwrap();
        assert_eq!(frame.tag, b'S');
        assert_eq!(expectation.in_a_row, 0, "it came late");
        drop(later.await.unwrap());
        expectation.in_a_row = ENOUGH;
        let gone = expectation.next_frame(&mut socket, 1024, Some(direct)).await;
        assert!(matches!(gone, Err(ReadError::Gone)));
    }
}
