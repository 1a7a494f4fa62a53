//! A table's rows as a stream: made on a thread of their own, a few batches ahead of the writer.

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use indicatif::ProgressBar;

use super::row_writer::RowWriter;
use super::tpch::{TpchTable, batches};
use crate::error::Result;

/// Batches that may wait for the writer.
const AHEAD: usize = 2;

pub(super) fn rows(table: TpchTable, scale: f64, progress: ProgressBar) -> Result<SendableRecordBatchStream> {
    let schema = RowWriter::new(table.columns())?.finish()?.schema();
    let mut builder = RecordBatchReceiverStreamBuilder::new(schema, AHEAD);
    let sender = builder.tx();
    builder.spawn_blocking(move || {
        for batch in batches(table, scale)? {
            let batch: RecordBatch = batch?;
            progress.inc(batch.num_rows() as u64);
            // The writer is gone: it has said why itself.
            if sender.blocking_send(Ok(batch)).is_err() {
                break;
            }
        }
        Ok::<(), DataFusionError>(())
    });
    Ok(builder.build())
}
