//! The COPY subprotocol: data from the client goes to the session message by message, data to the client
//! is encoded from the session's batches, one message a row.

use std::pin::pin;

use bytes::BytesMut;
use datafusion::arrow::record_batch::RecordBatch;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, SqlState};
use crate::types::copy::CopyEncoder;
use crate::types::format::Format;
use crate::wire::backend::{Backend, CopyOut, Fetched, RowChunk};
use crate::wire::client::Client;
use crate::wire::interruption::{Stop, attend, flush};
use crate::wire::message::{self, Message};
use crate::wire::reply;
use crate::wire::socket::FLUSH_THRESHOLD;

impl<S, B> Client<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    B: Backend,
{
    /// Runs COPY FROM STDIN and returns its command tag.
    pub(super) async fn copy_in(&mut self, format: Format, columns: usize) -> Result<String, Stop> {
        self.socket.put(|out| reply::copy_in(out, format, columns));
        flush(&mut self.socket, &self.interrupt).await?;
        loop {
            let frame = self.next_copy_frame().await?;
            let tag = frame.tag;
            match message::decode(frame).map_err(Error::from)? {
                Message::CopyData(data) => {
                    let copy = self.session.copy_data(data);
                    attend(&mut self.socket, &self.interrupt, pin!(copy)).await?;
                }
                Message::CopyDone => {
                    return attend(&mut self.socket, &self.interrupt, pin!(self.session.copy_done())).await;
                }
                Message::CopyFail(reason) => {
                    self.session.copy_fail(&reason).await;
                    let message = format!("COPY from stdin failed: {reason}");
                    return Err(Error::new(SqlState::QueryCanceled, message).into());
                }
                // Clients may send these ahead, not knowing that the statement is a COPY.
                Message::Flush | Message::Sync => {}
                Message::Terminate => return Err(Stop::Gone),
                _ => {
                    let message = format!("unexpected message type 0x{tag:02X} during COPY from stdin");
                    self.session.copy_fail(&message).await;
                    return Err(Error::new(SqlState::ProtocolViolation, message).into());
                }
            }
        }
    }

    /// Runs COPY TO STDOUT and returns its command tag.
    pub(super) async fn copy_out(&mut self, portal: &str, copy: CopyOut) -> Result<String, Stop> {
        let CopyOut {
            format,
            columns,
            encoder,
        } = copy;
        // The signature of the binary format travels in the first row's message, as PostgreSQL sends it and
        // clients that take a message for a row expect it; a line of names is a message of its own.
        let mut ahead = BytesMut::new();
        encoder.begin(&mut ahead)?;
        self.socket.put(|out| {
            reply::copy_out(out, format, columns);
            if format == Format::Text && !ahead.is_empty() {
                reply::message(out, b'd', |out| out.extend_from_slice(&ahead.split()));
            }
        });
        loop {
            let fetched = attend(&mut self.socket, &self.interrupt, pin!(self.session.fetch(portal, 0))).await?;
            match fetched {
                Fetched::Rows(RowChunk::Batch(batch)) => self.send_copy(&encoder, &mut ahead, &batch).await?,
                Fetched::Rows(RowChunk::Encoded { bytes, .. }) => {
                    self.socket.put_encoded(bytes);
                    self.relieve().await?;
                }
                Fetched::Complete(tag) => {
                    encoder.end(&mut ahead);
                    self.socket.put(|out| {
                        if !ahead.is_empty() {
                            reply::message(out, b'd', |out| out.extend_from_slice(&ahead));
                        }
                        reply::copy_done(out);
                    });
                    return Ok(tag);
                }
                other => return Err(Error::internal(format!("unexpected {other:?} during COPY to stdout")).into()),
            }
        }
    }

    async fn send_copy(
        &mut self,
        encoder: &CopyEncoder,
        ahead: &mut BytesMut,
        batch: &RecordBatch,
    ) -> Result<(), Stop> {
        let rows = encoder.bind(batch)?;
        let mut row = 0;
        while row < batch.num_rows() {
            self.socket.try_put(|out| {
                while row < batch.num_rows() && out.len() < FLUSH_THRESHOLD {
                    let mut result = Ok(());
                    reply::message(out, b'd', |out| {
                        out.extend_from_slice(&ahead.split());
                        result = rows.write(row, out);
                    });
                    result?;
                    row += 1;
                }
                Ok::<(), Error>(())
            })?;
            self.relieve().await?;
        }
        Ok(())
    }
}
