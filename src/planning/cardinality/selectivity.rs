//! Guesses the part of a relation's rows that predicates keep.

use std::collections::HashSet;

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator};

use super::{ColumnEstimate, Estimate};
use crate::storage::as_number;

/// Kept part where nothing is known: an equality, a range, a pattern, a comparison of two columns, anything else.
const EQUALITY: f64 = 0.05;
const RANGE: f64 = 0.33;
const PATTERN: f64 = 0.07;
const PREFIX: f64 = 0.02;
const COLUMNS: f64 = 0.6;
/// Kept groups of a condition on what an aggregate computed.
const AGGREGATE: f64 = 0.1;
const ANYTHING: f64 = 0.5;
/// What a join's condition keeps besides its equalities.
pub(in super::super) const RESIDUAL: f64 = 0.5;

/// The part of the rows that all of `conjuncts` keep. Bounds of one column from both sides are one range; lists of one
/// column's values have some in common, which its bounds are taken to hold.
pub(super) fn kept_part(conjuncts: &[&Expr], input: &Estimate, schema: &DFSchema) -> f64 {
    let mut ranges: Vec<(&Expr, f64, f64)> = vec![];
    let mut lists: Vec<(&Expr, HashSet<&ScalarValue>)> = vec![];
    let mut kept = 1.0;
    for conjunct in conjuncts.iter().flat_map(|conjunct| split_conjunction(conjunct)) {
        let bounded = comparison(conjunct)
            .filter(|(_, operator, _)| !matches!(operator, Operator::Eq | Operator::NotEq))
            .and_then(|(column, operator, value)| {
                let (low, high) = input.column(schema, column)?.range?;
                let value = value.and_then(as_number)?;
                let part = ((value - low) / (high - low).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
                match operator {
                    Operator::Lt | Operator::LtEq => Some((column, 0.0, part)),
                    Operator::Gt | Operator::GtEq => Some((column, part, 1.0)),
                    _ => None,
                }
            });
        match bounded {
            Some((column, from, to)) => match ranges.iter_mut().find(|(known, ..)| *known == column) {
                Some((_, lowest, highest)) => {
                    *lowest = lowest.max(from);
                    *highest = highest.min(to);
                }
                None => ranges.push((column, from, to)),
            },
            None => match listed(conjunct) {
                Some((column, values)) => match lists.iter_mut().find(|(known, _)| *known == column) {
                    Some((_, common)) => common.retain(|value| values.contains(value)),
                    None => lists.push((column, values)),
                },
                None => kept *= kept_by(conjunct, input, schema),
            },
        }
    }
    for (column, values) in &lists {
        let values = values.iter().filter(|value| !value.is_null()).count();
        kept *= (one_value(input.column(schema, column), input) * values as f64).min(1.0);
    }
    let in_ranges: f64 = ranges
        .into_iter()
        .filter(|(column, ..)| !lists.iter().any(|(listed, _)| listed == column))
        .map(|(column, from, to)| (to - from).max(one_value(input.column(schema, column), input)))
        .product();
    (kept * in_ranges).clamp(0.0, 1.0)
}

fn kept_by(predicate: &Expr, input: &Estimate, schema: &DFSchema) -> f64 {
    if let Some((column, operator, value)) = comparison(predicate) {
        let tested = input.column(schema, column);
        let one = one_value(tested, input);
        return match operator {
            Operator::Eq if value.is_some_and(ScalarValue::is_null) => 0.0,
            Operator::Eq => one,
            Operator::NotEq => 1.0 - one,
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => match tested {
                Some(tested) if tested.is_aggregate => AGGREGATE,
                _ => RANGE,
            },
            _ => ANYTHING,
        };
    }
    match predicate {
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::And => kept_part(&[predicate], input, schema),
            Operator::Or => {
                let (left, right) = (
                    kept_part(&[&binary.left], input, schema),
                    kept_part(&[&binary.right], input, schema),
                );
                left + right - left * right
            }
            Operator::Eq => {
                let sides = [&binary.left, &binary.right].map(|side| input.column(schema, side));
                let values = sides.iter().flatten().map(|column| column.values).fold(0.0, f64::max);
                if values > 0.0 { 1.0 / values } else { EQUALITY }
            }
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => COLUMNS,
            _ => ANYTHING,
        },
        Expr::Not(inner) => 1.0 - kept_part(&[inner], input, schema),
        Expr::IsNull(inner) => input.column(schema, inner).map_or(EQUALITY, |column| column.nulls),
        Expr::IsNotNull(inner) => input.column(schema, inner).map_or(1.0, |column| 1.0 - column.nulls),
        Expr::InList(list) => {
            let one = one_value(input.column(schema, &list.expr), input);
            let listed = (one * list.list.len() as f64).min(1.0);
            if list.negated { 1.0 - listed } else { listed }
        }
        Expr::Between(between) => {
            if between.negated {
                1.0 - RANGE
            } else {
                RANGE
            }
        }
        Expr::Like(like) => {
            let is_prefix = matches!(like.pattern.as_ref(), Expr::Literal(pattern, _)
                if pattern.try_as_str().flatten().is_some_and(|text| !text.starts_with('%')));
            let found = if is_prefix { PREFIX } else { PATTERN };
            if like.negated { 1.0 - found } else { found }
        }
        Expr::Literal(ScalarValue::Boolean(Some(true)), _) => 1.0,
        Expr::Literal(_, _) => 0.0,
        Expr::Alias(alias) => kept_by(&alias.expr, input, schema),
        _ => ANYTHING,
    }
}

/// The tested expression and the different values that it may have, of equalities with known values.
fn listed(predicate: &Expr) -> Option<(&Expr, HashSet<&ScalarValue>)> {
    match predicate {
        Expr::BinaryExpr(either) if either.op == Operator::Or => {
            let (mut left, right) = (listed(&either.left)?, listed(&either.right)?);
            left.1.extend(right.1);
            (left.0 == right.0).then_some(left)
        }
        Expr::InList(list) if !list.negated => {
            let values = list.list.iter().map(|value| constant(value)?);
            Some((&list.expr, values.collect::<Option<_>>()?))
        }
        _ => match comparison(predicate)? {
            (column, Operator::Eq, Some(value)) => Some((column, HashSet::from([value]))),
            _ => None,
        },
    }
}

fn one_value(column: Option<ColumnEstimate>, input: &Estimate) -> f64 {
    column
        .map_or(EQUALITY, |column| (1.0 - column.nulls) / column.values.max(1.0))
        .max(1.0 / input.base_rows)
}

/// (tested expression, operator, value) of a comparison with a value; the value of a parameter is unknown.
fn comparison(predicate: &Expr) -> Option<(&Expr, Operator, Option<&ScalarValue>)> {
    let Expr::BinaryExpr(binary) = predicate else {
        return None;
    };
    if let Some(value) = constant(&binary.right) {
        return Some((&binary.left, binary.op, value));
    }
    let value = constant(&binary.left)?;
    Some((&binary.right, binary.op.swap()?, value))
}

/// `Some` for what is one value for all rows, with the value where it is known.
fn constant(expression: &Expr) -> Option<Option<&ScalarValue>> {
    match expression {
        Expr::Literal(value, _) => Some(Some(value)),
        Expr::Placeholder(_) | Expr::ScalarSubquery(_) => Some(None),
        Expr::Cast(cast) => constant(&cast.expr).map(|_| None),
        _ => None,
    }
}
