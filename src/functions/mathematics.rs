//! PostgreSQL's mathematical functions: rounding, roots and powers, divisors, trigonometry in degrees. Numerics
//! stay exact, with PostgreSQL's digits; floats refuse what they cannot hold.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int16Type, Int32Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::datum::Datum;
use super::overload::{Arguments, Overload, OverloadedFunction, kernel, rows};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::numeric::{COMPUTED_NUMERIC, MAX_SCALE, Number};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    let [hardware, wide_hardware] = super::network_addresses::truncated();
    let mut functions = vec![
        immutable(
            "average",
            vec![
                kernel("(int8, int8) numeric", quotient_of_integers).returning(computed),
                kernel("(numeric, int8) numeric", quotient_by_count).returning(computed),
                kernel("(float8, int8) float8", |args| {
                    let (sums, counts) = (args.float8(0)?, args.int8(1)?);
                    args.build::<Float64Type>(|row| {
                        Ok(sums
                            .get(row)
                            .zip(counts.get(row))
                            .map(|(sum, count)| sum / count as f64))
                    })
                }),
                kernel("(interval, int8) interval", super::intervals::average),
            ],
        ),
        immutable(
            "numeric_div",
            vec![kernel("(numeric, numeric) numeric", divide).returning(computed)],
        ),
        immutable(
            "numeric_mul",
            vec![kernel("(numeric, numeric) numeric", |args| binary(args, Number::multiply)).returning(computed)],
        ),
        immutable(
            "numeric_mod",
            vec![kernel("(numeric, numeric) numeric", |args| binary(args, Number::remainder)).returning(computed)],
        ),
        immutable(
            "mod",
            vec![
                kernel("(int2, int2) int2", remainder::<Int16Type>),
                kernel("(int4, int4) int4", remainder::<Int32Type>),
                kernel("(int8, int8) int8", remainder::<Int64Type>),
                kernel("(numeric, numeric) numeric", |args| binary(args, Number::remainder)).returning(larger_scale),
            ],
        ),
        immutable(
            "div",
            vec![
                kernel("(numeric, numeric) numeric", |args| {
                    binary(args, Number::whole_quotient)
                })
                .returning(whole),
            ],
        ),
        immutable(
            "round",
            vec![
                kernel("(numeric) numeric", |args| unary(args, |number| number.rounded(0))).returning(whole),
                kernel("(float8) float8", |args| {
                    float(args, |value| Ok(value.round_ties_even()))
                }),
                kernel("(numeric, int4) numeric", |args| rescaled(args, Number::rounded)).returning(to_places),
            ],
        ),
        immutable(
            "trunc",
            vec![
                kernel("(numeric) numeric", |args| unary(args, |number| number.truncated(0))).returning(whole),
                kernel("(float8) float8", |args| float(args, |value| Ok(value.trunc()))),
                hardware,
                wide_hardware,
                kernel("(numeric, int4) numeric", |args| rescaled(args, Number::truncated)).returning(to_places),
            ],
        ),
        immutable(
            "sign",
            vec![
                kernel("(numeric) numeric", |args| {
                    unary(args, |number| Ok(Number::new(sign_of(number), 0)))
                })
                .returning(whole),
                kernel("(float8) float8", |args| {
                    float(args, |value| {
                        // NaN is neither above zero nor below.
                        Ok(match value == 0.0 || value.is_nan() {
                            true => 0.0,
                            false => value.signum(),
                        })
                    })
                }),
            ],
        ),
        immutable(
            "abs",
            vec![
                kernel("(int2) int2", |args| {
                    checked::<Int16Type>(args, |value| value.checked_abs(), "smallint")
                }),
                kernel("(int4) int4", |args| {
                    checked::<Int32Type>(args, |value| value.checked_abs(), "integer")
                }),
                kernel("(int8) int8", |args| {
                    checked::<Int64Type>(args, |value| value.checked_abs(), "bigint")
                }),
                kernel("(numeric) $1", |args| {
                    unary(args, |number| {
                        Ok(Number {
                            value: number.value.wrapping_abs(),
                            ..number
                        })
                    })
                }),
                kernel("(float4) float4", |args| {
                    let values = args.numbers::<datafusion::arrow::datatypes::Float32Type>(0)?;
                    args.build::<datafusion::arrow::datatypes::Float32Type>(|row| Ok(values.get(row).map(f32::abs)))
                }),
                kernel("(float8) float8", |args| float(args, |value| Ok(value.abs()))),
            ],
        ),
        immutable(
            "sqrt",
            vec![
                kernel("(numeric) numeric", |args| unary(args, Number::square_root)).returning(computed),
                kernel("(float8) float8", |args| {
                    float(args, |value| match value < 0.0 {
                        true => Err(Error::new(
                            SqlState::InvalidArgumentForPowerFunction,
                            "cannot take square root of a negative number",
                        )),
                        false => Ok(value.sqrt()),
                    })
                }),
            ],
        ),
        immutable("cbrt", vec![kernel("(float8) float8", |args| float(args, cube_root))]),
        immutable(
            "exp",
            vec![
                kernel("(numeric) numeric", |args| unary(args, Number::exponential)).returning(computed),
                kernel("(float8) float8", |args| {
                    float(args, |value| within(value.exp(), value.is_finite(), true))
                }),
            ],
        ),
        immutable(
            "ln",
            vec![
                kernel("(numeric) numeric", |args| unary(args, Number::natural_logarithm)).returning(computed),
                kernel("(float8) float8", |args| float(args, |value| Ok(positive(value)?.ln()))),
            ],
        ),
        immutable("log", common_logarithms()),
        immutable("log10", common_logarithms().into_iter().take(2).collect()),
        power("power"),
        power("pow"),
        immutable(
            "negative",
            vec![
                kernel("(int2) int2", |args| {
                    checked::<Int16Type>(args, |value| value.checked_neg(), "smallint")
                }),
                kernel("(int4) int4", |args| {
                    checked::<Int32Type>(args, |value| value.checked_neg(), "integer")
                }),
                kernel("(int8) int8", |args| {
                    checked::<Int64Type>(args, |value| value.checked_neg(), "bigint")
                }),
            ],
        ),
        immutable(
            "gcd",
            vec![
                kernel("(int4, int4) int4", |args| {
                    divisors::<Int32Type>(args, greatest_divisor, "integer")
                }),
                kernel("(int8, int8) int8", |args| {
                    divisors::<Int64Type>(args, greatest_divisor, "bigint")
                }),
            ],
        ),
        immutable(
            "lcm",
            vec![
                kernel("(int4, int4) int4", |args| {
                    divisors::<Int32Type>(args, least_multiple, "integer")
                }),
                kernel("(int8, int8) int8", |args| {
                    divisors::<Int64Type>(args, least_multiple, "bigint")
                }),
            ],
        ),
        immutable("factorial", vec![kernel("(int8) numeric", factorial).returning(whole)]),
        immutable(
            "scale",
            vec![kernel("(numeric) int4", |args| scale_of(args, |number| number.scale))],
        ),
        immutable(
            "min_scale",
            vec![kernel("(numeric) int4", |args| {
                scale_of(args, |number| number.trimmed().scale)
            })],
        ),
        immutable(
            "trim_scale",
            vec![kernel("(numeric) numeric", |args| unary(args, |number| Ok(number.trimmed()))).returning(trimmed)],
        ),
        immutable(
            "width_bucket",
            vec![
                kernel("(float8, float8, float8, int4) int4", |args| {
                    let (operand, low, high) = (args.float8(0)?, args.float8(1)?, args.float8(2)?);
                    buckets(args, |row| Some((operand.get(row)?, low.get(row)?, high.get(row)?)))
                }),
                kernel("(numeric, numeric, numeric, int4) int4", |args| {
                    let (operand, low, high) = (args.decimals(0)?, args.decimals(1)?, args.decimals(2)?);
                    buckets(args, |row| {
                        Some((
                            operand.get(row)?.to_f64(),
                            low.get(row)?.to_f64(),
                            high.get(row)?.to_f64(),
                        ))
                    })
                }),
                rows("(element, array) int4", |_, row| {
                    if let Some(Datum::List(thresholds)) = row.get(1)
                        && thresholds.iter().any(Datum::is_null)
                    {
                        let message = "thresholds array must not contain NULLs";
                        return Err(Error::new(SqlState::NullValueNotAllowed, message));
                    }
                    Ok(super::array_functions::bucket(row))
                }),
            ],
        ),
    ];
    for name in ["ceil", "ceiling"] {
        functions.push(immutable(
            name,
            vec![
                kernel("(numeric) numeric", |args| {
                    unary(args, |number| towards(number, Ordering::Greater))
                })
                .returning(whole),
                kernel("(float8) float8", |args| float(args, |value| Ok(value.ceil()))),
            ],
        ));
    }
    functions.push(immutable(
        "floor",
        vec![
            kernel("(numeric) numeric", |args| {
                unary(args, |number| towards(number, Ordering::Less))
            })
            .returning(whole),
            kernel("(float8) float8", |args| float(args, |value| Ok(value.floor()))),
        ],
    ));
    functions
}

pub(super) fn out_of_range(message: &str) -> Error {
    Error::new(SqlState::NumericValueOutOfRange, message)
}

/// A result whose digits follow from its value.
fn computed(_: &[SqlType], _: &[Option<ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Decimal256(COMPUTED_NUMERIC.0, COMPUTED_NUMERIC.1))
}

/// Without zeros at its end, as a numeric without a modifier is shown; more places than that has need a wider one.
fn trimmed(types: &[SqlType], literals: &[Option<ScalarValue>]) -> Result<DataType> {
    let open = SqlType::Numeric(None).to_arrow();
    match (types.first(), &open) {
        (Some(SqlType::Numeric(Some((_, scale)))), DataType::Decimal128(_, places)) if scale > places => {
            computed(types, literals)
        }
        _ => Ok(open),
    }
}

/// A whole number; one digit less than a numeric without a modifier has, so that it is not taken for one.
fn whole(_: &[SqlType], _: &[Option<ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Decimal128(37, 0))
}

/// As many places as a literal says.
fn to_places(types: &[SqlType], literals: &[Option<ScalarValue>]) -> Result<DataType> {
    let places = match literals.get(1) {
        Some(Some(ScalarValue::Int32(Some(places)))) => Some(i64::from(*places)),
        Some(Some(ScalarValue::Int64(Some(places)))) => Some(*places),
        Some(Some(ScalarValue::Int16(Some(places)))) => Some(i64::from(*places)),
        _ => None,
    };
    match places {
        Some(places) => Ok(DataType::Decimal128(37, places.clamp(0, 37) as i8)),
        None => computed(types, literals),
    }
}

fn larger_scale(types: &[SqlType], literals: &[Option<ScalarValue>]) -> Result<DataType> {
    let scale = |sql_type: &SqlType| match sql_type {
        SqlType::Numeric(Some((_, scale))) => Some(*scale),
        _ => None,
    };
    match (types.first().and_then(scale), types.get(1).and_then(scale)) {
        (Some(left), Some(right)) => Ok(DataType::Decimal128(37, left.max(right))),
        (Some(only), None) | (None, Some(only)) => Ok(DataType::Decimal128(37, only)),
        (None, None) => computed(types, literals),
    }
}

fn unary(args: &Arguments<'_>, body: impl Fn(Number) -> Result<Number>) -> Result<ArrayRef> {
    let numbers = args.decimals(0)?;
    args.build_decimals(|row| numbers.get(row).map(&body).transpose())
}

fn binary(args: &Arguments<'_>, body: impl Fn(Number, Number) -> Result<Number>) -> Result<ArrayRef> {
    let (left, right) = (args.decimals(0)?, args.decimals(1)?);
    args.build_decimals(|row| match (left.get(row), right.get(row)) {
        (Some(left), Some(right)) => body(left, right).map(Some),
        _ => Ok(None),
    })
}

fn divide(args: &Arguments<'_>) -> Result<ArrayRef> {
    binary(args, Number::divide)
}

fn quotient_of_integers(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (sums, counts) = (args.int8(0)?, args.int8(1)?);
    args.build_decimals(|row| match (sums.get(row), counts.get(row)) {
        (Some(sum), Some(count)) => Number::new(sum.into(), 0)
            .divide(Number::new(count.into(), 0))
            .map(Some),
        _ => Ok(None),
    })
}

fn quotient_by_count(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (sums, counts) = (args.decimals(0)?, args.int8(1)?);
    args.build_decimals(|row| match (sums.get(row), counts.get(row)) {
        (Some(sum), Some(count)) => sum.divide(Number::new(count.into(), 0)).map(Some),
        _ => Ok(None),
    })
}

fn rescaled(args: &Arguments<'_>, body: fn(Number, i32) -> Result<Number>) -> Result<ArrayRef> {
    let (numbers, places) = (args.decimals(0)?, args.int4(1)?);
    args.build_decimals(|row| match (numbers.get(row), places.get(row)) {
        (Some(number), Some(places)) => {
            let rescaled = body(number, places.clamp(-MAX_SCALE, MAX_SCALE))?;
            Ok(Some(if places < 0 { rescaled.rounded(0)? } else { rescaled }))
        }
        _ => Ok(None),
    })
}

fn scale_of(args: &Arguments<'_>, scale: fn(Number) -> i32) -> Result<ArrayRef> {
    let numbers = args.decimals(0)?;
    args.build::<Int32Type>(|row| Ok(numbers.get(row).map(scale)))
}

fn sign_of(number: Number) -> i128 {
    match number.compare(Number::new(0, 0)) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// The whole number next to this one, upwards or downwards.
fn towards(number: Number, direction: Ordering) -> Result<Number> {
    let cut = number.truncated(0)?;
    let step = match (number.compare(cut), direction) {
        (Ordering::Greater, Ordering::Greater) => 1,
        (Ordering::Less, Ordering::Less) => -1,
        _ => 0,
    };
    cut.plus(Number::new(step, 0))
}

pub(super) fn float(args: &Arguments<'_>, body: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let values = args.float8(0)?;
    args.build::<Float64Type>(|row| values.get(row).map(&body).transpose())
}

/// 22003 where a finite argument has no finite answer, or no answer but zero.
fn within(value: f64, was_finite: bool, check_underflow: bool) -> Result<f64> {
    if was_finite && value.is_infinite() {
        return Err(out_of_range("value out of range: overflow"));
    }
    if was_finite && check_underflow && value == 0.0 {
        return Err(out_of_range("value out of range: underflow"));
    }
    Ok(value)
}

fn positive(value: f64) -> Result<f64> {
    let message = match value {
        0.0 => "cannot take logarithm of zero",
        below if below < 0.0 => "cannot take logarithm of a negative number",
        value => return Ok(value),
    };
    Err(Error::new(SqlState::InvalidArgumentForLogarithm, message))
}

/// glibc's cbrt(), which is off by one unit in the last place for some cubes.
fn cube_root(value: f64) -> Result<f64> {
    Ok(value.cbrt())
}

fn common_logarithms() -> Vec<Overload> {
    vec![
        kernel("(numeric) numeric", |args| unary(args, Number::common_logarithm)).returning(computed),
        kernel("(float8) float8", |args| {
            float(args, |value| Ok(positive(value)?.log10()))
        }),
        kernel("(numeric, numeric) numeric", |args| binary(args, Number::logarithm_of)).returning(computed),
    ]
}

fn power(name: &'static str) -> Arc<ScalarUDF> {
    OverloadedFunction::immutable(
        name,
        vec![
            kernel("(numeric, numeric) numeric", |args| binary(args, Number::power)).returning(computed),
            kernel("(float8, float8) float8", |args| {
                let (bases, exponents) = (args.float8(0)?, args.float8(1)?);
                args.build::<Float64Type>(|row| match (bases.get(row), exponents.get(row)) {
                    (Some(base), Some(exponent)) => float_power(base, exponent).map(Some),
                    _ => Ok(None),
                })
            }),
        ],
    )
}

fn float_power(base: f64, exponent: f64) -> Result<f64> {
    let refused = |message: &str| Error::new(SqlState::InvalidArgumentForPowerFunction, message);
    if base == 0.0 && exponent < 0.0 {
        return Err(refused("zero raised to a negative power is undefined"));
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(refused(
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    let is_finite = base.is_finite() && exponent.is_finite();
    within(base.powf(exponent), is_finite, base != 0.0)
}

fn remainder<T>(args: &Arguments<'_>) -> Result<ArrayRef>
where
    T: datafusion::arrow::datatypes::ArrowPrimitiveType,
    T::Native: Into<i64> + TryFrom<i64>,
{
    integers::<T>(args, |dividend, divisor| match divisor {
        0 => Err(Error::new(SqlState::DivisionByZero, "division by zero")),
        divisor => Ok(Some(dividend.wrapping_rem(divisor))),
    })
}

fn integers<T>(args: &Arguments<'_>, body: impl Fn(i64, i64) -> Result<Option<i64>>) -> Result<ArrayRef>
where
    T: datafusion::arrow::datatypes::ArrowPrimitiveType,
    T::Native: Into<i64> + TryFrom<i64>,
{
    let (left, right) = (args.numbers::<T>(0)?, args.numbers::<T>(1)?);
    args.build::<T>(|row| match (left.get(row), right.get(row)) {
        (Some(left), Some(right)) => {
            Ok(body(left.into(), right.into())?.and_then(|value| T::Native::try_from(value).ok()))
        }
        _ => Ok(None),
    })
}

pub(super) fn checked<T>(args: &Arguments<'_>, body: fn(T::Native) -> Option<T::Native>, name: &str) -> Result<ArrayRef>
where
    T: datafusion::arrow::datatypes::ArrowPrimitiveType,
{
    let values = args.numbers::<T>(0)?;
    args.build::<T>(|row| match values.get(row) {
        Some(value) => body(value)
            .map(Some)
            .ok_or_else(|| out_of_range(&format!("{name} out of range"))),
        None => Ok(None),
    })
}

fn divisors<T>(args: &Arguments<'_>, body: fn(i128, i128) -> i128, name: &str) -> Result<ArrayRef>
where
    T: datafusion::arrow::datatypes::ArrowPrimitiveType,
    T::Native: Into<i64> + TryFrom<i64>,
{
    let (left, right) = (args.numbers::<T>(0)?, args.numbers::<T>(1)?);
    args.build::<T>(|row| match (left.get(row), right.get(row)) {
        (Some(left), Some(right)) => {
            let value = body(i128::from(left.into()), i128::from(right.into()));
            let fitting = i64::try_from(value)
                .ok()
                .and_then(|value| T::Native::try_from(value).ok());
            fitting
                .map(Some)
                .ok_or_else(|| out_of_range(&format!("{name} out of range")))
        }
        _ => Ok(None),
    })
}

fn greatest_divisor(left: i128, right: i128) -> i128 {
    let (mut left, mut right) = (left.abs(), right.abs());
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

fn least_multiple(left: i128, right: i128) -> i128 {
    match greatest_divisor(left, right) {
        0 => 0,
        divisor => (left / divisor * right).abs(),
    }
}

fn factorial(args: &Arguments<'_>) -> Result<ArrayRef> {
    let values = args.int8(0)?;
    args.build_decimals(|row| match values.get(row) {
        None => Ok(None),
        Some(below) if below < 0 => Err(out_of_range("factorial of a negative number is undefined")),
        Some(count) => {
            let product = (1..=i128::from(count)).try_fold(1_i128, i128::checked_mul);
            product
                .map(|product| Some(Number::new(product, 0)))
                .ok_or_else(|| out_of_range("value overflows numeric format"))
        }
    })
}

/// width_bucket(operand, low, high, count): 0 below, count + 1 from high on; bounds may fall as well as rise.
fn buckets(args: &Arguments<'_>, values: impl Fn(usize) -> Option<(f64, f64, f64)>) -> Result<ArrayRef> {
    let refused = |message: &str| Error::new(SqlState::InvalidArgumentForWidthBucket, message);
    let counts = args.int4(3)?;
    args.build::<Int32Type>(|row| {
        let (Some((operand, low, high)), Some(count)) = (values(row), counts.get(row)) else {
            return Ok(None);
        };
        if count <= 0 {
            return Err(refused("count must be greater than zero"));
        }
        if operand.is_nan() || low.is_nan() || high.is_nan() {
            return Err(refused("operand, lower bound, and upper bound cannot be NaN"));
        }
        if low.is_infinite() || high.is_infinite() {
            return Err(refused("lower and upper bounds must be finite"));
        }
        if low == high {
            return Err(refused("lower bound cannot equal upper bound"));
        }
        let position = (operand - low) / (high - low);
        Ok(Some(match position {
            below if below < 0.0 => 0,
            above if above >= 1.0 => count
                .checked_add(1)
                .ok_or_else(|| Error::new(SqlState::NumericValueOutOfRange, "integer out of range"))?,
            inside => (inside * f64::from(count)).floor() as i32 + 1,
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_next_to_a_number() {
        let number = Number::new(-12, 1);
        assert_eq!(towards(number, Ordering::Less).unwrap(), Number::new(-2, 0));
        assert_eq!(towards(number, Ordering::Greater).unwrap(), Number::new(-1, 0));
        assert_eq!(least_multiple(4, 6), 12);
    }
}
