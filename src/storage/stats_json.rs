//! Turns the statistics JSON of many add actions into typed Arrow columns at once. Bounds come out safe:
//! wider than the truth where a foreign writer may have rounded, absent where it may have left values out.

use std::sync::Arc;

use arrow_json::ReaderBuilder;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
    new_null_array,
};
use datafusion::arrow::compute::{cast, nullif};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Field, Fields, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};

use super::schema::{TableColumn, TableSchema};
use crate::error::Result;

/// Bounds and null counts of one column, one slot a file; a null slot is unknown.
#[derive(Debug, Clone)]
pub(super) struct ColumnBounds {
    /// Logical type of the column.
    pub(super) min: ArrayRef,
    pub(super) max: ArrayRef,
    pub(super) null_count: ArrayRef,
}

/// The statistics of a list of files.
#[derive(Debug, Clone)]
pub(super) struct ParsedStats {
    /// Physical rows of the file, deleted ones included.
    pub(super) rows: Int64Array,
    /// False: bounds are wider than the values, because rows were deleted since.
    pub(super) tight: BooleanArray,
    /// One for each of the schema's file columns; `None` for columns whose type has no bounds.
    pub(super) columns: Vec<Option<ColumnBounds>>,
}

/// Parses one JSON text a file; `exact` tells which were computed by Boathouse.
pub(super) fn parse_stats(schema: &TableSchema, stats: &[Option<&str>], exact: &[bool]) -> Result<ParsedStats> {
    let columns: Vec<&TableColumn> = schema
        .file_columns
        .iter()
        .map(|index| &schema.columns[*index])
        .collect();
    let batch = decode(&columns, stats)?;
    let exact = BooleanArray::from(exact.to_vec());
    let bounds = columns
        .iter()
        .map(|column| {
            if !is_counted(column) {
                return Ok(None);
            }
            let member = |name: &str, data_type: &DataType| -> Result<ArrayRef> {
                let found = batch
                    .column_by_name(name)
                    .and_then(|values| values.as_struct_opt()?.column_by_name(&column.physical_name).cloned());
                Ok(found.unwrap_or_else(|| new_null_array(data_type, stats.len())))
            };
            let (min, max) = match bounds_type(column) {
                Some(data_type) => (
                    widen_min(member("minValues", &data_type)?, &exact)?,
                    widen_max(member("maxValues", &data_type)?, &exact)?,
                ),
                None => (
                    new_null_array(column.field.data_type(), stats.len()),
                    new_null_array(column.field.data_type(), stats.len()),
                ),
            };
            let null_count = member("nullCount", &DataType::Int64)?;
            Ok(Some(ColumnBounds {
                min: cast(&min, column.field.data_type())?,
                max: cast(&max, column.field.data_type())?,
                null_count,
            }))
        })
        .collect::<Result<Vec<_>>>()?;
    let rows = match batch.column_by_name("numRecords") {
        Some(rows) => rows.as_primitive::<Int64Type>().clone(),
        None => Int64Array::new_null(stats.len()),
    };
    let tight = match batch.column_by_name("tightBounds") {
        Some(tight) => tight
            .as_boolean()
            .iter()
            .map(|tight| Some(tight.unwrap_or(true)))
            .collect(),
        None => BooleanArray::from(vec![true; stats.len()]),
    };
    Ok(ParsedStats {
        rows,
        tight,
        columns: bounds,
    })
}

/// Columns whose nulls are counted: Delta keeps statistics of the leaves of structs, Boathouse uses those of
/// plain columns.
fn is_counted(column: &TableColumn) -> bool {
    !column.stored_type.is_nested()
}

/// The type in which a column's bounds are read; none for types that have no order worth pruning by, and for intervals,
/// whose texts sort otherwise than they do.
fn bounds_type(column: &TableColumn) -> Option<DataType> {
    match (&column.stored_type, column.field.data_type()) {
        (DataType::Binary, _) | (_, DataType::Interval(_)) => None,
        (DataType::Int8, _) => Some(DataType::Int16),
        (other, _) => Some(other.clone()),
    }
}

fn decode(columns: &[&TableColumn], stats: &[Option<&str>]) -> Result<RecordBatch> {
    let bounds: Fields = columns
        .iter()
        .filter(|column| is_counted(column))
        .filter_map(|column| Some(Field::new(&column.physical_name, bounds_type(column)?, true)))
        .collect();
    let counts: Fields = columns
        .iter()
        .filter(|column| is_counted(column))
        .map(|column| Field::new(&column.physical_name, DataType::Int64, true))
        .collect();
    let schema = Arc::new(Schema::new(vec![
        Field::new("numRecords", DataType::Int64, true),
        Field::new("tightBounds", DataType::Boolean, true),
        Field::new("minValues", DataType::Struct(bounds.clone()), true),
        Field::new("maxValues", DataType::Struct(bounds), true),
        Field::new("nullCount", DataType::Struct(counts), true),
    ]));
    let parse = |texts: &[Option<&str>]| -> Result<RecordBatch> {
        let mut decoder = ReaderBuilder::new(Arc::clone(&schema))
            .with_batch_size(texts.len().max(1))
            .build_decoder()?;
        for text in texts {
            decoder.decode(text.unwrap_or("{}").as_bytes())?;
            decoder.decode(b"\n")?;
        }
        Ok(decoder
            .flush()?
            .unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(&schema))))
    };
    match parse(stats) {
        Ok(batch) if batch.num_rows() == stats.len() => Ok(batch),
        // One file's statistics are malformed: that file has none, the others keep theirs.
        _ => {
            let batches = stats
                .iter()
                .map(|text| match parse(&[*text]) {
                    Ok(batch) if batch.num_rows() == 1 => Ok(batch),
                    _ => parse(&[None]),
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(datafusion::arrow::compute::concat_batches(&schema, &batches)?)
        }
    }
}

/// Foreign decimals may have passed through a double (delta-rs), whose error stays below this part of the value.
fn decimal_slack(value: i128) -> i128 {
    (value.unsigned_abs() >> 51) as i128 + 1
}

fn is_wide_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(precision, _) if *precision > 15)
}

fn widen_min(min: ArrayRef, exact: &BooleanArray) -> Result<ArrayRef> {
    if is_wide_decimal(min.data_type()) {
        return Ok(widen_decimals(&min, exact, |value| {
            value.saturating_sub(decimal_slack(value))
        }));
    }
    Ok(min)
}

fn widen_max(max: ArrayRef, exact: &BooleanArray) -> Result<ArrayRef> {
    match max.data_type().clone() {
        data_type if is_wide_decimal(&data_type) => Ok(widen_decimals(&max, exact, |value| {
            value.saturating_add(decimal_slack(value))
        })),
        // Others cut timestamps to milliseconds, downward.
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let values = max.as_primitive::<TimestampMicrosecondType>();
            let widened: TimestampMicrosecondArray = values
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    value.map(|value| {
                        if exact.value(index) {
                            value
                        } else {
                            value.saturating_add(999)
                        }
                    })
                })
                .collect();
            Ok(Arc::new(widened.with_timezone_opt(zone)))
        }
        // Foreign writers may have skipped NaN, which is greater than every number.
        DataType::Float32 | DataType::Float64 => {
            let foreign: BooleanArray = exact.iter().map(|exact| exact.map(|exact| !exact)).collect();
            Ok(nullif(&max, &foreign)?)
        }
        _ => Ok(max),
    }
}

fn widen_decimals(values: &ArrayRef, exact: &BooleanArray, widen: impl Fn(i128) -> i128) -> ArrayRef {
    let decimals = values.as_primitive::<Decimal128Type>();
    let widened: Decimal128Array = decimals
        .iter()
        .enumerate()
        .map(|(index, value)| value.map(|value| if exact.value(index) { value } else { widen(value) }))
        .collect();
    Arc::new(widened.with_data_type(values.data_type().clone()))
}
