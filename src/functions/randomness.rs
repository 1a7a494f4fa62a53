//! random(), its ranges and its normal distribution, setseed(); array_shuffle() and array_sample(). Every row has numbers of its own.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use datafusion::logical_expr::{ScalarUDF, Volatility};
use rand::seq::SliceRandom;

use super::datum::Datum;
use super::overload::{Arguments, OverloadedFunction, RowBody, invalid, kernel, rows};
use super::row_function::{Argument, RowFunction};
use crate::context::random::RandomNumbers;
use crate::error::Result;
use crate::types::SqlType;
use crate::types::numeric::{Number, power_of_ten};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let function = |name, overloads| OverloadedFunction::with_volatility(name, Volatility::Volatile, overloads);
    let of_array = |signature: &str, body: RowBody| rows(signature, body);
    vec![
        function(
            "random",
            vec![
                kernel("() float8", |args| {
                    args.random(|numbers| args.build::<Float64Type>(|_| Ok(Some(numbers.next_fraction()))))
                }),
                kernel("(int4, int4) int4", between_integers),
                kernel("(int8, int8) int8", between_longs),
                rows("(numeric, numeric) numeric", between_numerics),
            ],
        ),
        function(
            "random_normal",
            vec![
                kernel("() float8", |args| {
                    args.random(|numbers| args.build::<Float64Type>(|_| Ok(Some(numbers.next_normal()))))
                }),
                kernel("(float8) float8", |args| {
                    let means = args.float8(0)?;
                    args.random(|numbers| {
                        args.build::<Float64Type>(|row| Ok(means.get(row).map(|mean| mean + numbers.next_normal())))
                    })
                }),
                kernel("(float8, float8) float8", |args| {
                    let (means, deviations) = (args.float8(0)?, args.float8(1)?);
                    args.random(|numbers| {
                        args.build::<Float64Type>(|row| {
                            let parameters = means.get(row).zip(deviations.get(row));
                            Ok(parameters.map(|(mean, deviation)| mean + deviation * numbers.next_normal()))
                        })
                    })
                }),
            ],
        ),
        function(
            "array_shuffle",
            vec![of_array("(anyarray) $1", |_, row| {
                let Some(Datum::List(list)) = row.first() else {
                    return Ok(Datum::Null);
                };
                let mut list = list.clone();
                list.shuffle(&mut rand::rng());
                Ok(Datum::List(list))
            })],
        ),
        function(
            "array_sample",
            vec![of_array("(anyarray, int4) $1", |_, row| {
                let (Some(Datum::List(list)), Some(Datum::Int(count))) = (row.first(), row.get(1)) else {
                    return Ok(Datum::Null);
                };
                let wanted = usize::try_from(*count).ok().filter(|count| *count <= list.len());
                let Some(wanted) = wanted else {
                    return Err(invalid(format!("sample size must be between 0 and {}", list.len())));
                };
                let mut list = list.clone();
                let (sample, _) = list.partial_shuffle(&mut rand::rng(), wanted);
                Ok(Datum::List(sample.to_vec()))
            })],
        ),
    ]
}

/// setseed().
pub(super) fn seeding() -> RowFunction {
    let function = RowFunction::immutable("setseed", &[&[Argument::Float]], SqlType::Void, |call, row| {
        if let Some(Datum::Float(seed)) = row.first() {
            if !(-1.0..=1.0).contains(seed) {
                return Err(invalid(format!(
                    "setseed parameter {seed} is out of allowed range [-1,1]"
                )));
            }
            *call.environment()?.context().session.random.lock() = RandomNumbers::seeded(*seed);
        }
        Ok(Datum::Null)
    });
    function.with_volatility(Volatility::Volatile)
}

fn empty_range() -> crate::error::Error {
    invalid("lower bound must be less than or equal to upper bound")
}

fn between_integers(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (lowest, highest) = (args.int4(0)?, args.int4(1)?);
    args.random(|numbers| {
        args.build::<Int32Type>(|row| match lowest.get(row).zip(highest.get(row)) {
            Some((low, high)) if low > high => Err(empty_range()),
            bounds => {
                Ok(bounds.map(|(low, high)| low.wrapping_add(numbers.next_up_to(low.abs_diff(high).into()) as i32)))
            }
        })
    })
}

fn between_longs(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (lowest, highest) = (args.int8(0)?, args.int8(1)?);
    args.random(|numbers| {
        args.build::<Int64Type>(|row| match lowest.get(row).zip(highest.get(row)) {
            Some((low, high)) if low > high => Err(empty_range()),
            bounds => Ok(bounds.map(|(low, high)| low.wrapping_add(numbers.next_up_to(low.abs_diff(high)) as i64))),
        })
    })
}

/// With as many digits behind the point as the bound that has more.
fn between_numerics(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let number = |index: usize| match row.get(index) {
        Some(Datum::Decimal(value, scale)) => Some(Number::new(*value, i32::from(*scale))),
        _ => None,
    };
    let (Some(low), Some(high)) = (number(0), number(1)) else {
        return Ok(Datum::Null);
    };
    if low.compare(high).is_gt() {
        return Err(empty_range());
    }
    let scale = low.scale.max(high.scale);
    let unscaled = |number: Number| {
        let power = power_of_ten(scale - number.scale)?;
        number.value.checked_mul(power)?.to_i128()
    };
    let bounds = unscaled(low).zip(unscaled(high));
    let (low, high) = bounds.ok_or_else(crate::types::numeric::overflow)?;
    let distance = args.random(|numbers| numbers.next_up_to_wide(low.abs_diff(high)));
    Ok(Datum::Decimal(low.wrapping_add(distance as i128), scale as i8))
}
