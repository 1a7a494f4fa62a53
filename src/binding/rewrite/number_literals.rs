//! Types of number literals: a whole number that fits is an integer (int4), as PostgreSQL says; the
//! planner would make each a bigint. Numbers that the planner reads itself (positions in ORDER BY and
//! GROUP BY, limits, frames, versions) stay as they are. Also the sign before a power, which binds tighter.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Distinct, ExactNumberInfo, Expr, GroupByExpr, Interval, LimitClause,
    NamedWindowExpr, OrderByKind, Query, Select, SetExpr, TableFactor, TableVersion, UnaryOperator, Value,
    ValueWithSpan, VisitMut, VisitorMut, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

use super::syntax::call;
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::format::FormatSettings;
use crate::types::parse::parse_value;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    match VisitMut::visit(tree, &mut Literals) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Literals;

impl VisitorMut for Literals {
    type Break = Error;

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        match expression {
            Expr::Value(literal) => {
                if let Value::Number(text, _) = &literal.value
                    && text.parse::<i32>().is_ok()
                {
                    *expression = as_type(expression.clone(), DataType::Int(None));
                } else if let Value::Number(text, _) = &literal.value
                    && needs_reading(text)
                {
                    // A numeric has 38 digits; what is written with a power of ten beyond them is a float.
                    let data_type = match text.contains(['e', 'E']) && !fits_numeric(text) {
                        true => DataType::DoublePrecision,
                        false => DataType::Numeric(ExactNumberInfo::None),
                    };
                    *expression = as_type(Expr::value(Value::SingleQuotedString(text.clone())), data_type);
                }
            }
            // A float reads the digits themselves, not what stands for a literal of them.
            Expr::Cast { expr, data_type, .. } if is_float(data_type) => {
                if let Expr::Cast {
                    expr: digits,
                    data_type: DataType::Numeric(ExactNumberInfo::None) | DataType::DoublePrecision,
                    ..
                } = expr.as_ref()
                    && matches!(digits.as_ref(), Expr::Value(text) if matches!(text.value, Value::SingleQuotedString(_)))
                {
                    *expr = digits.clone();
                }
            }
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => {
                if let Some(number) = negated_least_integer(expr) {
                    // Its opposite is no integer, but a bigint.
                    *expression = number.clone();
                } else if is_least_integer(expr) {
                    *expression = as_type(expression.clone(), DataType::Int(None));
                } else if let Some(number) = typed_number(expr) {
                    let negative = Expr::UnaryOp {
                        op: UnaryOperator::Minus,
                        expr: Box::new(number.clone()),
                    };
                    *expression = as_type(negative, DataType::Int(None));
                } else if let Expr::BinaryOp {
                    left,
                    op: op @ BinaryOperator::PGExp,
                    right,
                } = expr.as_ref()
                {
                    *expression = Expr::BinaryOp {
                        left: Box::new(Expr::UnaryOp {
                            op: UnaryOperator::Minus,
                            expr: left.clone(),
                        }),
                        op: op.clone(),
                        right: right.clone(),
                    };
                }
            }
            // A literal has all its digits already.
            Expr::Cast {
                expr,
                data_type: DataType::Numeric(info) | DataType::Decimal(info),
                ..
            } if *info == ExactNumberInfo::None && is_decimal(expr) => {
                *expression = expr.as_ref().clone();
            }
            Expr::Function(function) => {
                if let Some(WindowType::WindowSpec(window)) = &mut function.over
                    && let Err(error) = plain_frame(window)
                {
                    return ControlFlow::Break(error);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Some(order) = &mut query.order_by
            && let OrderByKind::Expressions(keys) = &mut order.kind
        {
            keys.iter_mut().for_each(|key| plain(&mut key.expr));
        }
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                limit.iter_mut().for_each(plain);
                offset.iter_mut().for_each(|offset| plain(&mut offset.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                plain(offset);
                plain(limit);
            }
            None => {}
        }
        limit_of_fetch(query);
        match plain_in_body(&mut query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Table {
            version:
                Some(
                    TableVersion::ForSystemTimeAsOf(expression)
                    | TableVersion::TimestampAsOf(expression)
                    | TableVersion::VersionAsOf(expression)
                    | TableVersion::Function(expression),
                ),
            ..
        } = factor
        {
            plain(expression);
        }
        ControlFlow::Continue(())
    }
}

/// `FETCH FIRST n ROWS ONLY` is LIMIT n, which WITH TIES marks; the planner refuses the other forms.
fn limit_of_fetch(query: &mut Query) {
    let Some(fetch) = &mut query.fetch else { return };
    fetch.quantity.iter_mut().for_each(plain);
    if fetch.percent {
        return;
    }
    let quantity = fetch
        .quantity
        .clone()
        .unwrap_or_else(|| Expr::value(Value::Number("1".to_string(), false)));
    let quantity = match fetch.with_ties {
        true => call(crate::statement::WITH_TIES, vec![quantity]),
        false => quantity,
    };
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset {
            limit: limit @ None, ..
        }) => *limit = Some(quantity),
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(quantity),
                offset: None,
                limit_by: vec![],
            });
        }
        _ => return,
    }
    query.fetch = None;
}

fn plain_in_body(body: &mut SetExpr) -> Result<()> {
    match body {
        SetExpr::Select(select) => plain_in_select(select),
        SetExpr::SetOperation { left, right, .. } => {
            plain_in_body(left)?;
            plain_in_body(right)
        }
        _ => Ok(()),
    }
}

fn plain_in_select(select: &mut Select) -> Result<()> {
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        keys.iter_mut().for_each(plain);
    }
    if let Some(Distinct::On(keys)) = &mut select.distinct {
        keys.iter_mut().for_each(plain);
    }
    for definition in &mut select.named_window {
        if let NamedWindowExpr::WindowSpec(window) = &mut definition.1 {
            plain_frame(window)?;
        }
    }
    Ok(())
}

fn plain_frame(window: &mut WindowSpec) -> Result<()> {
    let Some(frame) = &mut window.window_frame else {
        return Ok(());
    };
    let is_range = frame.units == WindowFrameUnits::Range;
    for (bound, side) in [
        (Some(&mut frame.start_bound), "starting"),
        (frame.end_bound.as_mut(), "ending"),
    ] {
        if let Some(WindowFrameBound::Preceding(Some(rows)) | WindowFrameBound::Following(Some(rows))) = bound {
            plain(rows);
            if matches!(rows.as_ref(), Expr::UnaryOp { op: UnaryOperator::Minus, expr } if matches!(**expr, Expr::Value(_)))
            {
                return Err(negative_offset(side));
            }
            if let Some(interval) = interval(rows).filter(|_| is_range) {
                **rows = interval;
            }
        }
    }
    Ok(())
}

/// The error of a frame's bound below zero.
pub(crate) fn negative_offset(side: &str) -> Error {
    let message = format!("frame {side} offset must not be negative");
    Error::new(SqlState::InvalidPrecedingOrFollowingSize, message)
}

/// A distance in time in words that the planner reads as PostgreSQL read the interval.
fn interval(offset: &Expr) -> Option<Expr> {
    let interval = frame_interval(offset)?;
    let (months, days, nanoseconds) = (interval.months, interval.days, interval.nanoseconds);
    let words = format!("{months} months {days} days {nanoseconds} nanoseconds");
    Some(Expr::Interval(Interval {
        value: Box::new(Expr::value(Value::SingleQuotedString(words))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }))
}

/// The distance in time that a frame's bound writes out.
pub(super) fn frame_interval(offset: &Expr) -> Option<IntervalMonthDayNano> {
    let (literal, sql_type) = match offset {
        Expr::Cast {
            expr,
            data_type: data_type @ DataType::Interval { .. },
            ..
        } => (expr.as_ref(), data_type.to_string().parse().ok()?),
        other => (other, SqlType::Interval(None)),
    };
    let Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(text),
        ..
    }) = literal
    else {
        return None;
    };
    match parse_value(&sql_type, text, &FormatSettings::default()).ok()? {
        ScalarValue::IntervalMonthDayNano(interval) => interval,
        _ => None,
    }
}

fn as_type(expression: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expression),
        data_type,
        array: false,
        format: None,
    }
}

/// The number below the cast that this rewrite put there.
fn typed_number(expression: &Expr) -> Option<&Expr> {
    match expression {
        Expr::Cast {
            expr,
            data_type: DataType::Int(None),
            ..
        } if is_number(expr) => Some(expr),
        _ => None,
    }
}

/// Exponents, and whole numbers past a bigint, which are numerics.
fn needs_reading(text: &str) -> bool {
    text.contains(['e', 'E']) || (!text.contains('.') && text.parse::<i64>().is_err())
}

/// Whether a numeric holds the number, its digits before and behind the point.
fn fits_numeric(text: &str) -> bool {
    parse_value(&SqlType::Numeric(None), text, &FormatSettings::default()).is_ok()
}

pub(super) fn is_float(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Float(_)
            | DataType::Float4
            | DataType::Float8
            | DataType::Real
            | DataType::Double(_)
            | DataType::DoublePrecision
    )
}

/// 2147483648, which is an integer only below zero.
fn is_least_integer(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(literal) if matches!(&literal.value, Value::Number(text, _) if text == "2147483648"))
}

/// The number whose opposite is the least integer.
fn negated_least_integer(expression: &Expr) -> Option<&Expr> {
    match expression {
        Expr::Nested(inner) => negated_least_integer(inner),
        Expr::Cast {
            expr,
            data_type: DataType::Int(None),
            ..
        } => match expr.as_ref() {
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } if is_least_integer(expr) => Some(expr),
            _ => None,
        },
        _ => None,
    }
}

fn is_number(expression: &Expr) -> bool {
    match expression {
        Expr::Value(literal) => matches!(literal.value, Value::Number(..)),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => matches!(expr.as_ref(), Expr::Value(literal) if matches!(literal.value, Value::Number(..))),
        _ => false,
    }
}

fn is_decimal(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(literal) if matches!(&literal.value, Value::Number(text, _) if text.contains('.')))
}

fn plain(expression: &mut Expr) {
    // A frame's distance in time is read from its text, and from the fields that the type has.
    if let Expr::Cast {
        expr,
        data_type: DataType::Interval {
            fields: None,
            precision: None,
        },
        ..
    } = expression
        && matches!(expr.as_ref(), Expr::Value(_))
    {
        *expression = expr.as_ref().clone();
        return;
    }
    if let Some(number) = typed_number(expression) {
        *expression = number.clone();
    }
}
