//! Guesses what part of the rows a scan's filters keep, from the table's bounds. Only the choice between two
//! ways of reading rests on it, never an answer.

use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, InListExpr, LikeExpr, Literal};

/// Kept part where nothing is known: an equality, a pattern, a range, anything else.
const EQUALITY: f64 = 0.05;
const PATTERN: f64 = 0.2;
const RANGE: f64 = 0.33;
const ANYTHING: f64 = 0.75;

/// Least and greatest value of each column of a scan as numbers, where they are.
#[derive(Debug, Clone, Default)]
pub(super) struct NumericBounds(Vec<Option<(f64, f64)>>);

impl NumericBounds {
    /// From statistics in the scan's column order.
    pub(super) fn new(statistics: &Statistics) -> NumericBounds {
        let bounds = |column: &ColumnStatistics| Some((number(&column.min_value)?, number(&column.max_value)?));
        NumericBounds(statistics.column_statistics.iter().map(bounds).collect())
    }

    fn of(&self, column: &Column) -> Option<(f64, f64)> {
        self.0.get(column.index()).copied().flatten()
    }
}

/// The part of the rows that the filter keeps, between 0 and 1.
pub(super) fn kept_part(filter: &dyn PhysicalExpr, bounds: &NumericBounds) -> f64 {
    if let Some(binary) = filter.downcast_ref::<BinaryExpr>() {
        let (left, right) = (binary.left().as_ref(), binary.right().as_ref());
        return match binary.op() {
            Operator::And => kept_part(left, bounds) * kept_part(right, bounds),
            Operator::Or => (kept_part(left, bounds) + kept_part(right, bounds)).min(1.0),
            op => comparison(left, *op, right, bounds),
        };
    }
    if let Some(list) = filter.downcast_ref::<InListExpr>() {
        let one = list
            .expr()
            .downcast_ref::<Column>()
            .map_or(EQUALITY, |column| equality(column, bounds));
        let listed = (one * list.list().len() as f64).min(1.0);
        return if list.negated() { 1.0 - listed } else { listed };
    }
    match filter.downcast_ref::<LikeExpr>() {
        Some(like) if like.negated() => 1.0 - PATTERN,
        Some(_) => PATTERN,
        None => ANYTHING,
    }
}

fn comparison(left: &dyn PhysicalExpr, op: Operator, right: &dyn PhysicalExpr, bounds: &NumericBounds) -> f64 {
    let sides = match (left.downcast_ref::<Column>(), right.downcast_ref::<Literal>()) {
        (Some(column), Some(literal)) => Some((column, op, literal)),
        _ => match (left.downcast_ref::<Literal>(), right.downcast_ref::<Column>()) {
            (Some(literal), Some(column)) => op.swap().map(|op| (column, op, literal)),
            _ => None,
        },
    };
    let Some((column, op, literal)) = sides else {
        return if op == Operator::Eq { EQUALITY } else { ANYTHING };
    };
    // The part of the column's range below the literal.
    let below = || {
        let (min, max) = bounds.of(column)?;
        let value = as_number(literal.value())?;
        (max > min).then(|| ((value - min) / (max - min)).clamp(0.0, 1.0))
    };
    match op {
        Operator::Eq => equality(column, bounds),
        Operator::NotEq => 1.0 - equality(column, bounds),
        Operator::Lt | Operator::LtEq => below().unwrap_or(RANGE),
        Operator::Gt | Operator::GtEq => below().map_or(RANGE, |below| 1.0 - below),
        _ => ANYTHING,
    }
}

fn equality(column: &Column, bounds: &NumericBounds) -> f64 {
    match bounds.of(column) {
        Some((min, max)) if max - min >= 1.0 => (1.0 / (max - min + 1.0)).max(1e-6),
        _ => EQUALITY,
    }
}

fn number(value: &Precision<ScalarValue>) -> Option<f64> {
    value.get_value().and_then(as_number)
}

/// A value as a number, where it has one: dates are days, timestamps microseconds.
pub fn as_number(value: &ScalarValue) -> Option<f64> {
    let number = match value {
        ScalarValue::Int16(Some(value)) => f64::from(*value),
        ScalarValue::Int32(Some(value)) | ScalarValue::Date32(Some(value)) => f64::from(*value),
        ScalarValue::Int64(Some(value)) | ScalarValue::TimestampMicrosecond(Some(value), _) => *value as f64,
        ScalarValue::Float32(Some(value)) => f64::from(*value),
        ScalarValue::Float64(Some(value)) => *value,
        ScalarValue::Decimal128(Some(value), _, scale) => *value as f64 / 10_f64.powi(i32::from(*scale)),
        _ => return None,
    };
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::expressions::{binary, col, in_list, lit};

    use super::*;

    #[test]
    fn guesses_follow_the_bounds() {
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("t", DataType::Utf8View, true),
        ]);
        let bounds = NumericBounds(vec![Some((0.0, 999.0)), None]);
        let n = || col("n", &schema).unwrap();
        let compare = |op, value: i64| binary(n(), op, lit(value), &schema).unwrap();
        let text = binary(
            col("t", &schema).unwrap(),
            Operator::Eq,
            lit(ScalarValue::Utf8View(Some("x".into()))),
            &schema,
        )
        .unwrap();
        let both = binary(
            compare(Operator::GtEq, 500),
            Operator::And,
            compare(Operator::Lt, 500),
            &schema,
        )
        .unwrap();
        let listed = in_list(n(), vec![lit(1_i64), lit(2_i64)], &false, &schema).unwrap();
        let swapped: Arc<dyn PhysicalExpr> = binary(lit(999_i64), Operator::Lt, n(), &schema).unwrap();
        for (filter, expected) in [
            (compare(Operator::Eq, 7), 0.001),
            (compare(Operator::Lt, 100), 0.1),
            (compare(Operator::Gt, 5000), 0.0),
            (both, 0.25),
            (listed, 0.002),
            (swapped, 0.0),
            (text, EQUALITY),
        ] {
            let guess = kept_part(filter.as_ref(), &bounds);
            assert!((guess - expected).abs() < 0.002, "{filter}: {guess}");
        }
    }
}
