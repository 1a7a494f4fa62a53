//! One connection's bytes: reads frames, buffers replies, and keeps both directions bounded. Only whole
//! messages ever leave, so a future that is dropped in the middle of its work cannot tear the stream.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::wire::message::{self, Frame, Malformed, StartupPacket};

/// Replies are sent off when this much is buffered.
pub const FLUSH_THRESHOLD: usize = 64 * 1024;
/// How much a client may send ahead while a statement runs. Beyond it the socket is left alone.
const AHEAD_LIMIT: usize = 256 * 1024;
const READ_SIZE: usize = 8 * 1024;
/// Encoded rows from here on are sent from where they are instead of copied.
const COPY_BELOW: usize = 16 * 1024;

/// Why no message can be had.
#[derive(Debug)]
pub enum ReadError {
    /// The client closed the connection, or the network did.
    Gone,
    Malformed(Malformed),
}

impl From<Malformed> for ReadError {
    fn from(malformed: Malformed) -> Self {
        ReadError::Malformed(malformed)
    }
}

#[derive(Debug)]
pub struct Socket<S> {
    stream: S,
    inbound: BytesMut,
    /// Bytes read since `inbound` was allocated: what a large message leaves behind is given back.
    inbound_grown: usize,
    /// Bytes read since somebody asked.
    received: u64,
    ended: bool,
    /// Bytes that left.
    sent: u64,
    /// Finished pieces, which leave before `outbound`.
    pieces: VecDeque<Bytes>,
    outbound: BytesMut,
    /// How much of `outbound` is whole messages.
    sealed: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub fn new(stream: S) -> Self {
        Socket {
            stream,
            inbound: BytesMut::new(),
            inbound_grown: 0,
            received: 0,
            ended: false,
            sent: 0,
            pieces: VecDeque::new(),
            outbound: BytesMut::new(),
            sealed: 0,
        }
    }

    /// The stream and what was read from it but not used.
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.stream, self.inbound)
    }

    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Whether the client sent more than what was taken so far.
    pub fn has_unread(&self) -> bool {
        !self.inbound.is_empty()
    }

    /// What the client sent that nobody took.
    pub fn unread(&self) -> &[u8] {
        &self.inbound
    }

    /// Takes so many bytes that the client sent, for nothing.
    pub fn discard(&mut self, length: usize) {
        self.inbound.advance(length);
    }

    /// How many bytes left for the client.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The messages that wait to leave, if they lie together.
    pub fn unsent(&self) -> Option<&[u8]> {
        self.pieces.is_empty().then(|| &self.outbound[..self.sealed])
    }

    /// The first byte the client sends, which stays unread.
    pub async fn peek(&mut self) -> Result<u8, ReadError> {
        loop {
            match self.inbound.first() {
                Some(byte) => return Ok(*byte),
                None => self.read().await?,
            }
        }
    }

    pub async fn startup_packet(&mut self) -> Result<StartupPacket, ReadError> {
        loop {
            match message::decode_startup(&mut self.inbound)? {
                Some(packet) => return Ok(packet),
                None => self.read().await?,
            }
        }
    }

    /// The next frame. May be dropped and called again: nothing is lost.
    pub async fn frame(&mut self, limit: usize) -> Result<Frame, ReadError> {
        loop {
            match message::take_frame(&mut self.inbound, limit)? {
                Some(frame) => return Ok(frame),
                None => self.read().await?,
            }
        }
    }

    /// The next frame, if all of it is here.
    pub fn waiting_frame(&mut self, limit: usize) -> Result<Option<Frame>, ReadError> {
        Ok(message::take_frame(&mut self.inbound, limit)?)
    }

    async fn read(&mut self) -> Result<(), ReadError> {
        self.shrink();
        poll_fn(|context| self.poll_read(context)).await
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        if self.ended {
            return Poll::Ready(Err(ReadError::Gone));
        }
        // The buffer doubles as data arrives; a length that a client only announces reserves nothing.
        self.inbound.reserve(READ_SIZE);
        match ready!(pin!(self.stream.read_buf(&mut self.inbound)).poll(context)) {
            Ok(0) | Err(_) => {
                self.ended = true;
                Poll::Ready(Err(ReadError::Gone))
            }
            Ok(read) => {
                self.inbound_grown += read;
                self.received += read as u64;
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Resolves when the client is gone. Until then it reads ahead, within bounds.
    pub async fn vanished(&mut self) {
        poll_fn(|context| {
            while self.inbound.len() < AHEAD_LIMIT {
                if ready!(self.poll_read(context)).is_err() {
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Gives memory back that a large message or answer needed.
    fn shrink(&mut self) {
        if self.inbound.is_empty() && self.inbound_grown > FLUSH_THRESHOLD {
            self.inbound = BytesMut::new();
            self.inbound_grown = 0;
        }
        if self.outbound.is_empty() && self.outbound.capacity() > READ_SIZE {
            self.outbound = BytesMut::new();
        }
    }

    /// How many bytes were read since the last call.
    pub fn take_received(&mut self) -> u64 {
        std::mem::take(&mut self.received)
    }

    /// Appends whole messages.
    pub fn put(&mut self, write: impl FnOnce(&mut BytesMut)) {
        write(&mut self.outbound);
        self.sealed = self.outbound.len();
    }

    /// Appends whole messages, or nothing if `write` fails.
    pub fn try_put<T, E>(&mut self, write: impl FnOnce(&mut BytesMut) -> Result<T, E>) -> Result<T, E> {
        let result = write(&mut self.outbound);
        match &result {
            Ok(_) => self.sealed = self.outbound.len(),
            Err(_) => self.discard_unfinished(),
        }
        result
    }

    /// Appends messages that are encoded already.
    pub fn put_encoded(&mut self, bytes: Bytes) {
        if bytes.len() < COPY_BELOW {
            return self.put(|out| out.extend_from_slice(&bytes));
        }
        if self.sealed > 0 {
            self.pieces.push_back(self.outbound.split_to(self.sealed).freeze());
            self.sealed = 0;
        }
        self.pieces.push_back(bytes);
    }

    /// Drops what a panic left half written.
    pub fn discard_unfinished(&mut self) {
        self.outbound.truncate(self.sealed);
    }

    pub fn buffered(&self) -> usize {
        self.outbound.len() + self.pieces.iter().map(Bytes::len).sum::<usize>()
    }

    /// Sends everything that is buffered. Waits for a slow reader, and meanwhile takes in what the client
    /// sends, so that two full directions cannot block each other.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = self.poll_write_all(context);
        if written.is_pending() {
            while !self.ended && self.inbound.len() < AHEAD_LIMIT && self.poll_read(context).is_ready() {}
        }
        written
    }

    fn poll_write_all(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(piece) = self.pieces.front_mut() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, piece))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            piece.advance(written);
            self.sent += written as u64;
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        while self.sealed > 0 {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.outbound[..self.sealed]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outbound.advance(written);
            self.sent += written as u64;
            self.sealed -= written;
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Ends the connection in good order.
    pub async fn shutdown(&mut self) {
        // The client may be gone already; then there is nobody to tell.
        let _ = self.stream.shutdown().await;
    }
}
