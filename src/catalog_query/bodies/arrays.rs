//! Functions on arrays and vectors.

use super::super::evaluate::compare;
use super::super::node::Body;
use super::{int_at, list_at};
use crate::functions::Datum;

pub(super) fn body(name: &str) -> Option<Body> {
    Some(match name {
        "array_length" => |_, _, row| Ok(length(row, int_at(row, 1)).filter(|length| *length > 0).into()),
        "array_lower" => |_, callable, row| {
            let first = callable.arguments[0].lower_bound();
            Ok(length(row, int_at(row, 1))
                .filter(|length| *length > 0)
                .map(|_| first)
                .into())
        },
        "array_upper" => |_, callable, row| {
            let first = callable.arguments[0].lower_bound();
            let length = length(row, int_at(row, 1)).filter(|length| *length > 0);
            Ok(length.map(|length| first + length - 1).into())
        },
        "cardinality" => |_, _, row| Ok((count(list_at(row, 0))).into()),
        "array_ndims" => |_, _, row| match dimensions(list_at(row, 0)) {
            0 => Ok(Datum::Null),
            number => Ok(number.into()),
        },
        "array_remove" => |_, _, row| {
            let kept = list_at(row, 0).iter().filter(|value| !same(value, &row[1]));
            Ok(match &row[0] {
                Datum::List(_) => Datum::List(kept.cloned().collect()),
                _ => Datum::Null,
            })
        },
        "array_append" => |_, _, row| Ok(Datum::List(list_at(row, 0).iter().chain(&row[1..2]).cloned().collect())),
        "array_prepend" => |_, _, row| Ok(Datum::List(row[..1].iter().chain(list_at(row, 1)).cloned().collect())),
        "array_cat" => |_, _, row| {
            Ok(Datum::List(
                list_at(row, 0).iter().chain(list_at(row, 1)).cloned().collect(),
            ))
        },
        "array_position" => |_, callable, row| {
            if row[0].is_null() {
                return Ok(Datum::Null);
            }
            let first = callable.arguments[0].lower_bound();
            let found = list_at(row, 0).iter().position(|value| same(value, &row[1]));
            Ok(found.map(|index| index as i64 + first).into())
        },
        _ => return None,
    })
}

fn same(left: &Datum, right: &Datum) -> bool {
    match (left.is_null(), right.is_null()) {
        (true, true) => true,
        (false, false) => compare(left, right).is_eq(),
        _ => false,
    }
}

/// The length of a dimension, counted from one.
fn length(row: &[Datum], dimension: i64) -> Option<i64> {
    let mut values = list_at(row, 0);
    for _ in 1..dimension {
        values = match values.first() {
            Some(Datum::List(inner)) => inner,
            _ => return None,
        };
    }
    (dimension >= 1).then_some(values.len() as i64)
}

fn count(values: &[Datum]) -> i64 {
    values
        .iter()
        .map(|value| match value {
            Datum::List(inner) => count(inner),
            _ => 1,
        })
        .sum()
}

fn dimensions(values: &[Datum]) -> i64 {
    match values.first() {
        None => 0,
        Some(Datum::List(inner)) => 1 + dimensions(inner),
        Some(_) => 1,
    }
}
