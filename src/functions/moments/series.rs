//! generate_series(): the rows of a series as one array, which UNNEST makes rows of again.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ListArray, PrimitiveBuilder};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{ArrowPrimitiveType, DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{Arguments, OverloadedFunction, Room, invalid, kernel, rows};
use super::shifts::shift;
use crate::error::{Error, Result, SqlState};
use crate::types::TimeZone;
use crate::types::numeric::Number;

/// Rows of one series: more would not fit one array.
const LONGEST: usize = i32::MAX as usize;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![OverloadedFunction::immutable(
        "generate_series",
        vec![
            kernel("(int4, int4) int4[]", integers::<Int32Type>),
            kernel("(int4, int4, int4) int4[]", integers::<Int32Type>),
            kernel("(int8, int8) int8[]", integers::<Int64Type>),
            kernel("(int8, int8, int8) int8[]", integers::<Int64Type>),
            rows("(numeric, numeric) numeric[]", numerics),
            rows("(numeric, numeric, numeric) numeric[]", numerics),
            kernel("(timestamp, timestamp, interval) timestamp[]", |args| {
                moments(args, &TimeZone::UTC)
            }),
            kernel("(timestamptz, timestamptz, interval) timestamptz[]", |args| {
                moments(args, &args.zone())
            }),
            kernel(
                "(timestamptz, timestamptz, interval, text) timestamptz[]",
                moments_in_zone,
            ),
        ],
    )]
}

fn zero_step() -> Error {
    invalid("step size cannot equal zero")
}

/// Lists of primitive values, one a row; `fill` appends a row's values, or answers false for NULL.
fn lists<T: ArrowPrimitiveType>(
    args: &Arguments<'_>,
    mut fill: impl FnMut(usize, &mut PrimitiveBuilder<T>, &mut Room) -> Result<bool>,
) -> Result<ArrayRef> {
    let DataType::List(item) = args.return_type() else {
        return Err(Error::internal("a series is an array"));
    };
    let mut values = PrimitiveBuilder::<T>::new().with_data_type(item.data_type().clone());
    let (mut lengths, mut valid) = (vec![], vec![]);
    let mut room = args.room();
    for row in 0..args.rows() {
        let before = values.values_slice().len();
        valid.push(fill(row, &mut values, &mut room)?);
        lengths.push(values.values_slice().len() - before);
    }
    let list = ListArray::try_new(
        Arc::clone(item),
        OffsetBuffer::from_lengths(lengths),
        Arc::new(values.finish()),
        Some(NullBuffer::from(valid)),
    )?;
    let list: Arc<dyn Array> = Arc::new(list);
    Ok(list)
}

fn append<T: ArrowPrimitiveType>(values: &mut PrimitiveBuilder<T>, value: T::Native, room: &mut Room) -> Result<()> {
    // The builder doubles what it holds.
    let length = values.values_slice().len();
    if length == values.capacity() {
        room.fit(length.saturating_mul(3 * size_of::<T::Native>()))?;
    }
    if length >= LONGEST {
        return Err(too_long());
    }
    values.append_value(value);
    Ok(())
}

fn integers<T>(args: &Arguments<'_>) -> Result<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64> + TryFrom<i64>,
{
    let (starts, stops) = (args.numbers::<T>(0)?, args.numbers::<T>(1)?);
    let steps = if args.len() > 2 {
        Some(args.numbers::<T>(2)?)
    } else {
        None
    };
    lists::<T>(args, |row, values, room| {
        let step = steps.as_ref().map_or(Some(1), |steps| steps.get(row).map(Into::into));
        let (Some(start), Some(stop), Some(step)) = (starts.get(row), stops.get(row), step) else {
            return Ok(false);
        };
        if step == 0 {
            return Err(zero_step());
        }
        let (mut next, stop): (i64, i64) = (start.into(), stop.into());
        let length = (i128::from(stop) - i128::from(next)) / i128::from(step);
        if length > LONGEST as i128 {
            return Err(too_long());
        }
        while (step > 0 && next <= stop) || (step < 0 && next >= stop) {
            let Ok(value) = T::Native::try_from(next) else { break };
            append(values, value, room)?;
            let Some(following) = next.checked_add(step) else { break };
            next = following;
        }
        Ok(true)
    })
}

fn too_long() -> Error {
    Error::new(SqlState::ProgramLimitExceeded, "a series of this length is too long")
}

fn numerics(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let number = |index: usize| match row.get(index) {
        Some(Datum::Decimal(value, scale)) => Some(Number::new(*value, i32::from(*scale))),
        _ => None,
    };
    let (Some(start), Some(stop)) = (number(0), number(1)) else {
        return Ok(Datum::Null);
    };
    let step = number(2).unwrap_or(Number::new(1, 0));
    let zero = Number::new(0, 0);
    let direction = step.compare(zero);
    if direction.is_eq() {
        return Err(zero_step());
    }
    let (mut values, mut next, mut room) = (vec![], start, args.room());
    while next.compare(stop) != direction {
        let value = next.to_i128().ok_or_else(crate::types::numeric::overflow)?;
        if values.len() == values.capacity() {
            room.fit(values.len().saturating_mul(3 * size_of::<Datum>()))?;
        }
        values.push(Datum::Decimal(value, next.scale as i8));
        next = next.plus(step)?;
    }
    Ok(Datum::List(values))
}

/// A series on the calendar of a zone; one for all rows, as all that generate_series() is called with.
fn moments_in_zone(args: &Arguments<'_>) -> Result<ArrayRef> {
    let names = args.texts(3)?;
    let mut known = (0..args.rows()).map(|row| names.get(row));
    let first = known.next().flatten();
    if known.any(|name| name != first) {
        return Err(Error::unsupported("generate_series() in several time zones"));
    }
    match first {
        Some(name) => moments(args, &super::zones::zone_named(name)?),
        None => lists::<TimestampMicrosecondType>(args, |_, _, _| Ok(false)),
    }
}

fn moments(args: &Arguments<'_>, zone: &TimeZone) -> Result<ArrayRef> {
    let starts = args.numbers::<TimestampMicrosecondType>(0)?;
    let stops = args.numbers::<TimestampMicrosecondType>(1)?;
    let steps = args.intervals(2)?;
    lists::<TimestampMicrosecondType>(args, |row, values, room| {
        let (Some(start), Some(stop), Some(step)) = (starts.get(row), stops.get(row), steps.get(row)) else {
            return Ok(false);
        };
        // Months of 30 days of 24 hours, as intervals compare.
        let length =
            (i128::from(step.months) * 30 + i128::from(step.days)) * 86_400_000_000_000 + i128::from(step.nanoseconds);
        if length == 0 {
            return Err(zero_step());
        }
        let mut next = start;
        while (length > 0 && next <= stop) || (length < 0 && next >= stop) {
            append(values, next, room)?;
            next = shift(next, step, zone)?;
        }
        Ok(true)
    })
}
