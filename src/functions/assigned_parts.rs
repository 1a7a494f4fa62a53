//! `SET a[2] = x`, `SET a[1:2] = x` and `SET j['key'] = x`: the whole value with a part of it changed. Binding writes
//! these calls.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::datum::Datum;
use super::json;
use super::overload::{OverloadedFunction, rows};
use crate::error::{Error, Result, SqlState};

/// `assigned_part(whole, value, subscript …)`.
pub const ASSIGNED_PART: &str = "assigned_part";
/// `assigned_slice(whole, values, from, to)`.
pub const ASSIGNED_SLICE: &str = "assigned_slice";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        OverloadedFunction::immutable(
            ASSIGNED_PART,
            vec![
                rows("(array, element, int4) $1", |_, row| element(row)).called_on_null(),
                rows("(jsonb, jsonb, variadic any) jsonb", |_, row| member(row)).called_on_null(),
            ],
        ),
        OverloadedFunction::immutable(
            ASSIGNED_SLICE,
            vec![rows("(array, array, int4, int4) $1", |_, row| slice(row)).called_on_null()],
        ),
    ]
}

fn position(subscript: &Datum) -> Result<usize> {
    let Some(position) = subscript.as_int() else {
        let message = "array subscript in assignment must not be null";
        return Err(Error::new(SqlState::NullValueNotAllowed, message));
    };
    usize::try_from(position - 1)
        .map_err(|_| Error::unsupported("an array whose first element has another number than one"))
}

fn elements(array: &Datum) -> Vec<Datum> {
    match array {
        Datum::List(elements) => elements.clone(),
        _ => vec![],
    }
}

/// The most elements that a value has.
const LARGEST: usize = 134_217_727;

fn grown(mut elements: Vec<Datum>, length: usize) -> Result<Vec<Datum>> {
    if length > LARGEST {
        let message = format!("array size exceeds the maximum allowed ({LARGEST})");
        return Err(Error::new(SqlState::ProgramLimitExceeded, message));
    }
    if elements.len() < length {
        elements.resize(length, Datum::Null);
    }
    Ok(elements)
}

/// What an assignment from `place` on begins with: PostgreSQL numbers a new array's elements from there.
fn elements_before(array: &Datum, place: usize) -> Result<Vec<Datum>> {
    match elements(array) {
        empty if empty.is_empty() && place > 0 => Err(Error::unsupported(
            "an array whose first element has another number than one",
        )),
        known => Ok(known),
    }
}

fn element(row: &[Datum]) -> Result<Datum> {
    let place = position(&row[2])?;
    let mut elements = grown(elements_before(&row[0], place)?, place.saturating_add(1))?;
    elements[place] = row[1].clone();
    Ok(Datum::List(elements))
}

fn slice(row: &[Datum]) -> Result<Datum> {
    if row[1].is_null() {
        return Ok(row[0].clone());
    }
    let (from, to) = (position(&row[2])?, position(&row[3])?);
    let given = elements_of_slice(&row[1], from, to)?;
    let mut elements = grown(elements_before(&row[0], from)?, to.saturating_add(1))?;
    for (place, value) in (from..=to).zip(given) {
        elements[place] = value;
    }
    Ok(Datum::List(elements))
}

fn elements_of_slice(values: &Datum, from: usize, to: usize) -> Result<Vec<Datum>> {
    if to < from {
        let message = "upper bound cannot be less than lower bound";
        return Err(Error::new(SqlState::ArraySubscriptError, message));
    }
    let values = elements(values);
    match values.len() <= to - from {
        true => Err(Error::new(SqlState::ArraySubscriptError, "source array too small")),
        false => Ok(values),
    }
}

fn member(row: &[Datum]) -> Result<Datum> {
    let steps = row[2..].iter().map(|step| match step {
        Datum::Int(number) => Ok(json::Step::Number(*number)),
        Datum::Text(name) => Ok(json::Step::Name(name.clone())),
        Datum::Null => {
            let message = "jsonb subscript in assignment must not be null";
            Err(Error::new(SqlState::NullValueNotAllowed, message))
        }
        _ => {
            let message = "subscript type is not supported";
            Err(Error::new(SqlState::DatatypeMismatch, message)
                .with_hint("jsonb subscript must be coercible to either integer or text."))
        }
    });
    let steps = steps.collect::<Result<Vec<_>>>()?;
    // SQL's NULL is json's here.
    let value = row[1].as_text().unwrap_or("null");
    json::with_member(row[0].as_text(), &steps, value).map(Datum::from)
}
