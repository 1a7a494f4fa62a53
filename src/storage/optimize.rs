//! OPTIMIZE: the same rows in fewer files, without the rows that deletion vectors hide, and where asked in an order that
//! puts near values of some columns near each other. It reads the raw files: what a policy hides is copied like the
//! rest, and nothing is shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::catalog::Session;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};

use super::action::FileKey;
use super::commit::{Change, CommitRequest, Operation};
use super::pruning;
use super::removal::Removal;
use super::snapshot::TableSnapshot;
use super::table::DeltaTable;
use crate::error::{Error, Result, SqlState};

/// What OPTIMIZE is asked for.
#[derive(Debug, Clone, Default)]
pub struct Optimization {
    /// Over partition columns: the files of other partitions stay.
    pub filter: Option<Expr>,
    /// Columns whose near values come to lie near each other; without any, rows keep their order.
    pub near: Vec<String>,
    /// Partitions with fewer small files are left as they are.
    pub least_files: usize,
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileCount {
    pub files: u64,
    pub bytes: u64,
}

/// What OPTIMIZE did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rearranged {
    /// The table's version since; `None` where there was nothing to do.
    pub version: Option<u64>,
    pub removed: FileCount,
    pub added: FileCount,
}

impl DeltaTable {
    /// Writes files of `base` anew. Appends and changes of other files may be committed meanwhile; 40001 where rows of
    /// the same files changed.
    pub async fn optimize(
        self: &Arc<Self>,
        base: &Arc<TableSnapshot>,
        wanted: &Optimization,
        session: &dyn Session,
        operation: Operation,
    ) -> Result<Rearranged> {
        let near = columns_named(base, &wanted.near)?;
        let files = match &wanted.filter {
            Some(filter) => pruning::files_of_partitions(base, session, filter)?,
            None => (0..base.files.len()).collect(),
        };
        let mut target = self.target(base).await?;
        let file_bytes = target.layout.file_bytes;
        let mut bins = vec![];
        for files in by_partition(base, files)?.into_values() {
            match near.is_empty() {
                true => bins.extend(small_files(base, &files, file_bytes, wanted.least_files)),
                false => bins.push(files),
            }
        }
        if bins.is_empty() {
            return Ok(Rearranged::default());
        }
        if near.is_empty() {
            // A bin is a file, whatever its rows take once they are together.
            target.layout.file_bytes = file_bytes.saturating_mul(2);
        }
        let mut writers: Vec<Vec<SendableRecordBatchStream>> = vec![];
        writers.resize_with(session.config().target_partitions().clamp(1, bins.len()), Vec::new);
        let count = writers.len();
        for (number, bin) in bins.iter().enumerate() {
            let plan = match near.is_empty() {
                true => {
                    base.scan_together(session, 0..base.schema.columns.len(), bin, 1)
                        .await?
                }
                false => base.scan_near(session, bin, &near).await?,
            };
            writers[number % count].push(deferred(plan, base.schema(), session));
        }
        let staged = Arc::new(target).write_in_turn(writers).await?;
        let removed: Vec<usize> = bins.into_iter().flatten().collect();
        let live: Option<i64> = removed.iter().map(|file| base.files.live_rows(*file)).sum();
        if live.is_some_and(|live| live as u64 != staged.row_count()) {
            return Err(Error::internal(
                "the rows of a table changed while its files were written anew",
            ));
        }
        let keys: Vec<FileKey> = removed.iter().map(|file| base.files.key(*file)).collect();
        let done = Rearranged {
            version: None,
            removed: FileCount {
                files: removed.len() as u64,
                bytes: removed
                    .iter()
                    .map(|file| base.files.sizes.value(*file).max(0) as u64)
                    .sum(),
            },
            added: FileCount {
                files: staged.file_count() as u64,
                bytes: staged.size_bytes(),
            },
        };
        let committed = self
            .commit(CommitRequest {
                change: Change::Rearrange {
                    base: Arc::clone(base),
                    removal: Removal::of(keys),
                },
                schema: None,
                files: Some(staged),
                keys: None,
                operation,
            })
            .await?;
        Ok(Rearranged {
            version: Some(committed.version),
            ..done
        })
    }
}

/// Positions of columns that have bounds to prune by; partition columns are in order anyway.
fn columns_named(base: &TableSnapshot, names: &[String]) -> Result<Vec<usize>> {
    let position = |name: &String| {
        let found = base
            .schema
            .arrow
            .index_of(name)
            .map_err(|_| Error::new(SqlState::UndefinedColumn, format!("column \"{name}\" does not exist")))?;
        match base.schema.partition_columns.contains(&found) {
            false => Ok(found),
            true => Err(Error::new(
                SqlState::InvalidParameterValue,
                format!("ZORDER BY cannot take the partition column \"{name}\""),
            )),
        }
    };
    names.iter().map(position).collect()
}

fn by_partition(base: &TableSnapshot, files: Vec<usize>) -> Result<BTreeMap<Option<OwnedRow>, Vec<usize>>> {
    let columns: &[ArrayRef] = &base.files.partitions;
    if columns.is_empty() {
        return Ok(BTreeMap::from([(None, files)]));
    }
    let fields = columns.iter().map(|values| SortField::new(values.data_type().clone()));
    let keys = RowConverter::new(fields.collect())?.convert_columns(columns)?;
    let mut partitions: BTreeMap<Option<OwnedRow>, Vec<usize>> = BTreeMap::new();
    for file in files {
        partitions.entry(Some(keys.row(file).owned())).or_default().push(file);
    }
    Ok(partitions)
}

/// Files of one partition that are better one: neighbours in the order that they came, as many as make a whole file.
/// One with a deletion vector is written again even alone.
fn small_files(base: &TableSnapshot, files: &[usize], file_bytes: u64, least: usize) -> Vec<Vec<usize>> {
    let bytes = |file: usize| base.files.sizes.value(file).max(0) as u64;
    let has_vector = |file: &usize| base.files.deletion_vectors.contains_key(file);
    let is_small = |file: &&usize| bytes(**file) < file_bytes / 4 * 3 || has_vector(file);
    let small: Vec<usize> = files.iter().filter(is_small).copied().collect();
    if small.len() < least {
        return vec![];
    }
    let mut bins: Vec<(u64, Vec<usize>)> = vec![];
    for file in small {
        match bins.last_mut() {
            Some((held, bin)) if *held + bytes(file) <= file_bytes => {
                *held += bytes(file);
                bin.push(file);
            }
            _ => bins.push((bytes(file), vec![file])),
        }
    }
    let bins = bins.into_iter().map(|(_, bin)| bin);
    bins.filter(|bin| bin.len() > 1 || bin.iter().any(has_vector)).collect()
}

/// The first columns of the plan's rows, when somebody asks for them and not before.
fn deferred(plan: Arc<dyn ExecutionPlan>, schema: SchemaRef, session: &dyn Session) -> SendableRecordBatchStream {
    let columns: Vec<usize> = (0..schema.fields().len()).collect();
    let context = session.task_ctx();
    let rows = futures::stream::once(async move { plan.execute(0, context) }).try_flatten();
    let rows = rows.map(move |batch| Ok(batch?.project(&columns)?));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}
