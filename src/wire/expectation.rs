//! Waits in person for a client that has just been answering at once. To go by the runtime wakes another of its threads
//! for each message, and costs a short statement more than all else. While one client alone is served, and its messages
//! come within `WINDOW` some times in a row, the connection's own thread waits for the next at its `Doorstep`. One late message,
//! or one of another client between, ends it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::wire::client_stream::Doorstep;
use crate::wire::message::Frame;
use crate::wire::placement;
use crate::wire::socket::{ReadError, Socket};

/// How soon a message follows an answer to count as at once, and how long is waited in person: a driver in a scripting
/// language thinks for some tenths of a millisecond between two statements. Another client that comes meanwhile waits as long.
const WINDOW: Duration = Duration::from_millis(2);
/// Messages in a row that came at once before the next is waited for.
const ENOUGH: u8 = 3;
/// How long this thread may keep the runtime from its other sockets and timers: nobody else may be looking after them.
const ALONE: Duration = Duration::from_millis(10);

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

    /// The client's next message.
    pub(super) async fn next_frame<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        socket: &mut Socket<S>,
        limit: usize,
        doorstep: Option<&Doorstep>,
    ) -> Result<Frame, ReadError> {
        let began = Instant::now();
        // If this is dropped before a message came, none came at once.
        let before = std::mem::take(&mut self.in_a_row);
        match doorstep.filter(|_| before >= ENOUGH && !socket.has_unread()) {
            Some(doorstep) => {
                if began.duration_since(self.yielded) > ALONE {
                    placement::leaving_to_wait(tokio::task::yield_now()).await;
                    self.yielded = Instant::now();
                }
                doorstep.wait(WINDOW);
            }
            None => placement::leave(),
        }
        let frame = socket.frame(limit).await?;
        let is_alone = LAST_SERVED.swap(self.client, Ordering::Relaxed) == self.client;
        match is_alone && began.elapsed() < WINDOW {
            true => self.in_a_row = ENOUGH.min(before + 1),
            // Then the runtime had its turn.
            false => self.yielded = Instant::now(),
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::wire::client_stream::ClientStream;

    const SYNC: [u8; 5] = [b'S', 0, 0, 0, 4];

    async fn connected() -> (TcpStream, Socket<ClientStream>, Option<Doorstep>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (stream, doorstep) = ClientStream::new(stream);
        assert!(doorstep.is_some(), "the client is on this machine");
        (client, Socket::new(stream), doorstep)
    }

    #[tokio::test]
    async fn messages_are_read_in_person_and_by_the_runtime() {
        let (mut client, mut socket, doorstep) = connected().await;
        let mut expectation = Expectation::new();
        for round in 0..50_u8 {
            // Whatever else the tests of this process do: it is expected in each second round.
            expectation.in_a_row = if round % 2 == 0 { ENOUGH } else { 0 };
            client.write_all(&SYNC).await.unwrap();
            let frame = expectation
                .next_frame(&mut socket, 1024, doorstep.as_ref())
                .await
                .unwrap();
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
        let frame = expectation
            .next_frame(&mut socket, 1024, doorstep.as_ref())
            .await
            .unwrap();
        assert_eq!(frame.tag, b'S');
        assert_eq!(expectation.in_a_row, 0, "it came late");
        drop(later.await.unwrap());
        expectation.in_a_row = ENOUGH;
        let gone = expectation.next_frame(&mut socket, 1024, doorstep.as_ref()).await;
        assert!(matches!(gone, Err(ReadError::Gone)));
    }
}
