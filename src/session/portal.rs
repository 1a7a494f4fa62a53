//! A portal: a bound statement and where its execution stands. Rows are pulled a chunk at a time, so
//! they leave before the last is computed, and a portal that is dropped stops its work.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::Mutex;

use super::cursor_rows::CursorRows;
use super::cursors::Cursor;
use super::prepared::PreparedStatement;
use super::{CopyOut, Fetched, RowChunk};
use crate::context::settings::Settings;
use crate::error::{Error, Result, SqlState};
use crate::execution::outcome::{OutputColumn, RowSet, Rows};
use crate::result_cache::{CacheFill, EncodedRows};
use crate::types::copy::{CopyEncoder, CopyOptions};
use crate::types::format::{Format, FormatSettings};
use crate::types::row::RowEncoder;

/// A statement with its parameters bound.
pub(crate) struct Portal {
    pub statement: Arc<PreparedStatement>,
    pub parameters: Vec<ScalarValue>,
    pub result_formats: Vec<Format>,
    pub state: PortalState,
    /// What FETCH moves through: of every named portal that returns rows, once it runs.
    pub cursor: Option<Cursor>,
    /// How many savepoints there were when it was opened.
    pub depth: usize,
    /// WITH HOLD, and its transaction committed.
    pub held: bool,
}

pub(crate) enum PortalState {
    /// Not executed yet.
    Ready,
    Rows(RunningRows),
    CopyOut(RunningCopy),
    /// Ran to its end.
    Finished,
}

impl Portal {
    /// One format for each column.
    pub fn formats_for(&self, columns: usize) -> Result<Vec<Format>> {
        formats_for(&self.result_formats, columns)
    }
}

/// One format for each column, from the none, one or all that Bind gave.
pub(crate) fn formats_for(given: &[Format], columns: usize) -> Result<Vec<Format>> {
    match given {
        [] => Ok(vec![Format::Text; columns]),
        [one] => Ok(vec![*one; columns]),
        all if all.len() == columns => Ok(all.to_vec()),
        all => {
            let message = format!(
                "bind message has {} result formats but query has {columns} columns",
                all.len()
            );
            Err(Error::new(SqlState::ProtocolViolation, message))
        }
    }
}

/// Rows under way.
pub(crate) struct RunningRows {
    source: RowSource,
    tag: &'static str,
    /// Rows of the current Execute.
    sent: u64,
}

enum RowSource {
    Stream {
        stream: SendableRecordBatchStream,
        rest: Option<RecordBatch>,
        fill: Option<CacheFill>,
        encoder: RowEncoder,
    },
    Encoded {
        rows: Arc<EncodedRows>,
        chunk: usize,
        offset: usize,
    },
    Cursor(Arc<Mutex<CursorRows>>, RowEncoder),
}

fn encoder_of(columns: &[OutputColumn], formats: &[Format], settings: &FormatSettings) -> RowEncoder {
    let types = columns.iter().map(|column| column.sql_type.clone());
    RowEncoder::new(&types.zip(formats.iter().copied()).collect::<Vec<_>>(), settings)
}

impl RunningRows {
    /// The rows of a cursor from its position on.
    pub fn of_cursor(cursor: &Cursor, formats: &[Format], settings: &FormatSettings) -> Result<RunningRows> {
        let formats = formats_for(formats, cursor.columns.len())?;
        let encoder = encoder_of(&cursor.columns, &formats, settings);
        Ok(RunningRows {
            source: RowSource::Cursor(Arc::clone(&cursor.rows), encoder),
            tag: "SELECT",
            sent: 0,
        })
    }

    pub fn new(rows: RowSet, formats: &[Format], settings: &FormatSettings) -> Result<RunningRows> {
        let source = match rows.rows {
            Rows::Stream { stream, fill } => RowSource::Stream {
                stream,
                rest: None,
                fill,
                encoder: encoder_of(&rows.columns, formats, settings),
            },
            Rows::Encoded(rows) => RowSource::Encoded {
                rows,
                chunk: 0,
                offset: 0,
            },
        };
        Ok(RunningRows {
            source,
            tag: rows.tag,
            sent: 0,
        })
    }

    /// The next chunk, at most `max_rows` (0: any number) in one Execute.
    pub async fn next(&mut self, max_rows: u64) -> Result<Fetched> {
        let room = if max_rows == 0 {
            u64::MAX
        } else {
            max_rows.saturating_sub(self.sent)
        };
        if room == 0 {
            self.sent = 0;
            return Ok(Fetched::Suspended);
        }
        let chunk = match &mut self.source {
            RowSource::Stream {
                stream,
                rest,
                fill,
                encoder,
            } => next_batch(stream, rest, fill, encoder, room).await?,
            RowSource::Encoded { rows, chunk, offset } => next_encoded(rows, chunk, offset, room),
            RowSource::Cursor(rows, encoder) => match rows.lock().await.forward(room).await? {
                Some(batch) => {
                    let mut buffer = BytesMut::new();
                    encoder.encode(&batch, &mut buffer)?;
                    Some((buffer.freeze(), batch.num_rows()))
                }
                None => None,
            },
        };
        match chunk {
            Some((bytes, rows)) => {
                self.sent += rows as u64;
                Ok(Fetched::Rows(RowChunk::Encoded { bytes, rows }))
            }
            None => Ok(Fetched::Complete(self.complete_tag())),
        }
    }

    fn complete_tag(&self) -> String {
        match self.tag {
            counted @ ("SELECT" | "FETCH" | "INSERT 0" | "UPDATE" | "DELETE" | "MERGE") => {
                format!("{counted} {}", self.sent)
            }
            other => other.to_string(),
        }
    }
}

async fn next_batch(
    stream: &mut SendableRecordBatchStream,
    rest: &mut Option<RecordBatch>,
    fill: &mut Option<CacheFill>,
    encoder: &RowEncoder,
    room: u64,
) -> Result<Option<(Bytes, usize)>> {
    let batch = loop {
        let next = match rest.take() {
            Some(batch) => Some(batch),
            None => stream.next().await.transpose()?,
        };
        match next {
            None => {
                if let Some(fill) = fill.take() {
                    fill.finish();
                }
                return Ok(None);
            }
            Some(batch) if batch.num_rows() == 0 => continue,
            Some(batch) => break batch,
        }
    };
    let batch = if batch.num_rows() as u64 > room.min(CHUNK_ROWS) {
        let taken = room.min(CHUNK_ROWS) as usize;
        *rest = Some(batch.slice(taken, batch.num_rows() - taken));
        batch.slice(0, taken)
    } else {
        batch
    };
    let mut buffer = BytesMut::new();
    encoder.encode(&batch, &mut buffer)?;
    let bytes = buffer.freeze();
    if fill
        .as_mut()
        .is_some_and(|fill| !fill.push(bytes.clone(), batch.num_rows()))
    {
        *fill = None;
    }
    Ok(Some((bytes, batch.num_rows())))
}

/// Rows encoded at a time: a slow reader holds one such chunk.
const CHUNK_ROWS: u64 = 1024;

/// Cuts whole DataRow messages off the cached answer.
fn next_encoded(rows: &EncodedRows, chunk: &mut usize, offset: &mut usize, room: u64) -> Option<(Bytes, usize)> {
    let current = rows.chunks.get(*chunk)?;
    let start = *offset;
    let mut end = start;
    let mut count = 0;
    while count < room && end < current.len() {
        // A message is its type byte and a length that counts itself.
        let length = current
            .get(end + 1..end + 5)
            .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))?;
        end += 1 + length as usize;
        count += 1;
    }
    if end >= current.len() {
        *chunk += 1;
        *offset = 0;
    } else {
        *offset = end;
    }
    Some((current.slice(start..end), count as usize))
}

/// COPY TO STDOUT under way: the wire encodes the rows, one message each.
pub(crate) struct RunningCopy {
    stream: SendableRecordBatchStream,
    /// What the client is told first.
    announcement: Option<CopyOut>,
    rows: u64,
}

impl RunningCopy {
    pub fn new(rows: RowSet, options: &CopyOptions, settings: &Settings) -> Result<RunningCopy> {
        let Rows::Stream { stream, .. } = rows.rows else {
            return Err(Error::internal("COPY was answered from the result cache"));
        };
        let columns: Vec<_> = rows
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.sql_type.clone()))
            .collect();
        let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        options.check_columns(&names)?;
        let encoder = CopyEncoder::new(options, &columns, &settings.format, settings.client_encoding)?;
        let announcement = CopyOut {
            format: encoder.format(),
            columns: columns.len(),
            encoder,
        };
        Ok(RunningCopy {
            stream,
            announcement: Some(announcement),
            rows: 0,
        })
    }

    pub async fn next(&mut self) -> Result<Fetched> {
        if let Some(announcement) = self.announcement.take() {
            return Ok(Fetched::CopyOut(announcement));
        }
        match self.stream.next().await.transpose()? {
            Some(batch) => {
                self.rows += batch.num_rows() as u64;
                Ok(Fetched::Rows(RowChunk::Batch(batch)))
            }
            None => Ok(Fetched::Complete(format!("COPY {}", self.rows))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![b'D'];
        bytes.extend(((body.len() + 4) as u32).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn cached_rows_are_cut_between_messages() {
        let whole: Vec<u8> = [message(b"a"), message(b"bcd"), message(b"")].concat();
        let rows = EncodedRows {
            chunks: vec![whole.into()],
            row_count: 3,
        };
        let (mut chunk, mut offset) = (0, 0);
        let (first, count) = next_encoded(&rows, &mut chunk, &mut offset, 2).unwrap();
        assert_eq!((first.len(), count), (6 + 8, 2));
        let (second, count) = next_encoded(&rows, &mut chunk, &mut offset, 2).unwrap();
        assert_eq!((second.len(), count), (5, 1));
        assert!(next_encoded(&rows, &mut chunk, &mut offset, 2).is_none());
    }
}
