//! Runs a portal and sends its rows as they come. At most one chunk of `FLUSH_THRESHOLD` waits for a slow
//! reader; the next batch is fetched when that is sent.

use std::pin::pin;

use bytes::BytesMut;
use datafusion::arrow::record_batch::RecordBatch;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Error, Result};
use crate::types::SqlType;
use crate::types::encoding::Encoding;
use crate::types::format::Format;
use crate::types::row::{BoundColumn, RowEncoder};
use crate::wire::backend::{Backend, Fetched, RowChunk, RowShape};
use crate::wire::client::Client;
use crate::wire::interruption::{Hearing, Stop, attend, attend_hearing, flush};
use crate::wire::reply;
use crate::wire::socket::FLUSH_THRESHOLD;
use crate::wire::translation::{self, Lacking};

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
            let encoding = self.session.client_encoding();
            let hearing = self.outlet.as_deref().map(|outlet| Hearing { outlet, encoding });
            let fetched = {
                let fetch = pin!(self.session.fetch(portal, max_rows));
                attend_hearing(&mut self.socket, &self.interrupt, fetch, hearing).await?
            };
            match fetched {
                Fetched::Rows(RowChunk::Batch(batch)) => {
                    if encoder.is_none() {
                        if shape.is_none() {
                            let describe = self.session.describe_portal(portal);
                            shape = attend(&mut self.socket, &self.interrupt, pin!(describe)).await?;
                        }
                        encoder = Some(self.row_encoder(shape.as_ref())?);
                    }
                    if let Some(encoder) = &encoder {
                        self.send_batch(encoder, &batch).await?;
                    }
                }
                Fetched::Rows(RowChunk::Encoded { bytes, .. }) => {
                    match self.session.client_encoding() {
                        Some(encoding) => {
                            if shape.is_none() {
                                let describe = self.session.describe_portal(portal);
                                shape = attend(&mut self.socket, &self.interrupt, pin!(describe)).await?;
                            }
                            self.put_translated(&bytes, &described(shape.as_ref())?, encoding)?;
                        }
                        None => self.socket.put_encoded(bytes),
                    }
                    self.relieve().await?;
                }
                Fetched::CopyIn { format, columns } => {
                    return Box::pin(self.copy_in(format, columns)).await.map(Outcome::Complete);
                }
                Fetched::CopyOut(copy) => {
                    return Box::pin(self.copy_out(portal, copy)).await.map(Outcome::Complete);
                }
                Fetched::Suspended => return Ok(Outcome::Suspended),
                Fetched::Complete(tag) => return Ok(Outcome::Complete(tag)),
                Fetched::Empty => return Ok(Outcome::Empty),
            }
        }
    }

    fn row_encoder(&self, shape: Option<&RowShape>) -> Result<RowEncoder> {
        Ok(RowEncoder::new(&described(shape)?, &self.session.format_settings()))
    }

    async fn send_batch(&mut self, encoder: &RowEncoder, batch: &RecordBatch) -> Result<(), Stop> {
        let columns = encoder.bind(batch)?;
        let mut row = 0;
        if let Some(encoding) = self.session.client_encoding() {
            let described = encoder.columns().iter();
            let described: Vec<_> = described
                .map(|column| (column.sql_type().clone(), column.format()))
                .collect();
            while row < batch.num_rows() {
                let mut rows = BytesMut::new();
                row = encode_rows(&columns, row, batch.num_rows(), &mut rows)?;
                self.put_translated(&rows, &described, encoding)?;
                self.relieve().await?;
            }
        }
        while row < batch.num_rows() {
            row = self
                .socket
                .try_put(|out| encode_rows(&columns, row, batch.num_rows(), out))?;
            self.relieve().await?;
        }
        Ok(())
    }

    /// Appends rows for a client of another character set.
    fn put_translated(
        &mut self,
        rows: &[u8],
        columns: &[(SqlType, Format)],
        encoding: &'static Encoding,
    ) -> Result<()> {
        self.socket
            .try_put(|out| translation::encode(rows, columns, encoding, Lacking::Refused, out))
    }

    /// Sends what is buffered if it is much.
    pub(super) async fn relieve(&mut self) -> Result<(), Stop> {
        if self.socket.buffered() >= FLUSH_THRESHOLD {
            flush(&mut self.socket, &self.interrupt).await?;
        }
        Ok(())
    }
}

/// The types and formats of a portal's columns.
fn described(shape: Option<&RowShape>) -> Result<Vec<(SqlType, Format)>> {
    let shape = shape.ok_or_else(|| Error::internal("a portal without columns returned rows"))?;
    let formats = shape
        .formats
        .iter()
        .copied()
        .chain(std::iter::repeat(Format::default()));
    let types = shape.columns.iter().map(|column| column.sql_type.clone());
    Ok(types.zip(formats).collect())
}

/// Appends DataRows from `row` on until the buffer is full; returns the row to go on with.
fn encode_rows(columns: &[BoundColumn<'_>], mut row: usize, end: usize, out: &mut BytesMut) -> Result<usize> {
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
