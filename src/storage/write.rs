//! Writes rows to Parquet files of a table without committing them: staged files. They become part of the table
//! by a commit, or are deleted when they are given up.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::{CastOptions, cast_with_options, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::arrow::async_writer::AsyncArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use futures::StreamExt;
use object_store::buffered::BufWriter;
use object_store::path::Path;

use super::action::{Add, DISTINCT_VALUES_TAG, EXACT_STATISTICS_TAG, Metadata};
use super::file_layout::FileLayout;
use super::file_statistics::FileStatistics;
use super::location::Location;
use super::partition_value;
use super::schema::TableSchema;
use super::staged::StagedFiles;
use crate::error::{Error, Result, SqlState};

/// A row group is closed early when it holds this much undecoded.
const ROW_GROUP_BYTES: usize = 64 << 20;
/// Partitions written at a time; one more closes the fullest.
const OPEN_PARTITIONS: usize = 64;
/// Bytes that all open files of one stream may hold undecoded; above, the fullest ends its row group.
const OPEN_BYTES: usize = 192 << 20;
/// Columns that get statistics where the table does not say.
const INDEXED_COLUMNS: usize = 32;

/// Where rows go, and in what shape.
pub(super) struct WriteTarget {
    pub(super) location: Location,
    pub(super) metadata: Arc<Metadata>,
    pub(super) schema: Arc<TableSchema>,
    pub(super) layout: FileLayout,
}

impl WriteTarget {
    /// Writes the streams at the same time, each to files of its own. Rows are in the table's column order.
    pub(super) async fn write(self: Arc<Self>, streams: Vec<SendableRecordBatchStream>) -> Result<StagedFiles> {
        self.write_in_turn(streams.into_iter().map(|stream| vec![stream]).collect())
            .await
    }

    /// Writes the lists at the same time, the streams of each one after the other.
    pub(super) async fn write_in_turn(
        self: Arc<Self>,
        lists: Vec<Vec<SendableRecordBatchStream>>,
    ) -> Result<StagedFiles> {
        let mut staged = StagedFiles::new(self.location.clone(), Arc::clone(&self.metadata));
        let mut writers = tokio::task::JoinSet::new();
        for streams in lists {
            let mut writer = TableWriter::new(Arc::clone(&self))?;
            writers.spawn(async move {
                // Cut off or failed, the writer drops its finished files, and they are deleted.
                for stream in streams {
                    writer.write_all(stream).await?;
                }
                Ok(writer.finished)
            });
        }
        let mut failure = None;
        while let Some(joined) = writers.join_next().await {
            match joined {
                Ok(Ok(finished)) => staged.merge(finished)?,
                Ok(Err(error)) => {
                    failure.get_or_insert(error);
                    writers.abort_all();
                }
                Err(error) if error.is_cancelled() => {}
                Err(error) => {
                    failure.get_or_insert(Error::internal(format!("a file writer was cut off: {error}")));
                }
            }
        }
        match failure {
            None => Ok(staged),
            Some(error) => {
                staged.discard().await;
                Err(error)
            }
        }
    }

    /// The columns of files as the writer gets them: stored types, but strings in the shape that they arrive in.
    fn written_schema(&self) -> SchemaRef {
        let stored = self.schema.stored_schema();
        let fields: Fields = stored
            .fields()
            .iter()
            .map(|field| match field.data_type() {
                DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
                _ => Arc::clone(field),
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    fn indexed_columns(&self) -> usize {
        match self
            .metadata
            .configuration
            .get("delta.dataSkippingNumIndexedCols")
            .and_then(|text| text.parse::<i64>().ok())
        {
            Some(-1) => usize::MAX,
            Some(count) => count.max(0) as usize,
            None => INDEXED_COLUMNS,
        }
    }
}

/// Routes rows to the open file of their partition.
struct TableWriter {
    target: Arc<WriteTarget>,
    written: SchemaRef,
    partitions: RowConverter,
    /// By partition; `None` is the key of a table without partitions.
    open: HashMap<Option<OwnedRow>, FileWriter>,
    finished: StagedFiles,
}

impl TableWriter {
    fn new(target: Arc<WriteTarget>) -> Result<TableWriter> {
        let key = target
            .schema
            .partition_columns
            .iter()
            .map(|column| SortField::new(target.schema.columns[*column].field.data_type().clone()))
            .collect();
        let written = target.written_schema();
        let finished = StagedFiles::new(target.location.clone(), Arc::clone(&target.metadata));
        Ok(TableWriter {
            target,
            written,
            partitions: RowConverter::new(key)?,
            open: HashMap::new(),
            finished,
        })
    }

    async fn write_all(&mut self, mut stream: SendableRecordBatchStream) -> Result<()> {
        while let Some(batch) = stream.next().await {
            let batch = self.conform(&batch?)?;
            if batch.num_rows() > 0 {
                self.write(&batch).await?;
            }
        }
        let open: Vec<FileWriter> = self.open.drain().map(|(_, file)| file).collect();
        for file in open {
            self.finished.push(file.close().await?);
        }
        Ok(())
    }

    /// The batch in the table's own logical types; nulls where the table forbids them are refused.
    fn conform(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let schema = &self.target.schema;
        if batch.num_columns() != schema.columns.len() {
            return Err(Error::internal(format!(
                "rows of {} columns for a table of {}",
                batch.num_columns(),
                schema.columns.len()
            )));
        }
        let columns = schema
            .columns
            .iter()
            .zip(batch.columns())
            .map(|(column, values)| {
                if !column.field.is_nullable() && values.logical_null_count() > 0 {
                    let name = column.field.name();
                    return Err(Error::new(
                        SqlState::NotNullViolation,
                        format!("null value in column \"{name}\" violates not-null constraint"),
                    ));
                }
                strict_cast(values, column.field.data_type())
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&schema.arrow),
            columns,
            &options,
        )?)
    }

    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let target = Arc::clone(&self.target);
        let key_columns: Vec<ArrayRef> = target
            .schema
            .partition_columns
            .iter()
            .map(|column| Arc::clone(batch.column(*column)))
            .collect();
        if key_columns.is_empty() {
            return self.write_partition(None, batch, 0).await;
        }
        let keys = self.partitions.convert_columns(&key_columns)?;
        let mut rows_of: HashMap<_, Vec<u32>> = HashMap::new();
        for (row, key) in keys.iter().enumerate() {
            rows_of.entry(key).or_default().push(row as u32);
        }
        for (key, rows) in rows_of {
            let first = rows[0] as usize;
            if rows.len() == batch.num_rows() {
                self.write_partition(Some(key.owned()), batch, first).await?;
            } else {
                let part = take_record_batch(batch, &UInt32Array::from(rows))?;
                self.write_partition(Some(key.owned()), &part, 0).await?;
            }
        }
        Ok(())
    }

    /// Appends rows of one partition; `sample` is one of them.
    async fn write_partition(&mut self, key: Option<OwnedRow>, batch: &RecordBatch, sample: usize) -> Result<()> {
        let schema = Arc::clone(&self.target.schema);
        let columns = schema
            .file_columns
            .iter()
            .zip(self.written.fields())
            .map(|(column, field)| strict_cast(batch.column(*column), field.data_type()))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.written), columns, &options)?;
        if !self.open.contains_key(&key) {
            self.make_room().await?;
            let mut values = HashMap::new();
            for column in &schema.partition_columns {
                let described = &schema.columns[*column];
                let text = partition_value::serialize(described.field.name(), batch.column(*column), sample)?;
                values.insert(described.physical_name.clone(), text);
            }
            let file = FileWriter::create(&self.target, &self.written, values)?;
            self.open.insert(key.clone(), file);
        }
        let is_full = match self.open.get_mut(&key) {
            Some(file) => file.append(&rows).await?,
            None => return Err(Error::internal("an open file was lost")),
        };
        if is_full && let Some(file) = self.open.remove(&key) {
            self.finished.push(file.close().await?);
        }
        let held: usize = self.open.values().map(FileWriter::held).sum();
        if held > OPEN_BYTES
            && let Some(fullest) = self.open.values_mut().max_by_key(|file| file.held())
        {
            fullest.parquet.flush().await?;
        }
        Ok(())
    }

    async fn make_room(&mut self) -> Result<()> {
        if self.open.len() < OPEN_PARTITIONS {
            return Ok(());
        }
        let fullest = self
            .open
            .iter()
            .max_by_key(|(_, file)| file.size())
            .map(|(key, _)| key.clone());
        if let Some(file) = fullest.and_then(|key| self.open.remove(&key)) {
            self.finished.push(file.close().await?);
        }
        Ok(())
    }
}

fn strict_cast(values: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if values.data_type() == data_type {
        return Ok(Arc::clone(values));
    }
    Ok(cast_with_options(
        values,
        data_type,
        &CastOptions {
            safe: false,
            ..Default::default()
        },
    )?)
}

/// One Parquet file under way.
struct FileWriter {
    parquet: AsyncArrowWriter<BufWriter>,
    statistics: FileStatistics,
    name: String,
    partition_values: HashMap<String, Option<String>>,
    /// Bytes at which it is closed.
    full_at: u64,
}

impl FileWriter {
    fn create(
        target: &WriteTarget,
        schema: &SchemaRef,
        partition_values: HashMap<String, Option<String>>,
    ) -> Result<FileWriter> {
        let layout = &target.layout;
        let name = format!("part-{}.{}.parquet", uuid::Uuid::new_v4(), layout.codec_name());
        let path: Path = target.location.object(&name);
        let properties = WriterProperties::builder()
            .set_compression(layout.compression)
            .set_max_row_group_row_count(Some(layout.row_group_rows))
            .set_created_by(super::commit_entry::ENGINE.to_string())
            .build();
        // Without Arrow's own schema in the file every reader sees the same plain Parquet types.
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let upload = BufWriter::new(Arc::clone(&target.location.store.store), path);
        let parquet = AsyncArrowWriter::try_new_with_options(upload, Arc::clone(schema), options)?;
        let statistics = FileStatistics::new(schema, target.indexed_columns())?;
        Ok(FileWriter {
            parquet,
            statistics,
            name,
            partition_values,
            full_at: target.layout.file_bytes,
        })
    }

    fn size(&self) -> usize {
        self.parquet.bytes_written() + self.parquet.in_progress_size()
    }

    /// Bytes of the row group under way.
    fn held(&self) -> usize {
        self.parquet.in_progress_size()
    }

    /// Appends rows; true when the file is full.
    async fn append(&mut self, rows: &RecordBatch) -> Result<bool> {
        self.statistics.update(rows)?;
        self.parquet.write(rows).await?;
        if self.parquet.in_progress_size() >= ROW_GROUP_BYTES {
            self.parquet.flush().await?;
        }
        Ok(self.size() as u64 >= self.full_at)
    }

    async fn close(mut self) -> Result<Add> {
        self.parquet.finish().await?;
        let mut tags = HashMap::from([(EXACT_STATISTICS_TAG.to_string(), Some("true".to_string()))]);
        if let Some(sketches) = self.statistics.distinct_values() {
            tags.insert(DISTINCT_VALUES_TAG.to_string(), Some(sketches));
        }
        Ok(Add {
            path: self.name,
            partition_values: self.partition_values,
            size: self.parquet.bytes_written() as i64,
            modification_time: chrono::Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(self.statistics.finish()?),
            tags: Some(tags),
            deletion_vector: None,
        })
    }
}
