//! Ordered-set aggregates over the values that `array_agg` put in order: percentile_disc(), mode(), the ranks that a
//! value would have among them.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::array_functions::{is_less, same};
use super::datum::Datum;
use super::overload::{Overload, OverloadedFunction, RowBody, rows};
use crate::error::{Error, Result, SqlState};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "percentile_disc_of",
            vec![
                rows("(float8, anyarray) element($2)", |_, row| {
                    discrete(fraction(&row[0])?, list(row))
                }),
                rows("(float8[], anyarray) $2", |_, row| {
                    each(&row[0], |part| discrete(part, list(row)))
                }),
            ],
        ),
        immutable(
            "percentile_cont_of",
            vec![rows("(float8[], float8[]) float8[]", |_, row| {
                each(&row[0], |part| Ok(continuous(part, list(row))))
            })],
        ),
        immutable(
            "mode_of",
            vec![rows("(anyarray) element($1)", |_, row| Ok(mode(elements(&row[0]))))],
        ),
        immutable(
            "rank_of",
            vec![rank("int8", |_, row| Ok(Datum::Int(before(row).count() as i64 + 1)))],
        ),
        immutable(
            "dense_rank_of",
            vec![rank("int8", |_, row| {
                let mut different: Vec<&Datum> = vec![];
                for value in before(row) {
                    if !different.last().is_some_and(|last| same(last, value)) {
                        different.push(value);
                    }
                }
                Ok(Datum::Int(different.len() as i64 + 1))
            })],
        ),
        immutable(
            "percent_rank_of",
            vec![rank("float8", |_, row| {
                Ok(Datum::Float(match list(row).len() {
                    0 => 0.0,
                    count => before(row).count() as f64 / count as f64,
                }))
            })],
        ),
        immutable(
            "cume_dist_of",
            vec![rank("float8", |_, row| {
                let behind = list(row)
                    .iter()
                    .filter(|value| comes_before(&row[0], value, row))
                    .count();
                let count = list(row).len() + 1;
                Ok(Datum::Float((count - behind) as f64 / count as f64))
            })],
        ),
    ]
}

fn elements(datum: &Datum) -> &[Datum] {
    match datum {
        Datum::List(list) => list,
        _ => &[],
    }
}

fn list(row: &[Datum]) -> &[Datum] {
    elements(&row[1])
}

/// A function of the place that a value would have among those of an array: the value, the array, whether they descend, and
/// whether those that are NULL come first.
fn rank(returns: &str, place: RowBody) -> Overload {
    rows(&format!("(element, array, bool, bool) {returns}"), place).called_on_null()
}

/// The values before the one asked for.
fn before(row: &[Datum]) -> impl Iterator<Item = &Datum> {
    list(row).iter().filter(|value| comes_before(value, &row[0], row))
}

fn comes_before(value: &Datum, other: &Datum, row: &[Datum]) -> bool {
    let is_set = |index: usize| row.get(index).and_then(Datum::as_bool) == Some(true);
    match (value.is_null(), other.is_null()) {
        (true, true) => false,
        (true, false) => is_set(3),
        (false, true) => !is_set(3),
        _ if is_set(2) => is_less(other, value),
        _ => is_less(value, other),
    }
}

fn fraction(datum: &Datum) -> Result<f64> {
    match datum {
        Datum::Float(part) if (0.0..=1.0).contains(part) => Ok(*part),
        Datum::Float(part) => Err(Error::new(
            SqlState::NumericValueOutOfRange,
            format!("percentile value {part} is not between 0 and 1"),
        )),
        _ => Err(Error::internal("a percentile is a float")),
    }
}

fn each(parts: &Datum, value: impl Fn(f64) -> Result<Datum>) -> Result<Datum> {
    let values = elements(parts).iter().map(|part| match part.is_null() {
        true => Ok(Datum::Null),
        false => value(fraction(part)?),
    });
    values.collect::<Result<Vec<_>>>().map(Datum::List)
}

/// The first value whose share of the values reaches the fraction.
fn discrete(part: f64, values: &[Datum]) -> Result<Datum> {
    let position = (part * values.len() as f64).ceil() as usize;
    Ok(values.get(position.saturating_sub(1)).cloned().unwrap_or(Datum::Null))
}

fn continuous(part: f64, values: &[Datum]) -> Datum {
    let float = |index: usize| match values.get(index) {
        Some(Datum::Float(value)) => *value,
        _ => 0.0,
    };
    if values.is_empty() {
        return Datum::Null;
    }
    let position = part * (values.len() - 1) as f64;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    Datum::Float(float(low) + (position - low as f64) * (float(high) - float(low)))
}

/// The value that comes most often; of several, the first.
fn mode(values: &[Datum]) -> Datum {
    let (mut best, mut most, mut start) = (Datum::Null, 0, 0);
    for index in 0..values.len() {
        if !same(&values[start], &values[index]) {
            start = index;
        }
        if index + 1 - start > most {
            (best, most) = (values[index].clone(), index + 1 - start);
        }
    }
    best
}
