//! Reads one column of one row group through Parquet and makes it hot.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use datafusion::parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use datafusion::parquet::file::metadata::ParquetMetaData;
use futures::TryStreamExt;

use super::column::{BLOCK_ROWS, HotColumn};
use super::encode::encode;
use super::layout::FileColumn;

/// Decodes the column. Between blocks other tasks get their turn, and a cancelled scan stops.
pub(super) async fn decode(
    reader: Box<dyn AsyncFileReader>,
    footer: Arc<ParquetMetaData>,
    physical: &SchemaRef,
    row_group: usize,
    column: &FileColumn,
) -> Result<HotColumn> {
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(physical));
    let metadata = ArrowReaderMetadata::try_new(footer, options)?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), [column.root]);
    let mut batches = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
        .with_projection(mask)
        .with_row_groups(vec![row_group])
        .with_batch_size(BLOCK_ROWS)
        .build()?;
    let mut blocks = vec![];
    while let Some(batch) = batches.try_next().await? {
        blocks.push(column.convert(Arc::clone(batch.column(0)), batch.schema().field(0))?);
        tokio::task::yield_now().await;
    }
    encode(&column.read_type, blocks)
}
