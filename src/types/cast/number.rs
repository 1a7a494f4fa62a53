//! Numbers to numbers: floats round to even, numerics half away from zero, and nothing wraps.

use datafusion::arrow::array::{Array, ArrayRef, Decimal128Builder, PrimitiveArray, PrimitiveBuilder};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, UInt32Type,
};
use std::sync::Arc;

use crate::error::{Error, Result, SqlState};
use crate::types::numeric::{Number, overflow};
use crate::types::parse::{Decimal, fit_decimal, parse_decimal};
use crate::types::values::{Column, ColumnValues};
use crate::types::{SqlType, UNCONSTRAINED_NUMERIC};

/// Converts a numeric, oid or boolean column to a numeric, oid or boolean type; `None` when either is
/// something else.
pub(super) fn convert_number(column: &Column, rows: usize, target: &SqlType) -> Result<Option<ArrayRef>> {
    if !is_number(&column.values) {
        return Ok(None);
    }
    Ok(Some(match target {
        SqlType::Int2 => integers::<Int16Type>(column, rows, "smallint out of range")?,
        SqlType::Int4 => integers::<Int32Type>(column, rows, "integer out of range")?,
        SqlType::Int8 => integers::<Int64Type>(column, rows, "bigint out of range")?,
        SqlType::Oid | SqlType::Regclass | SqlType::Regtype | SqlType::Regproc => {
            integers::<UInt32Type>(column, rows, "OID out of range")?
        }
        SqlType::Float4 => map::<Float32Type>(column, rows, |row| {
            let value = float(&column.values, row);
            let narrow = value as f32;
            match (narrow.is_infinite() && value.is_finite(), narrow == 0.0 && value != 0.0) {
                (true, _) => Err(out_of_range("value out of range: overflow")),
                (_, true) => Err(out_of_range("value out of range: underflow")),
                _ => Ok(narrow),
            }
        })?,
        SqlType::Float8 => map::<Float64Type>(column, rows, |row| Ok(float(&column.values, row)))?,
        SqlType::Numeric(modifier) => {
            let (precision, scale) = modifier.unwrap_or(UNCONSTRAINED_NUMERIC);
            let mut builder = Decimal128Builder::with_capacity(rows).with_data_type(target.to_arrow());
            for row in 0..rows {
                match column.is_null(row) {
                    true => builder.append_null(),
                    false => builder.append_value(fit_decimal(decimal(&column.values, row)?, precision, scale)?),
                }
            }
            Arc::new(builder.finish())
        }
        SqlType::Bool => {
            let truth = |row| (!column.is_null(row)).then(|| float(&column.values, row) != 0.0);
            Arc::new((0..rows).map(truth).collect::<datafusion::arrow::array::BooleanArray>())
        }
        _ => return Ok(None),
    }))
}

fn is_number(values: &ColumnValues) -> bool {
    matches!(
        values,
        ColumnValues::Bool(_)
            | ColumnValues::Int2(_)
            | ColumnValues::Int4(_)
            | ColumnValues::Int8(_)
            | ColumnValues::Oid(_)
            | ColumnValues::Float4(_)
            | ColumnValues::Float8(_)
            | ColumnValues::Numeric { .. }
            | ColumnValues::WideNumeric { .. }
    )
}

fn out_of_range(message: &str) -> Error {
    Error::new(SqlState::NumericValueOutOfRange, message)
}

fn map<T: ArrowPrimitiveType>(
    column: &Column,
    rows: usize,
    convert: impl Fn(usize) -> Result<T::Native>,
) -> Result<ArrayRef> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(rows);
    for row in 0..rows {
        match column.is_null(row) {
            true => builder.append_null(),
            false => builder.append_value(convert(row)?),
        }
    }
    let array: PrimitiveArray<T> = builder.finish();
    Ok(Arc::new(array) as Arc<dyn Array>)
}

fn integers<T: ArrowPrimitiveType>(column: &Column, rows: usize, message: &str) -> Result<ArrayRef>
where
    T::Native: TryFrom<i64>,
{
    map::<T>(column, rows, |row| {
        let value = integer(&column.values, row).ok_or_else(|| out_of_range(message))?;
        T::Native::try_from(value).map_err(|_| out_of_range(message))
    })
}

/// The value as a whole number; `None` past 64 bits.
fn integer(values: &ColumnValues, row: usize) -> Option<i64> {
    match values {
        ColumnValues::Bool(array) => Some(i64::from(array.value(row))),
        ColumnValues::Int2(array) => Some(i64::from(array.value(row))),
        ColumnValues::Int4(array) => Some(i64::from(array.value(row))),
        ColumnValues::Int8(array) => Some(array.value(row)),
        ColumnValues::Oid(array) => Some(i64::from(array.value(row))),
        ColumnValues::Numeric { array, scale, .. } => {
            let decimal = Decimal {
                value: array.value(row),
                scale: *scale,
            };
            fit_decimal(decimal, 38, 0)
                .ok()
                .and_then(|value| i64::try_from(value).ok())
        }
        values => {
            let rounded = float(values, row).round_ties_even();
            // 2^63 itself is a float and no bigint.
            (rounded >= i64::MIN as f64 && rounded < i64::MAX as f64).then_some(rounded as i64)
        }
    }
}

fn float(values: &ColumnValues, row: usize) -> f64 {
    match values {
        ColumnValues::Float4(array) => f64::from(array.value(row)),
        ColumnValues::Float8(array) => array.value(row),
        // Through the digits, so that the nearest float is chosen.
        ColumnValues::Numeric { array, scale, .. } => {
            let decimal = Decimal {
                value: array.value(row),
                scale: *scale,
            };
            decimal.to_string().parse().unwrap_or(f64::NAN)
        }
        ColumnValues::WideNumeric { array, .. } => array.value_as_string(row).parse().unwrap_or(f64::NAN),
        values => integer(values, row).unwrap_or(0) as f64,
    }
}

/// The value as an exact decimal; of a float, the 15 (of a real, 6) digits that it is sure of.
fn decimal(values: &ColumnValues, row: usize) -> Result<Decimal> {
    let mut digits = bytes::BytesMut::new();
    match values {
        ColumnValues::Numeric { array, scale, .. } => {
            return Ok(Decimal {
                value: array.value(row),
                scale: *scale,
            });
        }
        ColumnValues::WideNumeric { array, scale, .. } => {
            let number = Number {
                value: array.value(row),
                scale: i32::from(*scale),
            };
            let number = number.trimmed();
            return Ok(Decimal {
                value: number.to_i128().ok_or_else(overflow)?,
                scale: number.scale as i8,
            });
        }
        ColumnValues::Float4(array) => crate::types::text::write_float4(array.value(row), 0, &mut digits),
        ColumnValues::Float8(array) => crate::types::text::write_float8(array.value(row), 0, &mut digits),
        values => {
            return Ok(Decimal {
                value: i128::from(integer(values, row).unwrap_or(0)),
                scale: 0,
            });
        }
    }
    parse_decimal(std::str::from_utf8(&digits).unwrap_or_default())
}
