//! Comparisons of rows: `(a, b) = (c, d)`, `(a, b) < (c, d)`, `(a, b) IN (…)` and OVERLAPS, spelled out column by column.
//! Those with the rows of a subquery are in `row_subqueries`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArguments, GroupByExpr, Select, UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::record_comparisons;
use super::row_subqueries::{condition, with_subquery};
use super::syntax::{call, plain_arguments, replace_expressions, system_name};
use crate::error::{Error, Result};
use crate::functions::ROW_VALUE;

pub(super) fn rewrite(tree: &mut impl VisitMut) -> Result<()> {
    struct Filters;
    impl VisitorMut for Filters {
        type Break = Error;
        fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
            ungroup(&mut select.group_by);
            match select.selection.as_mut().map_or(Ok(()), condition) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    if let ControlFlow::Break(error) = VisitMut::visit(tree, &mut Filters) {
        return Err(error);
    }
    replace_expressions(tree, |expression| {
        if let Some(rewritten) = rewritten(expression)? {
            *expression = rewritten;
        }
        Ok(())
    })
}

/// The columns of a row constructor.
pub(super) fn row(expression: &Expr) -> Option<Vec<Expr>> {
    match expression {
        Expr::Tuple(columns) => Some(columns.clone()),
        Expr::Nested(inner) => row(inner),
        Expr::Function(function) => {
            let FunctionArguments::List(list) = &function.args else {
                return None;
            };
            match system_name(&function.name)?.as_str() {
                "row" => plain_arguments(&list.args),
                // After whether it is there, names and values take turns.
                ROW_VALUE => Some(plain_arguments(&list.args)?.into_iter().skip(2).step_by(2).collect()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The record that a row constructor makes.
fn record(expression: &Expr) -> Option<Expr> {
    match expression {
        Expr::Tuple(_) => {}
        Expr::Function(function) if system_name(&function.name).as_deref() == Some("row") => {}
        _ => return None,
    }
    let fields = row(expression)?.into_iter().enumerate().flat_map(|(index, value)| {
        let name = Expr::value(Value::SingleQuotedString(format!("f{}", index + 1)));
        [name, value]
    });
    let there = Expr::value(Value::Boolean(true));
    Some(call(ROW_VALUE, std::iter::once(there).chain(fields).collect()))
}

/// A row is NULL if all its columns are, and is not NULL if none is.
fn every(columns: Vec<Expr>, is_null: bool) -> Expr {
    let tests = columns.into_iter().map(|column| match is_null {
        true => Expr::IsNull(Box::new(column)),
        false => Expr::IsNotNull(Box::new(column)),
    });
    joined(tests, BinaryOperator::And).unwrap_or_else(|_| Expr::value(Value::Boolean(true)))
}

fn rewritten(expression: &Expr) -> Result<Option<Expr>> {
    if let Some(compared) = with_subquery(expression)? {
        return Ok(Some(compared));
    }
    Ok(match expression {
        Expr::BinaryOp { left, op, right } => {
            if let Some(compared) = record_comparisons::compared(left, op, right)? {
                return Ok(Some(compared));
            }
            let (Some(left), Some(right)) = (row(left), row(right)) else {
                return Ok(None);
            };
            if *op == BinaryOperator::Overlaps {
                return overlaps(left, right).map(Some);
            }
            check_lengths(&left, &right)?;
            Some(compared(&left, op, &right)?)
        }
        Expr::IsDistinctFrom(left, right) => {
            let (Some(left), Some(right)) = (row(left), row(right)) else {
                return Ok(None);
            };
            check_lengths(&left, &right)?;
            let differ = left.into_iter().zip(right);
            Some(joined(
                differ.map(|(left, right)| Expr::IsDistinctFrom(Box::new(left), Box::new(right))),
                BinaryOperator::Or,
            )?)
        }
        Expr::IsNotDistinctFrom(left, right) => {
            let (Some(left), Some(right)) = (row(left), row(right)) else {
                return Ok(None);
            };
            check_lengths(&left, &right)?;
            let same = left.into_iter().zip(right);
            Some(joined(
                same.map(|(left, right)| Expr::IsNotDistinctFrom(Box::new(left), Box::new(right))),
                BinaryOperator::And,
            )?)
        }
        Expr::InList { expr, list, negated } => {
            let Some(left) = row(expr) else { return Ok(None) };
            let mut matches = vec![];
            for item in list {
                if let Some(compared) = record_comparisons::compared(expr, &BinaryOperator::Eq, item)? {
                    matches.push(compared);
                    continue;
                }
                let item = row(item).ok_or_else(|| Error::syntax("unequal number of entries in row expressions"))?;
                check_lengths(&left, &item)?;
                matches.push(compared(&left, &BinaryOperator::Eq, &item)?);
            }
            Some(negated_if(*negated, joined(matches.into_iter(), BinaryOperator::Or)?))
        }
        Expr::IsNull(value) => row(value).map(|columns| every(columns, true)),
        Expr::IsNotNull(value) => row(value).map(|columns| every(columns, false)),
        other => record(other),
    })
}

pub(super) fn check_lengths(left: &[Expr], right: &[Expr]) -> Result<()> {
    match left.len() == right.len() {
        true => Ok(()),
        false => Err(Error::syntax("unequal number of entries in row expressions")),
    }
}

fn negated_if(negated: bool, expression: Expr) -> Expr {
    match negated {
        true => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(Expr::Nested(Box::new(expression))),
        },
        false => expression,
    }
}

pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

pub(super) fn joined(parts: impl Iterator<Item = Expr>, op: BinaryOperator) -> Result<Expr> {
    parts
        .reduce(|all, part| binary(all, op.clone(), part))
        .map(|all| Expr::Nested(Box::new(all)))
        .ok_or_else(|| Error::syntax("cannot compare rows of zero length"))
}

pub(super) fn compared(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> Result<Expr> {
    let pairs = || left.iter().cloned().zip(right.iter().cloned());
    let strict = match op {
        BinaryOperator::Eq | BinaryOperator::NotEq => {
            let glue = if *op == BinaryOperator::Eq {
                BinaryOperator::And
            } else {
                BinaryOperator::Or
            };
            return joined(pairs().map(|(left, right)| binary(left, op.clone(), right)), glue);
        }
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::Gt | BinaryOperator::GtEq => BinaryOperator::Gt,
        other => return Err(Error::unsupported(format!("{other} between rows"))),
    };
    // The first columns that differ decide; the last pair by the operator itself.
    let mut pairs: Vec<(Expr, Expr)> = pairs().collect();
    let (last_left, last_right) = pairs
        .pop()
        .ok_or_else(|| Error::syntax("cannot compare rows of zero length"))?;
    let mut decided = binary(last_left, op.clone(), last_right);
    for (left, right) in pairs.into_iter().rev() {
        let equal = binary(left.clone(), BinaryOperator::Eq, right.clone());
        let rest = Expr::Nested(Box::new(binary(equal, BinaryOperator::And, decided)));
        decided = Expr::Nested(Box::new(binary(
            binary(left, strict.clone(), right),
            BinaryOperator::Or,
            rest,
        )));
    }
    Ok(decided)
}

fn overlaps(left: Vec<Expr>, right: Vec<Expr>) -> Result<Expr> {
    let (Ok([start, end]), Ok([other_start, other_end])) = (<[Expr; 2]>::try_from(left), <[Expr; 2]>::try_from(right))
    else {
        return Err(Error::syntax(
            "wrong number of parameters on left side of OVERLAPS expression",
        ));
    };
    let period_end = |start: &Expr, end: Expr| call("period_end", vec![start.clone(), end]);
    let (end, other_end) = (period_end(&start, end), period_end(&other_start, other_end));
    Ok(call("overlaps", vec![start, end, other_start, other_end]))
}

/// `GROUP BY (a, b)` groups by the columns, not by a row of them.
fn ungroup(keys: &mut GroupByExpr) {
    if let GroupByExpr::Expressions(keys, _) = keys {
        *keys = std::mem::take(keys)
            .into_iter()
            .flat_map(|key| match key {
                Expr::Tuple(columns) => columns,
                other => vec![other],
            })
            .collect();
    }
}
