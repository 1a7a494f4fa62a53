//! Numeric functions that DataFusion lacks or that it names otherwise.

use super::datum::Datum;
use super::row_function::{Argument, Call, RowFunction};
use crate::error::{Error, Result, SqlState};
use crate::types::{SqlType, UNCONSTRAINED_NUMERIC};

const FLOAT: &[&[Argument]] = &[&[Argument::Float]];
const NUMERIC: &[&[Argument]] = &[&[Argument::Numeric]];

pub(super) fn functions() -> Vec<RowFunction> {
    let immutable = RowFunction::immutable;
    let numeric = || SqlType::Numeric(None);
    vec![
        immutable("sign", FLOAT, SqlType::Float8, |_, row| {
            Ok(float(row, 0)
                .map(|value| if value == 0.0 { 0.0 } else { value.signum() })
                .into())
        }),
        immutable("ceiling", FLOAT, SqlType::Float8, |_, row| {
            Ok(float(row, 0).map(f64::ceil).into())
        }),
        immutable(
            "mod",
            &[&[Argument::Int, Argument::Int]],
            SqlType::Int8,
            |_, row| match integers(row)? {
                (_, 0) => Err(Error::new(SqlState::DivisionByZero, "division by zero")),
                (dividend, divisor) => Ok(dividend.wrapping_rem(divisor).into()),
            },
        ),
        immutable(
            "div",
            &[&[Argument::Numeric, Argument::Numeric]],
            numeric(),
            |_, row| {
                let (dividend, divisor) = (decimal(row, 0), decimal(row, 1));
                let (left, right) = same_scale(dividend, divisor)?;
                match right {
                    0 => Err(Error::new(SqlState::DivisionByZero, "division by zero")),
                    right => Ok(Datum::Decimal(left / right, 0)),
                }
            },
        ),
        immutable("scale", NUMERIC, SqlType::Int4, |_, row| {
            Ok(i64::from(shown(decimal(row, 0)).1).into())
        }),
        immutable("min_scale", NUMERIC, SqlType::Int4, |_, row| {
            Ok(i64::from(trimmed(decimal(row, 0)).1).into())
        }),
        immutable("trim_scale", NUMERIC, numeric(), |_, row| {
            let (value, scale) = trimmed(decimal(row, 0));
            Ok(Datum::Decimal(value, scale))
        }),
        immutable(
            "width_bucket",
            &[&[Argument::Float, Argument::Float, Argument::Float, Argument::Int]],
            SqlType::Int4,
            width_bucket,
        ),
    ]
}

fn float(row: &[Datum], index: usize) -> Option<f64> {
    match row.get(index) {
        Some(Datum::Float(value)) => Some(*value),
        _ => None,
    }
}

fn integers(row: &[Datum]) -> Result<(i64, i64)> {
    match (row.first().and_then(Datum::as_int), row.get(1).and_then(Datum::as_int)) {
        (Some(left), Some(right)) => Ok((left, right)),
        _ => Err(Error::internal("integers were expected")),
    }
}

fn decimal(row: &[Datum], index: usize) -> (i128, i8) {
    match row.get(index) {
        Some(Datum::Decimal(value, scale)) => (*value, *scale),
        Some(Datum::Int(value)) => (i128::from(*value), 0),
        _ => (0, 0),
    }
}

fn same_scale((left, left_scale): (i128, i8), (right, right_scale): (i128, i8)) -> Result<(i128, i128)> {
    let scale = left_scale.max(right_scale);
    let lifted = |value: i128, from: i8| {
        let factor = 10_i128.checked_pow(u32::from((scale - from).unsigned_abs()));
        factor.and_then(|factor| value.checked_mul(factor))
    };
    match (lifted(left, left_scale), lifted(right, right_scale)) {
        (Some(left), Some(right)) => Ok((left, right)),
        _ => Err(Error::new(SqlState::NumericValueOutOfRange, "value out of range")),
    }
}

/// The scale that a value shows: numeric without a modifier is carried with more places than it has.
fn shown((value, scale): (i128, i8)) -> (i128, i8) {
    if scale == UNCONSTRAINED_NUMERIC.1 {
        trimmed((value, scale))
    } else {
        (value, scale)
    }
}

fn trimmed((mut value, mut scale): (i128, i8)) -> (i128, i8) {
    while scale > 0 && value % 10 == 0 {
        (value, scale) = (value / 10, scale - 1);
    }
    (value, scale)
}

/// width_bucket(operand, low, high, count): 0 below, count + 1 from high on; bounds may fall as well as rise.
fn width_bucket(_: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let (Some(operand), Some(low), Some(high)) = (float(row, 0), float(row, 1), float(row, 2)) else {
        return Ok(Datum::Null);
    };
    let count = row.get(3).and_then(Datum::as_int).unwrap_or_default();
    let invalid = |message: &str| Err(Error::new(SqlState::InvalidParameterValue, message.to_string()));
    if count <= 0 {
        return invalid("count must be greater than zero");
    }
    if low == high {
        return invalid("lower bound cannot equal upper bound");
    }
    let position = (operand - low) / (high - low);
    Ok(match position {
        below if below < 0.0 => 0,
        above if above >= 1.0 => count + 1,
        inside => (inside * count as f64).floor() as i64 + 1,
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_and_quotients() {
        assert_eq!(trimmed((12300, 4)), (123, 2));
        assert_eq!(shown((120, 2)), (120, 2));
        assert_eq!(same_scale((7, 0), (25, 1)).unwrap(), (70, 25));
    }
}
