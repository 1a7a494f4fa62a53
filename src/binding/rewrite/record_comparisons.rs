//! `t = u` of relations' rows: they are compared as records, in which NULL equals NULL and comes last, while rows that the
//! text constructs are compared as their columns would be. A row that an outer join had to make up compares as NULL.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{BinaryOperator, CaseWhen, Expr, Function, FunctionArguments, Value};

use super::row_values::{binary, check_lengths, joined, row};
use super::syntax::{plain_arguments, system_name};
use crate::error::Result;
use crate::functions::ROW_VALUE;

/// What says of a relation's row that it is always there: a constructed row has the plain literal.
pub(in super::super) fn always_there() -> Expr {
    Expr::Nested(Box::new(Expr::value(Value::Boolean(true))))
}

/// A row in a comparison.
struct Record {
    columns: Vec<Expr>,
    is_relations: bool,
    /// Whether it is there, if that is a question.
    there: Option<Expr>,
}

impl Record {
    fn of(expression: &Expr) -> Option<Record> {
        let columns = row(expression)?;
        let there = first_argument(expression);
        let is_relations = there.as_ref().is_some_and(|there| !matches!(there, Expr::Value(_)));
        Some(Record {
            columns,
            is_relations,
            there: there.filter(|there| is_relations && *there != always_there()),
        })
    }
}

/// Of the record that a row is.
fn first_argument(expression: &Expr) -> Option<Expr> {
    match expression {
        Expr::Nested(inner) => first_argument(inner),
        Expr::Function(Function {
            name,
            args: FunctionArguments::List(list),
            ..
        }) if system_name(name).as_deref() == Some(ROW_VALUE) => plain_arguments(&list.args)?.into_iter().next(),
        _ => None,
    }
}

/// The comparison, if one side is a relation's row and the other one a row.
pub(super) fn compared(left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Option<Expr>> {
    let (Some(left), Some(right)) = (Record::of(left), Record::of(right)) else {
        return Ok(None);
    };
    if !left.is_relations && !right.is_relations {
        return Ok(None);
    }
    check_lengths(&left.columns, &right.columns)?;
    let pairs = left.columns.into_iter().zip(right.columns);
    let value = match op {
        BinaryOperator::Eq => joined(pairs.map(|(left, right)| same(left, right)), BinaryOperator::And)?,
        BinaryOperator::NotEq => {
            let differ = |(left, right)| Expr::IsDistinctFrom(Box::new(left), Box::new(right));
            joined(pairs.map(differ), BinaryOperator::Or)?
        }
        BinaryOperator::Lt | BinaryOperator::LtEq => in_order(pairs, *op == BinaryOperator::LtEq),
        BinaryOperator::Gt | BinaryOperator::GtEq => {
            in_order(pairs.map(|(left, right)| (right, left)), *op == BinaryOperator::GtEq)
        }
        _ => return Ok(None),
    };
    let there = [left.there, right.there].into_iter().flatten();
    Ok(Some(
        match there.reduce(|one, other| binary(one, BinaryOperator::And, other)) {
            None => value,
            Some(condition) => Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen {
                    condition,
                    result: value,
                }],
                else_result: None,
            },
        },
    ))
}

fn same(left: Expr, right: Expr) -> Expr {
    Expr::IsNotDistinctFrom(Box::new(left), Box::new(right))
}

/// Whether the first columns that differ are in order; `or_same` is what holds where none does.
fn in_order(pairs: impl Iterator<Item = (Expr, Expr)>, or_same: bool) -> Expr {
    let pairs: Vec<(Expr, Expr)> = pairs.collect();
    let nested = |expression| Expr::Nested(Box::new(expression));
    let none_differs = Expr::value(Value::Boolean(or_same));
    pairs.into_iter().rev().fold(none_differs, |rest, (left, right)| {
        let less = binary(left.clone(), BinaryOperator::Lt, right.clone());
        let is_less = Expr::IsTrue(Box::new(nested(less)));
        let before_null = binary(
            Expr::IsNotNull(Box::new(left.clone())),
            BinaryOperator::And,
            Expr::IsNull(Box::new(right.clone())),
        );
        let first = nested(binary(is_less, BinaryOperator::Or, nested(before_null)));
        let later = nested(binary(nested(same(left, right)), BinaryOperator::And, rest));
        nested(binary(first, BinaryOperator::Or, later))
    })
}
