//! Runs a portal and sends its rows as they come. At most one chunk of `FLUSH_THRESHOLD` waits for a slow
//! reader; the next batch is fetched when that is sent.

use datafusion::arrow::record_batch::RecordBatch;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Result};
use crate::types::row::{BoundColumn, RowEncoder};
use crate::wire::backend::{Backend, Fetched, RowChunk, RowShape};
use crate::wire::client::Client;
use crate::wire::interruption::{Stop, attend, flush};
use crate::wire::reply;
use crate::wire::socket::FLUSH_THRESHOLD;

/// How one execution of a portal ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command tag.
    Complete(String),
    Suspended,
    Empty,
}

impl<S, B> Client<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    B: Backend,
{
    /// Executes a portal. `shape` spares asking for it again where the caller knows it.
    pub(super) async fn run_portal(
        &mut self,
        portal: &str,
        max_rows: u64,
        mut shape: Option<RowShape>,
    ) -> Result<Outcome, Stop> {
        let mut encoder: Option<RowEncoder> = None;
        loop {
            let fetch = self.session.fetch(portal, max_rows);
            match attend(&mut self.socket, &self.interrupt, fetch).await? {
                Fetched::Rows(RowChunk::Batch(batch)) => {
                    if encoder.is_none() {
                        if shape.is_none() {
                            let describe = self.session.describe_portal(portal);
                            shape = attend(&mut self.socket, &self.interrupt, describe).await?;
                        }
                        encoder = Some(self.row_encoder(shape.as_ref())?);
                    }
                    if let Some(encoder) = &encoder {
                        self.send_batch(encoder, &batch).await?;
                    }
                }
                Fetched::Rows(RowChunk::Encoded { bytes, .. }) => {
                    self.socket.put_encoded(bytes);
                    self.relieve().await?;
                }
                Fetched::CopyIn { format, columns } => {
                    return self.copy_in(format, columns).await.map(Outcome::Complete);
                }
                Fetched::CopyOut(copy) => {
                    return self.copy_out(portal, copy).await.map(Outcome::Complete);
                }
                Fetched::Suspended => return Ok(Outcome::Suspended),
                Fetched::Complete(tag) => return Ok(Outcome::Complete(tag)),
                Fetched::Empty => return Ok(Outcome::Empty),
            }
        }
    }

    fn row_encoder(&self, shape: Option<&RowShape>) -> Result<RowEncoder> {
        let shape = shape.ok_or_else(|| Error::internal("a portal without columns returned rows"))?;
        let formats = shape
            .formats
            .iter()
            .copied()
            .chain(std::iter::repeat(Default::default()));
        let columns: Vec<_> = shape
            .columns
            .iter()
            .map(|column| column.sql_type.clone())
            .zip(formats)
            .collect();
        Ok(RowEncoder::new(&columns, &self.session.format_settings()))
    }

    async fn send_batch(&mut self, encoder: &RowEncoder, batch: &RecordBatch) -> Result<(), Stop> {
        let columns = encoder.bind(batch)?;
        let mut row = 0;
        while row < batch.num_rows() {
            row = self
                .socket
                .try_put(|out| encode_rows(&columns, row, batch.num_rows(), out))?;
            self.relieve().await?;
        }
        Ok(())
    }

    /// Sends what is buffered if it is much.
    pub(super) async fn relieve(&mut self) -> Result<(), Stop> {
        if self.socket.buffered() >= FLUSH_THRESHOLD {
            flush(&mut self.socket, &self.interrupt).await?;
        }
        Ok(())
    }
}

/// Appends DataRows from `row` on until the buffer is full; returns the row to go on with.
fn encode_rows(columns: &[BoundColumn<'_>], mut row: usize, end: usize, out: &mut bytes::BytesMut) -> Result<usize> {
    use bytes::BufMut;

    while row < end && out.len() < FLUSH_THRESHOLD {
        let mut result = Ok(());
        reply::message(out, b'D', |out| {
            out.put_u16(columns.len() as u16);
            result = columns.iter().try_for_each(|column| column.write_with_length(row, out));
        });
        result?;
        row += 1;
    }
    Ok(row)
}
