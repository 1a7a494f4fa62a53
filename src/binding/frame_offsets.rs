//! RANGE frames that begin or end at an offset from the row's key: for keys of which the engine knows the distance, and for
//! times of day and intervals, which numbers stand for.

use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, cast};

use crate::error::{Error, Result, SqlState};
use crate::functions::interval_nanos;
use crate::types::SqlType;

/// 0A000 for keys of other types.
pub(super) fn check(window: &Window) -> PlanResult<()> {
    for expression in &window.window_expr {
        expression.apply(|part| {
            let Expr::WindowFunction(call) = part else {
                return Ok(TreeNodeRecursion::Continue);
            };
            let has_offset = has_offset(&call.params.window_frame);
            if let ([key], true) = (call.params.order_by.as_slice(), has_offset) {
                let (_, field) = key.expr.to_field(window.input.schema().as_ref())?;
                let sql_type = SqlType::from_field(&field);
                if !has_distance(&sql_type) {
                    return Err(unsupported(&sql_type).into());
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(())
}

fn has_offset(frame: &WindowFrame) -> bool {
    let is_offset = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(value) | WindowFrameBound::Following(value) => !value.is_null(),
        WindowFrameBound::CurrentRow => false,
    };
    frame.units == WindowFrameUnits::Range && (is_offset(&frame.start_bound) || is_offset(&frame.end_bound))
}

fn unsupported(sql_type: &SqlType) -> Error {
    let what = "RANGE with offset PRECEDING/FOLLOWING";
    Error::unsupported(format!("{what} for column type {sql_type}"))
}

/// Writes the distance from a key as the number that it is among what the key is sorted by: microseconds of a time of day,
/// where days and months do not count, and the length of an interval. Before intervals get their own keys.
pub(super) fn measure(expression: &mut Expr, schema: &DFSchema) -> Result<()> {
    let Expr::WindowFunction(call) = expression else {
        return Ok(());
    };
    let params = &mut call.params;
    let [key] = params.order_by.as_mut_slice() else {
        return Ok(());
    };
    if !has_offset(&params.window_frame) {
        return Ok(());
    }
    let Ok((_, field)) = key.expr.to_field(schema) else {
        return Ok(());
    };
    let sql_type = SqlType::from_field(&field);
    let length: fn(IntervalMonthDayNano) -> i128 = match &sql_type {
        SqlType::Time(_) => {
            key.expr = cast(key.expr.clone(), DataType::Int64);
            |offset| i128::from(offset.nanoseconds / 1000)
        }
        SqlType::Interval(_) => interval_nanos,
        _ => return Ok(()),
    };
    for bound in [&mut params.window_frame.start_bound, &mut params.window_frame.end_bound] {
        let (WindowFrameBound::Preceding(offset) | WindowFrameBound::Following(offset)) = bound else {
            continue;
        };
        if offset.is_null() {
            continue;
        }
        let length = match offset {
            ScalarValue::Utf8(Some(words)) => distance(words).map(length),
            _ => None,
        };
        let length = length.ok_or_else(|| unsupported(&sql_type))?;
        if length < 0 {
            let message = "invalid preceding or following size in window function";
            return Err(Error::new(SqlState::InvalidPrecedingOrFollowingSize, message));
        }
        *offset = ScalarValue::Utf8(Some(length.to_string()));
    }
    Ok(())
}

/// The interval that a frame's bound is written as: `1 months 2 days 3 nanoseconds`.
fn distance(words: &str) -> Option<IntervalMonthDayNano> {
    let words: Vec<&str> = words.split_whitespace().collect();
    match words.as_slice() {
        [months, "months", days, "days", nanoseconds, "nanoseconds"] => Some(IntervalMonthDayNano::new(
            months.parse().ok()?,
            days.parse().ok()?,
            nanoseconds.parse().ok()?,
        )),
        _ => None,
    }
}

fn has_distance(sql_type: &SqlType) -> bool {
    use SqlType::{Date, Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Time, Timestamp, Timestamptz, Unknown};
    matches!(
        sql_type.base(),
        Int2 | Int4
            | Int8
            | Float4
            | Float8
            | Numeric(_)
            | Date
            | Time(_)
            | Timestamp(_)
            | Timestamptz(_)
            | Interval(_)
            | Unknown
    )
}
