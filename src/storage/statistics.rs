//! Statistics for the optimizer out of the file index. Exact is said only where it is certain: an exact bound
//! may become an answer without reading the data.

use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::sum;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;

use super::column_sketches;
use super::file_index::FileIndex;
use super::schema::TableSchema;
use super::selectivity::as_number;
use super::snapshot::TableSnapshot;
use super::stats_json::ColumnBounds;

/// Assumed bytes of a value whose type has no fixed width.
const VARIABLE_WIDTH: usize = 24;

/// Statistics of one file in scan order: file columns, then partition columns. Computed once.
pub(super) fn of_file(snapshot: &TableSnapshot, file: usize) -> Arc<Statistics> {
    let slots = snapshot
        .file_statistics
        .get_or_init(|| (0..snapshot.files.len()).map(|_| OnceLock::new()).collect());
    let compute = || Arc::new(compute_of_file(snapshot, file));
    match slots.get(file) {
        Some(slot) => Arc::clone(slot.get_or_init(compute)),
        None => compute(),
    }
}

fn compute_of_file(snapshot: &TableSnapshot, file: usize) -> Statistics {
    let index = &snapshot.files;
    let rows = index
        .live_rows(file)
        .map_or(Precision::Absent, |rows| Precision::Exact(rows.max(0) as usize));
    let exact = index.exact.value(file);
    let mut columns: Vec<ColumnStatistics> = index
        .bounds
        .iter()
        .map(|bounds| match bounds {
            None => ColumnStatistics::new_unknown(),
            Some(bounds) => {
                let bound = |values: &ArrayRef| {
                    known(
                        ScalarValue::try_from_array(values, file).ok(),
                        exact && has_exact_order(values.data_type()),
                    )
                };
                let nulls = bounds.null_count.as_primitive::<Int64Type>();
                let null_count = match (nulls.is_valid(file), exact) {
                    (false, _) => Precision::Absent,
                    (true, true) => Precision::Exact(nulls.value(file).max(0) as usize),
                    (true, false) => Precision::Inexact(nulls.value(file).max(0) as usize),
                };
                ColumnStatistics {
                    null_count,
                    min_value: bound(&bounds.min),
                    max_value: bound(&bounds.max),
                    ..ColumnStatistics::new_unknown()
                }
            }
        })
        .collect();
    columns.extend(
        index
            .partitions
            .iter()
            .map(|values| match ScalarValue::try_from_array(values, file) {
                Ok(value) if !value.is_null() => ColumnStatistics {
                    null_count: Precision::Exact(0),
                    min_value: Precision::Exact(value.clone()),
                    max_value: Precision::Exact(value),
                    ..ColumnStatistics::new_unknown()
                },
                Ok(_) => ColumnStatistics {
                    null_count: rows,
                    ..ColumnStatistics::new_unknown()
                },
                Err(_) => ColumnStatistics::new_unknown(),
            }),
    );
    let bytes = rows.get_value().map_or(Precision::Absent, |rows| {
        Precision::Inexact(rows * row_width(&snapshot.schema))
    });
    Statistics {
        num_rows: rows,
        total_byte_size: bytes,
        column_statistics: columns,
    }
}

/// Statistics of all files in scan order.
pub(super) fn of_table(snapshot: &TableSnapshot) -> Statistics {
    let mut whole = of_files(&snapshot.schema, &snapshot.files, &[], true);
    for (column, counted) in whole.column_statistics.iter_mut().zip(distinct_values(snapshot)) {
        if let Some(counted) = counted {
            let most = column.distinct_count.get_value().copied().unwrap_or(counted);
            column.distinct_count = Precision::Inexact(counted.min(most));
        }
    }
    whole
}

/// About how many different values each column has in all files, in scan order; `None` where no sketch tells.
pub(super) fn distinct_values(snapshot: &TableSnapshot) -> Vec<Option<usize>> {
    let index = &snapshot.files;
    let Some(rows) = snapshot.row_count() else {
        return vec![];
    };
    let of_file_column = |column| snapshot.sketches().count(column, index.len(), rows as usize);
    let in_files = (0..index.bounds.len()).map(of_file_column);
    in_files
        .chain(index.partitions.iter().map(column_sketches::of_partitions))
        .collect()
}

/// Statistics of these files (of all of them when `whole`). Bounds of a part are those of the whole, inexact.
pub(super) fn of_files(schema: &TableSchema, index: &FileIndex, files: &[usize], whole: bool) -> Statistics {
    let rows: Option<i64> = if whole {
        (0..index.len()).map(|file| index.live_rows(file)).sum()
    } else {
        files.iter().map(|file| index.live_rows(*file)).sum()
    };
    let num_rows = rows.map_or(Precision::Absent, |rows| Precision::Exact(rows.max(0) as usize));
    let all_exact = whole && index.exact.true_count() == index.len();
    let mut columns: Vec<ColumnStatistics> = index
        .bounds
        .iter()
        .map(|bounds| {
            bounds.as_ref().map_or_else(ColumnStatistics::new_unknown, |bounds| {
                of_column(index, bounds, all_exact)
            })
        })
        .collect();
    columns.extend(
        index
            .partitions
            .iter()
            .map(|values| of_partition(index, values, whole, rows.is_some())),
    );
    for column in &mut columns {
        column.distinct_count = most_values(column, num_rows);
    }
    let bytes = rows.map_or(Precision::Absent, |rows| {
        Precision::Inexact(rows.max(0) as usize * row_width(schema))
    });
    Statistics {
        num_rows,
        total_byte_size: bytes,
        column_statistics: columns,
    }
}

fn of_column(index: &FileIndex, bounds: &ColumnBounds, all_exact: bool) -> ColumnStatistics {
    let nulls = bounds.null_count.as_primitive::<Int64Type>();
    let null_count = match (nulls.null_count(), sum(nulls)) {
        (0, total) => {
            let total = total.unwrap_or(0).max(0) as usize;
            if all_exact {
                Precision::Exact(total)
            } else {
                Precision::Inexact(total)
            }
        }
        _ => Precision::Absent,
    };
    // A file without a bound contributes none only if all its values are null.
    let is_complete = |values: &ArrayRef| {
        (0..index.len()).all(|file| {
            values.is_valid(file)
                || (nulls.is_valid(file) && index.rows.is_valid(file) && nulls.value(file) == index.rows.value(file))
        })
    };
    let bound = |values: &ArrayRef, fold: fn(&ArrayRef) -> datafusion::common::Result<ScalarValue>| {
        if index.len() == 0 || !is_complete(values) {
            return Precision::Absent;
        }
        known(fold(values).ok(), all_exact && has_exact_order(values.data_type()))
    };
    ColumnStatistics {
        null_count,
        min_value: bound(&bounds.min, min_batch),
        max_value: bound(&bounds.max, max_batch),
        ..ColumnStatistics::new_unknown()
    }
}

/// As many values as fit between the bounds of whole numbers, at most one a row: a guess from above.
fn most_values(column: &ColumnStatistics, rows: Precision<usize>) -> Precision<usize> {
    let (Some(rows), Some(min), Some(max)) = (
        rows.get_value(),
        column.min_value.get_value(),
        column.max_value.get_value(),
    ) else {
        return Precision::Absent;
    };
    let width = match (min, max) {
        (ScalarValue::Decimal128(Some(min), ..), ScalarValue::Decimal128(Some(max), ..)) => max.abs_diff(*min),
        _ if min.data_type().is_integer() || min.data_type() == DataType::Date32 => {
            match (as_number(min), as_number(max)) {
                (Some(min), Some(max)) => (max - min).max(0.0) as u128,
                _ => return Precision::Absent,
            }
        }
        _ => return Precision::Absent,
    };
    let values = usize::try_from(width.saturating_add(1)).unwrap_or(usize::MAX);
    Precision::Inexact(values.min(*rows))
}

fn of_partition(index: &FileIndex, values: &ArrayRef, whole: bool, rows_known: bool) -> ColumnStatistics {
    if index.len() == 0 {
        return ColumnStatistics::new_unknown();
    }
    let bound =
        |fold: fn(&ArrayRef) -> datafusion::common::Result<ScalarValue>| known(fold(values).ok(), whole && rows_known);
    let nulls = (0..index.len())
        .filter(|file| values.is_null(*file))
        .map(|file| index.live_rows(file))
        .sum::<Option<i64>>();
    let null_count = match nulls {
        Some(nulls) if whole => Precision::Exact(nulls.max(0) as usize),
        Some(nulls) => Precision::Inexact(nulls.max(0) as usize),
        None => Precision::Absent,
    };
    ColumnStatistics {
        null_count,
        min_value: bound(min_batch),
        max_value: bound(max_batch),
        ..ColumnStatistics::new_unknown()
    }
}

fn min_batch(values: &ArrayRef) -> datafusion::common::Result<ScalarValue> {
    let mut smallest = MinAccumulator::try_new(values.data_type())?;
    smallest.update_batch(std::slice::from_ref(values))?;
    smallest.evaluate()
}

fn max_batch(values: &ArrayRef) -> datafusion::common::Result<ScalarValue> {
    let mut greatest = MaxAccumulator::try_new(values.data_type())?;
    greatest.update_batch(std::slice::from_ref(values))?;
    greatest.evaluate()
}

fn known(value: Option<ScalarValue>, exact: bool) -> Precision<ScalarValue> {
    match value {
        Some(value) if !value.is_null() => {
            if exact {
                Precision::Exact(value)
            } else {
                Precision::Inexact(value)
            }
        }
        _ => Precision::Absent,
    }
}

/// Types whose bounds are written without loss: not strings (cut), timestamps (milliseconds), floats (NaN, signed zero).
fn has_exact_order(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Boolean
            | DataType::Decimal128(_, _)
    )
}

fn row_width(schema: &TableSchema) -> usize {
    schema
        .columns
        .iter()
        .map(|column| column.field.data_type().primitive_width().unwrap_or(VARIABLE_WIDTH))
        .sum()
}

/// Scan order (file columns, partition columns) back to the table's column order.
pub(super) fn in_table_order(schema: &TableSchema, statistics: &Statistics) -> Statistics {
    let mut columns = vec![ColumnStatistics::new_unknown(); schema.columns.len()];
    let order = schema.file_columns.iter().chain(&schema.partition_columns);
    for (column, values) in order.zip(&statistics.column_statistics) {
        columns[*column] = values.clone();
    }
    Statistics {
        num_rows: statistics.num_rows,
        total_byte_size: statistics.total_byte_size,
        column_statistics: columns,
    }
}
