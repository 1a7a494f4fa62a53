//! Copy-on-write: the files that a statement touches are written again without the rows that go and with the new
//! values of those that stay. It reads the raw files, so that what a policy hides survives the copy.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{filter_record_batch, interleave, interleave_record_batch};
use datafusion::arrow::datatypes::{Field, FieldRef, Int32Type, Int64Type, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::Result as PlanResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};

use super::action::FileKey;
use super::features;
use super::removal::Removal;
use super::row_changes::{FileChanges, RowChanges, RowUpdate};
use super::snapshot::TableSnapshot;
use super::staged::StagedFiles;
use super::table::DeltaTable;
use crate::error::{Error, Result};

/// Looks at rows as they will be stored, before they are.
pub type RowCheck = Arc<dyn Fn(&RecordBatch) -> Result<()> + Send + Sync>;

impl DeltaTable {
    /// Stages what `changes` make of the files that they touch, and further `rows`. `check` sees each updated row.
    pub async fn stage_changes(
        &self,
        base: &Arc<TableSnapshot>,
        changes: RowChanges,
        rows: Vec<SendableRecordBatchStream>,
        check: Option<RowCheck>,
        session: &dyn Session,
    ) -> Result<(Removal, StagedFiles)> {
        if changes.files.is_empty() {
            return Ok((Removal::None, self.stage(base, rows).await?));
        }
        features::ensure_removable(&base.metadata)?;
        features::ensure_rewritable(&base.metadata)?;
        let keys: Vec<FileKey> = changes.files.keys().map(|file| base.files.key(*file)).collect();
        let is_partly_kept = |(file, changes): (&usize, &FileChanges)| {
            let goes =
                changes.updates.is_empty() && base.files.live_rows(*file) == i64::try_from(changes.touched.len()).ok();
            (!goes).then_some(*file)
        };
        let copied: Vec<usize> = changes.files.iter().filter_map(is_partly_kept).collect();
        let mut streams = rows;
        if !copied.is_empty() {
            let plan = base.scan_files(session, &copied).await?;
            let merger = Arc::new(Merger::new(base.schema(), changes, check));
            let mut copies: Vec<Vec<SendableRecordBatchStream>> = vec![];
            copies.resize_with(session.config().target_partitions().clamp(1, copied.len()), Vec::new);
            let writers = copies.len();
            for partition in 0..copied.len() {
                let raw = plan.execute(partition, session.task_ctx())?;
                copies[partition % writers].push(merger.stream(raw));
            }
            streams.extend(copies.into_iter().map(|copies| chained(base.schema(), copies)));
        }
        let staged = self.stage(base, streams).await?;
        Ok((Removal::of(keys), staged))
    }
}

/// One stream after the other.
fn chained(schema: SchemaRef, streams: Vec<SendableRecordBatchStream>) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(
        schema,
        futures::stream::iter(streams).flatten(),
    ))
}

/// Lays the changes over raw rows.
struct Merger {
    /// The table's columns.
    schema: SchemaRef,
    /// The same, any of which may be NULL until the rows are checked.
    unchecked: SchemaRef,
    changes: RowChanges,
    check: Option<RowCheck>,
}

impl Merger {
    fn new(schema: SchemaRef, mut changes: RowChanges, check: Option<RowCheck>) -> Merger {
        for file in changes.files.values_mut() {
            file.updates.sort_unstable();
        }
        let nullable = |field: &FieldRef| field.as_ref().clone().with_nullable(true);
        let fields: Vec<Field> = schema.fields().iter().map(nullable).collect();
        Merger {
            schema,
            unchecked: Arc::new(Schema::new(fields)),
            changes,
            check,
        }
    }

    fn stream(self: &Arc<Self>, raw: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let merger = Arc::clone(self);
        let merged = raw.and_then(move |batch| futures::future::ready(merger.merge(&batch)));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), merged))
    }

    /// `batch` has the table's columns, and each row's file and place. Partitions of a scan take files from each other,
    /// so only the rows tell which file they are of.
    fn merge(&self, batch: &RecordBatch) -> PlanResult<RecordBatch> {
        let columns = self.schema.fields().len();
        let files = batch.column(columns).as_primitive::<Int32Type>().values();
        let Some(file) = files.first() else {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        };
        if files.iter().any(|other| other != file) {
            return Err(Error::internal("a batch of a scan holds rows of two files").into());
        }
        let changes = self.changes.files.get(&(*file as usize)).ok_or_else(lost)?;
        let places = batch.column(columns + 1).as_primitive::<Int64Type>();
        let mut updated: Vec<(usize, RowUpdate)> = vec![];
        let mut kept = vec![];
        for row in 0..batch.num_rows() {
            let place = places.value(row) as u64;
            let update = match changes.touched.contains(place) {
                true => changes.updates.binary_search_by_key(&place, |update| update.place).ok(),
                false => {
                    kept.push(true);
                    continue;
                }
            };
            kept.push(update.is_some());
            updated.extend(update.map(|position| (row, changes.updates[position])));
        }
        let mut arrays: Vec<ArrayRef> = batch.columns()[..columns].to_vec();
        for (kind, (assigned, values)) in self.changes.kinds().enumerate() {
            let of_kind: Vec<(usize, RowUpdate)> = updated
                .iter()
                .copied()
                .filter(|(_, update)| update.kind as usize == kind)
                .collect();
            if of_kind.is_empty() {
                continue;
            }
            // Which array each row comes from: 0 is the raw one, then the batches of new values that it takes.
            let mut used: Vec<usize> = of_kind.iter().map(|(_, update)| update.batch as usize).collect();
            used.sort_unstable();
            used.dedup();
            let mut origins: Vec<(usize, usize)> = (0..batch.num_rows()).map(|row| (0, row)).collect();
            for (row, update) in of_kind {
                let source = used.binary_search(&(update.batch as usize)).map_err(|_| lost())?;
                origins[row] = (source + 1, update.row as usize);
            }
            for (position, column) in assigned.iter().enumerate() {
                let raw = Arc::clone(&arrays[*column]);
                let sources: Vec<&dyn Array> = std::iter::once(raw.as_ref())
                    .chain(used.iter().map(|batch| values[*batch].column(position).as_ref()))
                    .collect();
                arrays[*column] = interleave(&sources, &origins)?;
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let merged = RecordBatch::try_new_with_options(Arc::clone(&self.unchecked), arrays, &options)?;
        if let (Some(check), false) = (&self.check, updated.is_empty()) {
            let rows: Vec<(usize, usize)> = updated.iter().map(|(row, _)| (0, *row)).collect();
            check(&interleave_record_batch(&[&merged], &rows)?)?;
        }
        let kept = filter_record_batch(&merged, &BooleanArray::from(kept))?;
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        let columns = kept.columns().to_vec();
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &options,
        )?)
    }
}

fn lost() -> Error {
    Error::internal("the changes of a file were lost")
}
