//! Arithmetic and comparison of dates and intervals where PostgreSQL's differs from Arrow's: an interval
//! times a number, intervals compared by their length, a date plus an interval being a timestamp.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::datum::Datum;
use super::row_function::{Argument, Body, RowFunction};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

const INTERVAL_FLOAT: &[&[Argument]] = &[&[Argument::Interval, Argument::Float]];
const INTERVAL: &[&[Argument]] = &[&[Argument::Interval]];
const DATE_DATE: &[&[Argument]] = &[&[Argument::Date, Argument::Date]];
const DATE_INT: &[&[Argument]] = &[&[Argument::Date, Argument::Int]];
const NANOS_PER_DAY: i64 = 86_400_000_000_000;
const DAYS_PER_MONTH: i64 = 30;

pub(super) fn functions() -> Vec<RowFunction> {
    vec![
        multiply(),
        divide(),
        length(),
        days_between(),
        moved("date_pli", |_, row| move_date(row, 1)),
        moved("date_mii", |_, row| move_date(row, -1)),
    ]
}

fn multiply() -> RowFunction {
    RowFunction::immutable("interval_mul", INTERVAL_FLOAT, SqlType::Interval, |_, row| match row {
        [Datum::Interval(interval), Datum::Float(factor)] => Ok(Datum::Interval(scaled(*interval, *factor)?)),
        _ => Ok(Datum::Null),
    })
}

fn divide() -> RowFunction {
    RowFunction::immutable("interval_div", INTERVAL_FLOAT, SqlType::Interval, |_, row| match row {
        [Datum::Interval(_), Datum::Float(0.0)] => Err(Error::new(SqlState::DivisionByZero, "division by zero")),
        [Datum::Interval(interval), Datum::Float(divisor)] => Ok(Datum::Interval(scaled(*interval, 1.0 / *divisor)?)),
        _ => Ok(Datum::Null),
    })
}

/// What intervals compare by: microseconds, with months of 30 days of 24 hours.
fn length() -> RowFunction {
    RowFunction::immutable(
        "interval_length",
        INTERVAL,
        SqlType::Numeric(Some((38, 0))),
        |_, row| match row {
            [Datum::Interval(interval)] => {
                let days = i128::from(interval.months) * i128::from(DAYS_PER_MONTH) + i128::from(interval.days);
                let nanos = days * i128::from(NANOS_PER_DAY) + i128::from(interval.nanoseconds);
                Ok(Datum::Decimal(nanos, 0))
            }
            _ => Ok(Datum::Null),
        },
    )
}

/// Days from the second date to the first.
fn days_between() -> RowFunction {
    RowFunction::immutable("date_mi", DATE_DATE, SqlType::Int4, |_, row| match row {
        [Datum::Date(later), Datum::Date(earlier)] => Ok(Datum::Int(i64::from(*later) - i64::from(*earlier))),
        _ => Ok(Datum::Null),
    })
}

fn moved(name: &'static str, body: Body) -> RowFunction {
    RowFunction::immutable(name, DATE_INT, SqlType::Date, body)
}

fn move_date(row: &[Datum], sign: i64) -> Result<Datum> {
    match row {
        [Datum::Date(date), Datum::Int(days)] => i32::try_from(i64::from(*date) + sign * days)
            .map(Datum::Date)
            .map_err(|_| Error::new(SqlState::DatetimeFieldOverflow, "date out of range")),
        _ => Ok(Datum::Null),
    }
}

/// Fractions of a month become days, fractions of a day become time.
fn scaled(interval: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    let out_of_range = || Error::new(SqlState::DatetimeFieldOverflow, "interval out of range");
    let months = f64::from(interval.months) * factor;
    // Rounded as PostgreSQL rounds it, so that a third of a month has no stray microseconds.
    let rounded = |value: f64| (value * 1e6).round_ties_even() / 1e6;
    let extra_days = rounded((months - months.trunc()) * DAYS_PER_MONTH as f64);
    let days = f64::from(interval.days) * factor;
    let day_part = rounded(days - days.trunc());
    let extra_time = (extra_days - extra_days.trunc() + day_part) * NANOS_PER_DAY as f64;
    let micros = ((interval.nanoseconds as f64 * factor + extra_time) / 1000.0).round_ties_even();
    let whole_days = days.trunc() + extra_days.trunc();
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

/// Operators of dates and intervals.
#[derive(Debug)]
pub(super) struct TimePlanner;

impl ExprPlanner for TimePlanner {
    fn plan_binary_op(&self, expression: RawBinaryExpr, schema: &DFSchema) -> PlanResult<PlannerResult<RawBinaryExpr>> {
        // The planner tells better than a type could where an unknown column stands.
        let types = (expression.left.get_type(schema), expression.right.get_type(schema));
        let (Ok(left_type), Ok(right_type)) = types else {
            return Ok(PlannerResult::Original(expression));
        };
        Ok(match planned(&expression, &left_type, &right_type) {
            Some(planned) => PlannerResult::Planned(planned),
            None => PlannerResult::Original(expression),
        })
    }
}

fn planned(expression: &RawBinaryExpr, left_type: &DataType, right_type: &DataType) -> Option<Expr> {
    let RawBinaryExpr { op, left, right } = expression;
    let binary = |left: Expr, operator: Operator, right: Expr| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
    };
    let timestamp = SqlType::Timestamp.to_arrow();
    let call = |function: &Arc<ScalarUDF>, arguments: Vec<Expr>| Some(function.call(arguments));
    match (left_type, op, right_type) {
        (DataType::Interval(_), BinaryOperator::Multiply, number) if number.is_numeric() => {
            call(&MULTIPLY, vec![left.clone(), right.clone()])
        }
        (number, BinaryOperator::Multiply, DataType::Interval(_)) if number.is_numeric() => {
            call(&MULTIPLY, vec![right.clone(), left.clone()])
        }
        (DataType::Interval(_), BinaryOperator::Divide, number) if number.is_numeric() => {
            call(&DIVIDE, vec![left.clone(), right.clone()])
        }
        (DataType::Interval(_), operator, DataType::Interval(_)) => {
            let length = |expression: &Expr| LENGTH.call(vec![expression.clone()]);
            Some(binary(length(left), comparison(operator)?, length(right)))
        }
        (DataType::Date32, BinaryOperator::Plus, DataType::Interval(IntervalUnit::MonthDayNano)) => {
            Some(binary(cast(left.clone(), timestamp), Operator::Plus, right.clone()))
        }
        (DataType::Interval(IntervalUnit::MonthDayNano), BinaryOperator::Plus, DataType::Date32) => {
            Some(binary(cast(right.clone(), timestamp), Operator::Plus, left.clone()))
        }
        (DataType::Date32, BinaryOperator::Minus, DataType::Interval(IntervalUnit::MonthDayNano)) => {
            Some(binary(cast(left.clone(), timestamp), Operator::Minus, right.clone()))
        }
        (DataType::Date32, BinaryOperator::Minus, DataType::Date32) => call(&DAYS, vec![left.clone(), right.clone()]),
        (DataType::Date32, BinaryOperator::Plus, DataType::Int32 | DataType::Int16) => {
            call(&LATER, vec![left.clone(), right.clone()])
        }
        (DataType::Int32 | DataType::Int16, BinaryOperator::Plus, DataType::Date32) => {
            call(&LATER, vec![right.clone(), left.clone()])
        }
        (DataType::Date32, BinaryOperator::Minus, DataType::Int32 | DataType::Int16) => {
            call(&EARLIER, vec![left.clone(), right.clone()])
        }
        _ => None,
    }
}

fn comparison(operator: &BinaryOperator) -> Option<Operator> {
    Some(match operator {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

static MULTIPLY: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| multiply().into_udf());
static DIVIDE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| divide().into_udf());
static LENGTH: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| length().into_udf());
static DAYS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| days_between().into_udf());
static LATER: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| moved("date_pli", |_, row| move_date(row, 1)).into_udf());
static EARLIER: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| moved("date_mii", |_, row| move_date(row, -1)).into_udf());
