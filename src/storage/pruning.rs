//! Which files of the index can hold rows that a predicate wants: bounds and null counts through DataFusion's
//! pruning predicate, partition values by evaluating the predicate itself. Pruning never decides alone: it only
//! leaves out what provably holds nothing.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, NullArray, RecordBatch, RecordBatchOptions, UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use super::file_index::FileIndex;
use super::schema::TableSchema;
use super::snapshot::TableSnapshot;
use crate::error::{Error, Result};

/// Positions of the files that can hold rows which all `filters` accept.
pub(super) fn matching_files(snapshot: &TableSnapshot, session: &dyn Session, filters: &[Expr]) -> Result<Vec<usize>> {
    let index = &snapshot.files;
    let mut kept = vec![true; index.len()];
    if filters.is_empty() || index.len() == 0 {
        return Ok((0..index.len()).collect());
    }
    let schema = DFSchema::try_from(Arc::clone(&snapshot.schema.arrow))?;
    let bounds = IndexStatistics {
        index,
        schema: &snapshot.schema,
    };
    for filter in filters {
        // Only an aid: what cannot be planned here is evaluated on the rows.
        let Ok(predicate) = session.create_physical_expr(filter.clone(), &schema) else {
            continue;
        };
        if is_on_partitions(&snapshot.schema, filter) {
            keep_by_values(
                snapshot,
                &predicate,
                is_decided_by_partitions(&snapshot.schema, filter),
                &mut kept,
            )?;
            continue;
        }
        let built = PruningPredicateBuilder::new()
            .with_file_schema(Arc::clone(&snapshot.schema.arrow))
            .try_build(predicate);
        let Ok(pruning) = built else { continue };
        if let Ok(possible) = pruning.prune(&bounds) {
            kept.iter_mut()
                .zip(possible)
                .for_each(|(kept, possible)| *kept &= possible);
        }
    }
    Ok(kept
        .iter()
        .enumerate()
        .filter_map(|(file, kept)| kept.then_some(file))
        .collect())
}

/// Positions of the files of the partitions that `filter` names. 0A000 where it reads anything but partition columns.
pub(super) fn files_of_partitions(
    snapshot: &TableSnapshot,
    session: &dyn Session,
    filter: &Expr,
) -> Result<Vec<usize>> {
    if !is_on_partitions(&snapshot.schema, filter) {
        return Err(Error::unsupported("a condition on anything but the partition columns"));
    }
    let schema = DFSchema::try_from(Arc::clone(&snapshot.schema.arrow))?;
    let predicate = session.create_physical_expr(filter.clone(), &schema)?;
    let mut kept = vec![true; snapshot.files.len()];
    keep_by_values(snapshot, &predicate, true, &mut kept)?;
    Ok((0..kept.len()).filter(|file| kept[*file]).collect())
}

/// Whether the file list alone decides the filter, so that no row has to be tested: it reads partition columns
/// only and cannot fail.
pub(super) fn is_decided_by_partitions(schema: &TableSchema, filter: &Expr) -> bool {
    is_on_partitions(schema, filter) && is_infallible(filter)
}

fn is_on_partitions(schema: &TableSchema, filter: &Expr) -> bool {
    let partitions: HashSet<&str> = schema
        .partition_columns
        .iter()
        .map(|index| schema.columns[*index].field.name().as_str())
        .collect();
    let columns = filter.column_refs();
    !columns.is_empty()
        && columns.iter().all(|column| partitions.contains(column.name.as_str()))
        && !filter.is_volatile()
}

/// Comparisons, IS NULL and IN of a column against literals, under AND, OR and NOT.
fn is_infallible(filter: &Expr) -> bool {
    let is_plain = |expr: &Expr| matches!(expr, Expr::Column(_) | Expr::Literal(_, _));
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And | Operator::Or,
            right,
        }) => is_infallible(left) && is_infallible(right),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            op.supports_propagation() && is_plain(left) && is_plain(right)
        }
        Expr::Not(inner) => is_infallible(inner),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => is_plain(inner),
        Expr::InList(InList { expr, list, .. }) => is_plain(expr) && list.iter().all(is_plain),
        Expr::Column(_) => true,
        _ => false,
    }
}

/// Evaluates a predicate over partition columns once for each file.
fn keep_by_values(
    snapshot: &TableSnapshot,
    predicate: &Arc<dyn PhysicalExpr>,
    must: bool,
    kept: &mut [bool],
) -> Result<()> {
    let evaluate = || -> Result<ArrayRef> {
        // Columns that the predicate does not read are there for their positions only.
        let unread = || {
            (
                DataType::Null,
                Arc::new(NullArray::new(snapshot.files.len())) as ArrayRef,
            )
        };
        let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = snapshot
            .schema
            .columns
            .iter()
            .enumerate()
            .map(|(position, column)| {
                let partition = snapshot
                    .schema
                    .partition_columns
                    .iter()
                    .position(|partition| *partition == position);
                let (data_type, values) = match partition {
                    Some(partition) => (
                        column.field.data_type().clone(),
                        Arc::clone(&snapshot.files.partitions[partition]),
                    ),
                    None => unread(),
                };
                (Field::new(column.field.name(), data_type, true), values)
            })
            .unzip();
        let options = RecordBatchOptions::new().with_row_count(Some(snapshot.files.len()));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
        Ok(predicate.evaluate(&batch)?.into_array(snapshot.files.len())?)
    };
    match evaluate() {
        Ok(values) => {
            if let Some(values) = values.as_boolean_opt() {
                kept.iter_mut()
                    .enumerate()
                    .for_each(|(file, kept)| *kept &= values.is_valid(file) && values.value(file));
            }
            Ok(())
        }
        Err(error) if must => Err(error),
        Err(_) => Ok(()),
    }
}

struct IndexStatistics<'a> {
    index: &'a FileIndex,
    schema: &'a TableSchema,
}

enum Found<'a> {
    File(&'a super::stats_json::ColumnBounds),
    Partition(&'a ArrayRef),
}

impl IndexStatistics<'_> {
    fn find(&self, column: &Column) -> Option<Found<'_>> {
        let position = self.schema.arrow.index_of(&column.name).ok()?;
        if let Some(partition) = self
            .schema
            .partition_columns
            .iter()
            .position(|index| *index == position)
        {
            return Some(Found::Partition(&self.index.partitions[partition]));
        }
        let file = self.schema.file_columns.iter().position(|index| *index == position)?;
        self.index.bounds[file].as_ref().map(Found::File)
    }
}

impl PruningStatistics for IndexStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        match self.find(column)? {
            Found::File(bounds) => Some(Arc::clone(&bounds.min)),
            Found::Partition(values) => Some(Arc::clone(values)),
        }
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        match self.find(column)? {
            Found::File(bounds) => Some(Arc::clone(&bounds.max)),
            Found::Partition(values) => Some(Arc::clone(values)),
        }
    }

    fn num_containers(&self) -> usize {
        self.index.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        match self.find(column)? {
            Found::File(bounds) => cast(&bounds.null_count, &DataType::UInt64).ok(),
            Found::Partition(values) => {
                let counts: UInt64Array = (0..values.len())
                    .map(|file| match values.is_null(file) {
                        true => self
                            .index
                            .rows
                            .is_valid(file)
                            .then(|| self.index.rows.value(file).max(0) as u64),
                        false => Some(0),
                    })
                    .collect();
                Some(Arc::new(counts))
            }
        }
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        cast(&self.index.rows, &DataType::UInt64).ok()
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
