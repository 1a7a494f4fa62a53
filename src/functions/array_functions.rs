//! Arrays as values: joining, searching, replacing, bounds. Elements compare as PostgreSQL's `=` does, and NULL is
//! found as NULL.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int32Builder, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::datum::Datum;
use super::intervals::interval_nanos;
use super::overload::{Arguments, OverloadedFunction, RowBody, kernel, rows};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let function =
        |name, signature: &str, body: RowBody| OverloadedFunction::immutable(name, vec![rows(signature, body)]);
    let on_null = |name, signature: &str, body: RowBody| {
        OverloadedFunction::immutable(name, vec![rows(signature, body).called_on_null()])
    };
    let mut functions = vec![
        on_null("array_cat", "(array, array) $1", |_, row| Ok(joined(&row[0], &row[1]))),
        on_null("array_append", "(array, element) $1", |_, row| {
            Ok(Datum::List([elements(&row[0]), std::slice::from_ref(&row[1])].concat()))
        }),
        on_null("array_prepend", "(element, array) $2", |_, row| {
            Ok(Datum::List([std::slice::from_ref(&row[0]), elements(&row[1])].concat()))
        }),
        on_null("array_remove", "(array, element) $1", |_, row| match &row[0] {
            Datum::List(list) => Ok(Datum::List(
                list.iter().filter(|element| !same(element, &row[1])).cloned().collect(),
            )),
            _ => Ok(Datum::Null),
        }),
        on_null("array_replace", "(array, element, element) $1", |_, row| {
            match &row[0] {
                Datum::List(list) => {
                    let replaced = list
                        .iter()
                        .map(|element| if same(element, &row[1]) { &row[2] } else { element });
                    Ok(Datum::List(replaced.cloned().collect()))
                }
                _ => Ok(Datum::Null),
            }
        }),
        OverloadedFunction::immutable(
            "array_position",
            vec![
                rows("(array, element) int4", |_, row| Ok(position(row))).called_on_null(),
                rows("(array, element, int4) int4", |_, row| Ok(position(row))).called_on_null(),
            ],
        ),
        on_null("array_positions", "(array, element) int4[]", |_, row| match &row[0] {
            Datum::List(list) => {
                let found = list.iter().enumerate().filter(|(_, element)| same(element, &row[1]));
                Ok(Datum::List(
                    found.map(|(index, _)| Datum::Int(index as i64 + 1)).collect(),
                ))
            }
            _ => Ok(Datum::Null),
        }),
        function("arraycontains", "(array, array) bool", |_, row| {
            Ok(elements(&row[1]).iter().all(|wanted| holds(&row[0], wanted)).into())
        }),
        function("arrayoverlap", "(array, array) bool", |_, row| {
            Ok(elements(&row[1]).iter().any(|wanted| holds(&row[0], wanted)).into())
        }),
        function("array_length", "(anyarray, int4) int4", |args, row| {
            Ok(bound(args, row))
        }),
        function("array_upper", "(anyarray, int4) int4", |args, row| Ok(bound(args, row))),
        function("array_lower", "(anyarray, int4) int4", |args, row| {
            Ok(if bound(args, row).is_null() {
                Datum::Null
            } else {
                Datum::Int(1)
            })
        }),
        function("array_ndims", "(anyarray) int4", |args, row| {
            Ok(Some(dimensions(&row[0], depth(args)).len() as i64)
                .filter(|count| *count > 0)
                .into())
        }),
        function("array_dims", "(anyarray) text", |args, row| {
            let shown: String = dimensions(&row[0], depth(args))
                .iter()
                .map(|length| format!("[1:{length}]"))
                .collect();
            Ok(Some(shown).filter(|shown| !shown.is_empty()).into())
        }),
        function("cardinality", "(anyarray) int4", |args, row| {
            Ok(Datum::Int(
                dimensions(&row[0], depth(args))
                    .into_iter()
                    .reduce(|all, length| all * length)
                    .unwrap_or(0),
            ))
        }),
        function("trim_array", "(anyarray, int4) $1", |_, row| {
            let (list, count) = (elements(&row[0]), row[1].as_int().unwrap_or_default());
            let kept = i64::try_from(list.len()).unwrap_or(i64::MAX) - count;
            if count < 0 || kept < 0 {
                return Err(Error::new(
                    SqlState::ArraySubscriptError,
                    format!("number of elements to trim must be between 0 and {}", list.len()),
                ));
            }
            Ok(Datum::List(list[..kept as usize].to_vec()))
        }),
        OverloadedFunction::immutable(
            "array_fill",
            vec![
                rows("(any, int4[]) $1[]", filled).called_on_null(),
                rows("(any, int4[], int4[]) $1[]", |args, row| match elements(&row[2]) {
                    [Datum::Int(1)] => filled(args, row),
                    _ => Err(Error::unsupported("arrays with other lower bounds than 1")),
                })
                .called_on_null(),
            ],
        ),
        on_null("array_any", "(text, element, array) bool", |_, row| {
            quantified(row, true)
        }),
        on_null("array_all", "(text, element, array) bool", |_, row| {
            quantified(row, false)
        }),
    ];
    functions.extend(super::array_order::functions());
    functions.push(OverloadedFunction::immutable(
        "array_flattened",
        std::iter::once(kernel("(anyarray) $1", flattened).returning(|types, _| Ok(flat_type(&types[0]).to_arrow())))
            .chain(super::multiranges::unnested())
            .collect(),
    ));
    functions.push(OverloadedFunction::immutable(
        "array_slice_dimensions",
        vec![
            rows("(anyarray, variadic int4) $1", |args, row| {
                Ok(slice_dimensions(&row[0], depth(args), &row[1..]))
            })
            .called_on_null(),
        ],
    ));
    let of_array = kernel("(anyarray, variadic int4) innermost($1)", subscript);
    functions.push(OverloadedFunction::immutable(
        "array_subscript",
        std::iter::once(of_array).chain(super::json::subscripts()).collect(),
    ));
    functions.push(OverloadedFunction::immutable(
        "array_slice_bounds",
        vec![rows("(anyarray, int4, int4) $1", |_, row| Ok(slice(row))).called_on_null()],
    ));
    functions
}

fn elements(datum: &Datum) -> &[Datum] {
    match datum {
        Datum::List(list) => list,
        _ => &[],
    }
}

/// Equal, NULL being equal to NULL.
pub(super) fn same(left: &Datum, right: &Datum) -> bool {
    match (left, right) {
        (Datum::Decimal(left, left_scale), Datum::Decimal(right, right_scale)) => {
            let number = |value: &i128, scale: &i8| crate::types::numeric::Number::new(*value, i32::from(*scale));
            number(left, left_scale).compare(number(right, right_scale)).is_eq()
        }
        (Datum::Interval(left), Datum::Interval(right)) => interval_nanos(*left) == interval_nanos(*right),
        (Datum::List(left), Datum::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        _ => left == right,
    }
}

fn holds(list: &Datum, wanted: &Datum) -> bool {
    !wanted.is_null() && elements(list).iter().any(|element| same(element, wanted))
}

/// An empty array takes the other's place; an array of one dimension less is a row of the other.
fn joined(left: &Datum, right: &Datum) -> Datum {
    match (left, right) {
        (Datum::Null, other) | (other, Datum::Null) => other.clone(),
        (left, right) => Datum::List([elements(left), elements(right)].concat()),
    }
}

fn position(row: &[Datum]) -> Datum {
    let Datum::List(list) = &row[0] else { return Datum::Null };
    let skipped = match row.get(2) {
        Some(Datum::Int(start)) => usize::try_from(start - 1).unwrap_or_default(),
        _ => 0,
    };
    let found = list
        .iter()
        .enumerate()
        .skip(skipped)
        .find(|(_, element)| same(element, &row[1]));
    found.map(|(index, _)| index as i64 + 1).into()
}

/// How many dimensions an array of the first argument's type has at most.
fn depth(args: &Arguments<'_>) -> usize {
    std::iter::successors(Some(args.sql_type(0)), |sql_type| match sql_type {
        SqlType::Array(element) => Some(element),
        _ => None,
    })
    .skip(1)
    .count()
}

/// Lengths of the dimensions; none for an empty array. Elements that are rows are lists too, of their fields.
fn dimensions(datum: &Datum, depth: usize) -> Vec<i64> {
    match elements(datum) {
        list @ [first, ..] if depth > 0 => {
            let mut lengths = vec![list.len() as i64];
            lengths.extend(dimensions(first, depth - 1));
            lengths
        }
        _ => vec![],
    }
}

fn bound(args: &Arguments<'_>, row: &[Datum]) -> Datum {
    let wanted = row[1]
        .as_int()
        .and_then(|dimension| usize::try_from(dimension - 1).ok());
    let lengths = dimensions(&row[0], depth(args));
    wanted.and_then(|index| lengths.get(index).copied()).into()
}

fn filled(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    if row[1].is_null() {
        let message = "dimension array or low bound array cannot be null";
        return Err(Error::new(SqlState::NullValueNotAllowed, message));
    }
    let lengths: Vec<i64> = elements(&row[1]).iter().filter_map(Datum::as_int).collect();
    let [length] = lengths.as_slice() else {
        return Err(Error::unsupported("array_fill() with several dimensions"));
    };
    // A number of elements that PostgreSQL's arrays have, too.
    const MOST_ELEMENTS: i64 = 134_217_727;
    if *length < 0 || *length > MOST_ELEMENTS {
        let message = format!("array size exceeds the maximum allowed ({MOST_ELEMENTS})");
        return Err(Error::new(SqlState::ProgramLimitExceeded, message));
    }
    let length = usize::try_from(*length).unwrap_or_default();
    args.room().fit(length.saturating_mul(2 * size_of::<Datum>()))?;
    Ok(Datum::List(vec![row[0].clone(); length]))
}

/// `value op ANY (array)` or ALL, with three truth values.
fn quantified(row: &[Datum], any: bool) -> Result<Datum> {
    let (operator, value, list) = (row[0].as_text().unwrap_or_default(), &row[1], &row[2]);
    let Datum::List(list) = list else {
        return Ok(Datum::Null);
    };
    let mut unknown = false;
    for element in list {
        if value.is_null() || element.is_null() {
            unknown = true;
            continue;
        }
        if holds_between(operator, value, element)? == any {
            return Ok(any.into());
        }
    }
    Ok(if unknown { Datum::Null } else { (!any).into() })
}

fn holds_between(operator: &str, left: &Datum, right: &Datum) -> Result<bool> {
    let text = |datum: &Datum| datum.as_text().unwrap_or_default().to_string();
    Ok(match operator {
        "=" => same(left, right),
        "<>" | "!=" => !same(left, right),
        "<" => is_less(left, right),
        ">" => is_less(right, left),
        "<=" => !is_less(right, left),
        ">=" => !is_less(left, right),
        "~~" | "!~~" | "~~*" | "!~~*" => {
            let found = super::regular::is_like(&text(left), &text(right), operator.ends_with('*'))?;
            found != operator.starts_with('!')
        }
        "~" | "!~" | "~*" | "!~*" => {
            let found = super::regular::is_match(&text(left), &text(right), operator.ends_with('*'))?;
            found != operator.starts_with('!')
        }
        other => return Err(Error::unsupported(format!("{other} with ANY or ALL of an array"))),
    })
}

/// How many of the sorted thresholds lie at or below the value.
pub(super) fn bucket(row: &[Datum]) -> Datum {
    let is_below = |threshold: &&Datum| !is_less(&row[0], threshold);
    Datum::Int(elements(&row[1]).iter().take_while(is_below).count() as i64)
}

pub(super) fn is_less(left: &Datum, right: &Datum) -> bool {
    match (left, right) {
        (Datum::Int(left), Datum::Int(right)) | (Datum::Micros(left), Datum::Micros(right)) => left < right,
        (Datum::Float(left), Datum::Float(right)) => left < right,
        (Datum::Text(left), Datum::Text(right)) => left < right,
        (Datum::Date(left), Datum::Date(right)) => left < right,
        (Datum::Decimal(left, left_scale), Datum::Decimal(right, right_scale)) => {
            let number = |value: &i128, scale: &i8| crate::types::numeric::Number::new(*value, i32::from(*scale));
            number(left, left_scale).compare(number(right, right_scale)).is_lt()
        }
        (Datum::Interval(left), Datum::Interval(right)) => interval_nanos(*left) < interval_nanos(*right),
        (Datum::Bool(left), Datum::Bool(right)) => left < right,
        _ => false,
    }
}

/// `a[n]`, `a[m][n]`: positions count from one; those outside the array are NULL, and so are others than one for each
/// dimension.
fn subscript(args: &Arguments<'_>) -> Result<ArrayRef> {
    let mut dimensions: Vec<&ListArray> = vec![];
    let mut values = args.array(0);
    while let Some(lists) = values.as_list_opt::<i32>() {
        dimensions.push(lists);
        values = lists.values();
    }
    let positions = (1..args.len())
        .map(|index| args.int4(index))
        .collect::<Result<Vec<_>>>()?;
    let mut indices = Int32Builder::with_capacity(args.rows());
    for row in 0..args.rows() {
        let inside = |at: usize, (lists, position): (&&ListArray, Option<i32>)| {
            let position = position.filter(|position| (1..=lists.value_length(at)).contains(position))?;
            let place = lists.is_valid(at).then(|| lists.value_offsets()[at] + position - 1)?;
            usize::try_from(place).ok()
        };
        let mut steps = dimensions
            .iter()
            .zip(positions.iter().map(|position| position.get(row)));
        let place = match dimensions.len() == positions.len() {
            true => steps.try_fold(args.row_of(0, row), inside),
            false => None,
        };
        indices.append_option(place.map(|place| place as i32));
    }
    Ok(take(values, &indices.finish(), None)?)
}

/// `a[from:to]`: positions outside the array are left away.
fn slice(row: &[Datum]) -> Datum {
    let Datum::List(list) = &row[0] else { return Datum::Null };
    let (Some(from), Some(to)) = (row[1].as_int(), row[2].as_int()) else {
        return Datum::Null;
    };
    let from = from.max(1) - 1;
    let to = to.min(list.len() as i64);
    match from < to {
        true => Datum::List(list[from as usize..to as usize].to_vec()),
        false => Datum::List(vec![]),
    }
}

/// `a[from:to][from:to]`: a part in each dimension; nothing where there are more than the array has.
fn slice_dimensions(array: &Datum, depth: usize, bounds: &[Datum]) -> Datum {
    if bounds.iter().any(Datum::is_null) || array.is_null() {
        return Datum::Null;
    }
    if dimensions(array, depth).len() < bounds.len() / 2 {
        return Datum::List(vec![]);
    }
    sliced(array, bounds)
}

fn sliced(array: &Datum, bounds: &[Datum]) -> Datum {
    let [from, to, inner @ ..] = bounds else {
        return array.clone();
    };
    let Datum::List(kept) = slice(&[array.clone(), from.clone(), to.clone()]) else {
        return Datum::Null;
    };
    let parts: Vec<Datum> = kept.iter().map(|part| sliced(part, inner)).collect();
    let is_empty = |part: &Datum| matches!(part, Datum::List(list) if list.is_empty());
    match parts.iter().any(is_empty) {
        true => Datum::List(vec![]),
        false => Datum::List(parts),
    }
}

fn flat_type(sql_type: &SqlType) -> SqlType {
    match sql_type {
        SqlType::Array(element) if matches!(element.as_ref(), SqlType::Array(_)) => flat_type(element),
        other => other.clone(),
    }
}

/// The elements of all dimensions in one.
fn flattened(args: &Arguments<'_>) -> Result<ArrayRef> {
    let mut array = Arc::clone(args.array(0));
    while let Some(outer) = array.as_list_opt::<i32>()
        && let Some(inner) = outer.values().as_list_opt::<i32>()
    {
        let DataType::List(item) = outer.values().data_type() else {
            break;
        };
        let ends = outer.offsets().iter().map(|offset| inner.offsets()[*offset as usize]);
        let offsets = OffsetBuffer::new(ends.collect::<Vec<i32>>().into());
        let flat = ListArray::new(
            Arc::clone(item),
            offsets,
            Arc::clone(inner.values()),
            outer.nulls().cloned(),
        );
        array = Arc::new(flat);
    }
    match args.is_constant(0) && args.rows() != 1 {
        true => Ok(take(&array, &Int32Array::from(vec![0; args.rows()]), None)?),
        false => Ok(array),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_have_dimensions() {
        let row = Datum::List(vec![Datum::Int(1), Datum::Int(2)]);
        let nested = Datum::List(vec![row.clone(), row.clone(), row.clone()]);
        assert_eq!(dimensions(&nested, 2), [3, 2]);
        assert_eq!(dimensions(&Datum::List(vec![]), 1), [0_i64; 0]);
        assert!(same(&Datum::Decimal(10, 1), &Datum::Decimal(100, 2)));
        assert_eq!(
            bucket(&[
                Datum::Int(5),
                Datum::List(vec![Datum::Int(1), Datum::Int(3), Datum::Int(6)])
            ]),
            Datum::Int(2)
        );
    }
}
