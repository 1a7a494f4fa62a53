//! The ranks that a row of several values would have: `rank(1, 'a') WITHIN GROUP (ORDER BY x, y)` counts the rows that come
//! before it.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, OrderByExpr, Value,
    helpers::attached_token::AttachedToken,
};

use super::syntax::{call, plain_arguments};
use crate::error::{Error, Result, SqlState};
use crate::functions::ROW_VALUE;

/// The call in terms of counts; `None` where it is no rank.
pub(super) fn counted(function: &Function, name: &str) -> Result<Option<Expr>> {
    let is_rank = ["rank", "dense_rank", "percent_rank", "cume_dist"].contains(&name);
    if !is_rank || function.within_group.is_empty() {
        return Ok(None);
    }
    let FunctionArguments::List(list) = &function.args else {
        return Ok(None);
    };
    let values = plain_arguments(&list.args).unwrap_or_default();
    let keys = &function.within_group;
    if values.len() != keys.len() {
        let message = format!("function {name} does not exist");
        let hint = format!(
            "To use the hypothetical-set aggregate {name}, the number of hypothetical direct arguments (here {}) must match the \
             number of ordering columns (here {}).",
            values.len(),
            keys.len()
        );
        return Err(Error::new(SqlState::UndefinedFunction, message).with_hint(hint));
    }
    let places: Vec<(&OrderByExpr, &Expr)> = keys.iter().zip(&values).collect();
    let before = before(&places);
    let count = |condition: Option<Expr>| count(function, condition);
    Ok(Some(match name {
        "rank" => plus_one(count(before)),
        "dense_rank" => {
            let mut distinct = count(before);
            if let Expr::Function(distinct) = &mut distinct {
                distinct.args = arguments(FunctionArgExpr::Expr(row(keys)), Some(DuplicateTreatment::Distinct));
            }
            plus_one(distinct)
        }
        "percent_rank" => Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen {
                condition: binary(count(None), BinaryOperator::Eq, number(0)),
                result: as_float(number(0)),
            }],
            else_result: Some(Box::new(binary(
                as_float(count(before)),
                BinaryOperator::Divide,
                as_float(count(None)),
            ))),
        },
        _ => binary(
            as_float(plus_one(count(either(before, peers(&places))))),
            BinaryOperator::Divide,
            as_float(plus_one(count(None))),
        ),
    }))
}

/// Whether a row comes before the values, by the first key that they differ in.
fn before(places: &[(&OrderByExpr, &Expr)]) -> Option<Expr> {
    let mut condition = None;
    for (place, (key, value)) in places.iter().enumerate() {
        let precedes = precedes(key, value);
        condition = either(
            condition,
            Some(match peers(&places[..place]) {
                Some(equal) => binary(equal, BinaryOperator::And, precedes),
                None => precedes,
            }),
        );
    }
    condition
}

fn precedes(key: &OrderByExpr, value: &Expr) -> Expr {
    let is_descending = key.options.asc == Some(false);
    let has_nulls_first = key.options.nulls_first.unwrap_or(is_descending);
    let operator = match is_descending {
        true => BinaryOperator::Gt,
        false => BinaryOperator::Lt,
    };
    let (key, value) = (nested(key.expr.clone()), nested(value.clone()));
    let (first, second) = match has_nulls_first {
        true => (Expr::IsNull(key.clone().into()), Expr::IsNotNull(value.clone().into())),
        false => (Expr::IsNotNull(key.clone().into()), Expr::IsNull(value.clone().into())),
    };
    let is_less = Expr::IsTrue(Box::new(nested(binary(key, operator, value))));
    nested(binary(
        is_less,
        BinaryOperator::Or,
        nested(binary(first, BinaryOperator::And, second)),
    ))
}

/// Whether a row is equal to these of the values; `None` of none.
fn peers(places: &[(&OrderByExpr, &Expr)]) -> Option<Expr> {
    let equal = places.iter().map(|(key, value)| {
        let (key, value) = (nested(key.expr.clone()), nested((*value).clone()));
        Expr::IsNotDistinctFrom(Box::new(key), Box::new(value))
    });
    equal
        .reduce(|left, right| binary(left, BinaryOperator::And, right))
        .map(nested)
}

fn either(left: Option<Expr>, right: Option<Expr>) -> Option<Expr> {
    match (left, right) {
        (Some(left), Some(right)) => Some(nested(binary(left, BinaryOperator::Or, right))),
        (left, right) => left.or(right),
    }
}

/// How many of the call's rows meet the condition too.
fn count(function: &Function, condition: Option<Expr>) -> Expr {
    let mut counted = function.clone();
    counted.name = ObjectName::from(vec![Ident::new("count")]);
    counted.within_group = vec![];
    counted.args = arguments(FunctionArgExpr::Wildcard, None);
    counted.filter = match (counted.filter.take(), condition) {
        (Some(filter), Some(condition)) => {
            let filter = nested(*filter);
            Some(Box::new(binary(filter, BinaryOperator::And, condition)))
        }
        (filter, condition) => filter.or(condition.map(Box::new)),
    };
    Expr::Function(counted)
}

fn arguments(argument: FunctionArgExpr, duplicate_treatment: Option<DuplicateTreatment>) -> FunctionArguments {
    FunctionArguments::List(FunctionArgumentList {
        duplicate_treatment,
        args: vec![FunctionArg::Unnamed(argument)],
        clauses: vec![],
    })
}

/// The keys of one row.
fn row(keys: &[OrderByExpr]) -> Expr {
    let fields = keys.iter().enumerate().flat_map(|(place, key)| {
        let name = Expr::value(Value::SingleQuotedString(format!("f{}", place + 1)));
        [name, key.expr.clone()]
    });
    let there = Expr::value(Value::Boolean(true));
    call(ROW_VALUE, std::iter::once(there).chain(fields).collect())
}

fn plus_one(count: Expr) -> Expr {
    nested(binary(count, BinaryOperator::Plus, number(1)))
}

fn number(digit: u8) -> Expr {
    Expr::value(Value::Number(digit.to_string(), false))
}

fn as_float(number: Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(number),
        data_type: DataType::DoublePrecision,
        array: false,
        format: None,
    }
}

fn nested(expression: Expr) -> Expr {
    Expr::Nested(Box::new(expression))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}
