//! Arithmetic of dates and intervals where PostgreSQL's differs from Arrow's: an interval times a number, intervals
//! compared by their length, days between dates.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion::logical_expr::Expr;

use super::datum::Datum;
use super::overload::Arguments;
use super::row_function::{Argument, Body, RowFunction};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::calendar::{DATE_INFINITY, DATE_NEGATIVE_INFINITY, END_DAY, FIRST_DAY};

const INTERVAL_FLOAT: &[&[Argument]] = &[&[Argument::Interval, Argument::Float]];
const INTERVAL: &[&[Argument]] = &[&[Argument::Interval]];
const DATE_DATE: &[&[Argument]] = &[&[Argument::Date, Argument::Date]];
const DATE_INT: &[&[Argument]] = &[&[Argument::Date, Argument::Int]];
const ANY: &[&[Argument]] = &[&[Argument::Any]];
const NANOS_PER_DAY: i64 = 86_400_000_000_000;
const SECONDS_PER_DAY: f64 = 86_400.0;
const DAYS_PER_MONTH: i64 = 30;

pub(super) fn functions() -> Vec<RowFunction> {
    vec![
        multiply(),
        divide(),
        length(),
        RowFunction::immutable("interval_key", INTERVAL, SqlType::Bytea, |_, row| match row {
            [Datum::Interval(interval)] => Ok(Datum::Bytes(to_key(*interval))),
            _ => Ok(Datum::Null),
        }),
        RowFunction::immutable("interval_of_key", ANY, SqlType::Interval(None), |_, row| match row {
            [Datum::Bytes(key)] => of_key(key).map(Datum::Interval),
            _ => Ok(Datum::Null),
        }),
        days_between(),
        moved("date_pli", |_, row| move_date(row, 1)),
        moved("date_mii", |_, row| move_date(row, -1)),
    ]
}

fn multiply() -> RowFunction {
    RowFunction::immutable(
        "interval_mul",
        INTERVAL_FLOAT,
        SqlType::Interval(None),
        |_, row| match row {
            [Datum::Interval(interval), Datum::Float(factor)] => {
                Ok(Datum::Interval(scaled(*interval, |part| part * factor)?))
            }
            _ => Ok(Datum::Null),
        },
    )
}

fn divide() -> RowFunction {
    RowFunction::immutable(
        "interval_div",
        INTERVAL_FLOAT,
        SqlType::Interval(None),
        |_, row| match row {
            [Datum::Interval(_), Datum::Float(0.0)] => Err(Error::new(SqlState::DivisionByZero, "division by zero")),
            [Datum::Interval(interval), Datum::Float(divisor)] => {
                Ok(Datum::Interval(scaled(*interval, |part| part / divisor)?))
            }
            _ => Ok(Datum::Null),
        },
    )
}

/// A sum of intervals over their number.
pub(super) fn average(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (sums, counts) = (args.intervals(0)?, args.int8(1)?);
    args.build::<IntervalMonthDayNanoType>(|row| match (sums.get(row), counts.get(row)) {
        (Some(sum), Some(count)) if count != 0 => scaled(sum, |part| part / count as f64).map(Some),
        _ => Ok(None),
    })
}

/// What intervals compare by: microseconds, with months of 30 days of 24 hours.
fn length() -> RowFunction {
    RowFunction::immutable(
        "interval_length",
        INTERVAL,
        SqlType::Numeric(Some((38, 0))),
        |_, row| match row {
            [Datum::Interval(interval)] => Ok(Datum::Decimal(interval_nanos(*interval), 0)),
            _ => Ok(Datum::Null),
        },
    )
}

/// The length of an interval.
pub fn interval_nanos(interval: IntervalMonthDayNano) -> i128 {
    let days = i128::from(interval.months) * i128::from(DAYS_PER_MONTH) + i128::from(interval.days);
    days * i128::from(NANOS_PER_DAY) + i128::from(interval.nanoseconds)
}

/// Bytes that sort as intervals do, by their length first.
fn to_key(interval: IntervalMonthDayNano) -> Vec<u8> {
    const SIGN: u128 = 1 << 127;
    let mut key = ((interval_nanos(interval) as u128) ^ SIGN).to_be_bytes().to_vec();
    key.extend(interval.months.to_be_bytes());
    key.extend(interval.days.to_be_bytes());
    key.extend(interval.nanoseconds.to_be_bytes());
    key
}

fn of_key(key: &[u8]) -> Result<IntervalMonthDayNano> {
    let parts = || {
        let (months, rest) = key.get(size_of::<u128>()..)?.split_first_chunk()?;
        let (days, rest) = rest.split_first_chunk()?;
        let nanoseconds = i64::from_be_bytes(rest.try_into().ok()?);
        let (months, days) = (i32::from_be_bytes(*months), i32::from_be_bytes(*days));
        Some(IntervalMonthDayNano::new(months, days, nanoseconds))
    };
    parts().ok_or_else(|| Error::internal("an interval's key was cut"))
}

/// The call that gives an interval's bytes to compare by.
pub fn interval_key(interval: Expr) -> Expr {
    called("interval_key", interval)
}

/// The interval that the bytes are the key of.
pub fn interval_of_key(key: Expr) -> Expr {
    called("interval_of_key", key)
}

fn called(name: &str, argument: Expr) -> Expr {
    match super::scalar_functions()
        .iter()
        .find(|function| function.name() == name)
    {
        Some(function) => function.call(vec![argument]),
        None => argument,
    }
}

/// Days from the second date to the first.
fn days_between() -> RowFunction {
    RowFunction::immutable("date_mi", DATE_DATE, SqlType::Int4, |_, row| match row {
        [Datum::Date(later), Datum::Date(earlier)] if is_infinite(*later) || is_infinite(*earlier) => Err(Error::new(
            SqlState::DatetimeFieldOverflow,
            "cannot subtract infinite dates",
        )),
        [Datum::Date(later), Datum::Date(earlier)] => Ok(Datum::Int(i64::from(*later) - i64::from(*earlier))),
        _ => Ok(Datum::Null),
    })
}

fn is_infinite(days: i32) -> bool {
    matches!(days, DATE_INFINITY | DATE_NEGATIVE_INFINITY)
}

fn moved(name: &'static str, body: Body) -> RowFunction {
    RowFunction::immutable(name, DATE_INT, SqlType::Date, body)
}

fn move_date(row: &[Datum], sign: i64) -> Result<Datum> {
    match row {
        [Datum::Date(date), Datum::Int(_)] if is_infinite(*date) => Ok(Datum::Date(*date)),
        [Datum::Date(date), Datum::Int(days)] => Some(i64::from(*date) + sign * days)
            .filter(|date| (FIRST_DAY..END_DAY).contains(date))
            .map(|date| Datum::Date(date as i32))
            .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "date out of range")),
        _ => Ok(Datum::Null),
    }
}

/// Fractions of a month become days, fractions of a day become time. `by` multiplies or divides.
pub(super) fn scaled(interval: IntervalMonthDayNano, by: impl Fn(f64) -> f64) -> Result<IntervalMonthDayNano> {
    let out_of_range = || Error::new(SqlState::DatetimeFieldOverflow, "interval out of range");
    // Rounded as PostgreSQL rounds it, so that a third of a month has no stray microseconds.
    let rounded = |value: f64| (value * 1e6).round_ties_even() / 1e6;
    let (months, days) = (by(f64::from(interval.months)), by(f64::from(interval.days)));
    let extra_days = rounded((months - months.trunc()) * DAYS_PER_MONTH as f64);
    let day_part = days - days.trunc() + extra_days - extra_days.trunc();
    let seconds = rounded(day_part * SECONDS_PER_DAY);
    let more_days = (seconds / SECONDS_PER_DAY).trunc();
    let seconds = seconds - more_days * SECONDS_PER_DAY;
    let micros = (by((interval.nanoseconds / 1000) as f64) + seconds * 1e6).round_ties_even();
    let whole_days = days.trunc() + more_days + extra_days.trunc();
    let fits = |value: f64| value.is_finite() && value.abs() <= f64::from(i32::MAX);
    if !fits(months) || !fits(whole_days) || micros.is_nan() || micros.abs() * 1000.0 >= i64::MAX as f64 {
        return Err(out_of_range());
    }
    Ok(IntervalMonthDayNano::new(
        months.trunc() as i32,
        whole_days as i32,
        micros as i64 * 1000,
    ))
}
