//! Parts of json values: the operators `-> ->> #> #>> ? @>` and the functions of the same purpose, and the sets of
//! rows that members and elements are, as arrays.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{Arguments, Overload, OverloadedFunction, RowBody, invalid, kernel, rows};
use super::scan::{self, Kind};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::coercion::{self, Category, category};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    let on_both =
        |name, json: &str, jsonb: &str, body: RowBody| immutable(name, vec![rows(json, body), rows(jsonb, body)]);
    let mut functions = vec![
        immutable("json_get", picked("json", "json", false)),
        immutable("jsonb_get", picked("jsonb", "jsonb", false)),
        immutable(
            "json_get_text",
            [picked("json", "text", true), picked("jsonb", "text", true)]
                .into_iter()
                .flatten()
                .collect(),
        ),
        immutable(
            "json_get_path",
            vec![rows("(json, text[]) json", |_, row| at_path(row))],
        ),
        immutable(
            "jsonb_get_path",
            vec![rows("(jsonb, text[]) jsonb", |_, row| at_path(row))],
        ),
        on_both(
            "json_get_path_text",
            "(json, text[]) text",
            "(jsonb, text[]) text",
            |_, row| text_at_path(row),
        ),
        immutable(
            "jsonb_exists",
            vec![kernel("(jsonb, text) bool", |args| {
                let (values, keys) = (args.texts(0)?, args.texts(1)?);
                args.build_bool(|row| {
                    Ok(values
                        .get(row)
                        .zip(keys.get(row))
                        .map(|(value, key)| exists(value, key)))
                })
            })],
        ),
        immutable(
            "jsonb_exists_any",
            vec![rows("(jsonb, text[]) bool", |_, row| {
                Ok(steps(row, 1).iter().any(|key| exists(text(row), key)).into())
            })],
        ),
        immutable(
            "jsonb_exists_all",
            vec![rows("(jsonb, text[]) bool", |_, row| {
                Ok(steps(row, 1).iter().all(|key| exists(text(row), key)).into())
            })],
        ),
        immutable(
            "jsonb_contains",
            vec![kernel("(jsonb, jsonb) bool", |args| contained(args, 0, 1))],
        ),
        immutable(
            "jsonb_contained",
            vec![kernel("(jsonb, jsonb) bool", |args| contained(args, 1, 0))],
        ),
    ];
    for (typeof_name, length_name, prefix) in [
        ("json_typeof", "json_array_length", "json"),
        ("jsonb_typeof", "jsonb_array_length", "jsonb"),
    ] {
        functions.push(immutable(
            typeof_name,
            vec![kernel(&format!("({prefix}) text"), |args| {
                let values = args.texts(0)?;
                args.build_text(|row, out| {
                    Ok(values
                        .get(row)
                        .map(|value| out.push_str(scan::kind(value).name()))
                        .is_some())
                })
            })],
        ));
        functions.push(immutable(
            length_name,
            vec![rows(&format!("({prefix}) int4"), |_, row| {
                match scan::kind(text(row)) {
                    Kind::Array => Ok(Datum::Int(scan::elements(text(row)).len() as i64)),
                    Kind::Object => Err(invalid("cannot get array length of a non-array")),
                    _ => Err(invalid("cannot get array length of a scalar")),
                }
            })],
        ));
    }
    for (name, prefix) in [("json_extract_path", "json"), ("jsonb_extract_path", "jsonb")] {
        functions.push(immutable(
            name,
            vec![rows(&format!("({prefix}, variadic text) {prefix}"), |_, row| {
                Ok(scan::at_path(text(row), &named_steps(row)).into())
            })],
        ));
    }
    for (name, prefix) in [("json_extract_path_text", "json"), ("jsonb_extract_path_text", "jsonb")] {
        functions.push(immutable(
            name,
            vec![rows(&format!("({prefix}, variadic text) text"), |_, row| {
                shown(scan::at_path(text(row), &named_steps(row)))
            })],
        ));
    }
    functions.extend(sets());
    functions
}

/// Sets of rows as arrays, one function for each column of a set.
fn sets() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    let mut functions = vec![];
    macro_rules! set {
        ($name:literal, $signature:literal, $body:expr) => {
            functions.push(immutable($name, vec![rows($signature, $body)]));
        };
    }
    set!("json_elements", "(json) json[]", |_, row| elements(row));
    set!("jsonb_elements", "(jsonb) jsonb[]", |_, row| elements(row));
    set!("json_element_texts", "(json) text[]", |_, row| element_texts(row));
    set!("jsonb_element_texts", "(jsonb) text[]", |_, row| element_texts(row));
    set!("json_keys", "(json) text[]", |_, row| keys(row, "json_object_keys"));
    set!("jsonb_keys", "(jsonb) text[]", |_, row| keys(row, "jsonb_object_keys"));
    set!("json_member_keys", "(json) text[]", |_, row| keys(row, "json_each"));
    set!("jsonb_member_keys", "(jsonb) text[]", |_, row| keys(row, "jsonb_each"));
    set!("json_member_values", "(json) json[]", |_, row| values(row));
    set!("jsonb_member_values", "(jsonb) jsonb[]", |_, row| values(row));
    set!("json_member_texts", "(json) text[]", |_, row| value_texts(row));
    set!("jsonb_member_texts", "(jsonb) text[]", |_, row| value_texts(row));
    functions
}

fn text(row: &[Datum]) -> &str {
    row.first().and_then(Datum::as_text).unwrap_or_default()
}

/// The elements of an array argument as text.
fn steps(row: &[Datum], index: usize) -> Vec<String> {
    match row.get(index) {
        Some(Datum::List(steps)) => steps.iter().filter_map(Datum::as_text).map(str::to_string).collect(),
        _ => vec![],
    }
}

fn named_steps(row: &[Datum]) -> Vec<String> {
    row[1..].iter().filter_map(Datum::as_text).map(str::to_string).collect()
}

/// `value[key]` and `value[position]`.
pub(crate) fn subscripts() -> Vec<Overload> {
    let mut overloads = picked("jsonb", "jsonb", false);
    overloads.push(kernel("(jsonb, any, any, variadic any) jsonb", by_path));
    overloads
}

/// Whether one argument holds the other.
fn contained(args: &Arguments<'_>, whole: usize, part: usize) -> Result<ArrayRef> {
    let (values, parts) = (args.texts(whole)?, args.texts(part)?);
    args.build_bool(|row| {
        let pair = values.get(row).zip(parts.get(row));
        Ok(pair.map(|(value, part)| contains(value, part, true)))
    })
}

/// One subscript after the other: positions of elements, names of members.
fn by_path(args: &Arguments<'_>) -> Result<ArrayRef> {
    enum Step {
        Positions(Int64Array),
        Names(StringViewArray),
    }
    let mut steps = vec![];
    for index in 1..args.len() {
        let given = args.array(index);
        steps.push(match args.sql_type(index) {
            SqlType::Int2 | SqlType::Int4 | SqlType::Int8 => {
                Step::Positions(cast(given, &DataType::Int64)?.as_primitive().clone())
            }
            sql_type if matches!(category(sql_type), Category::Text | Category::Unknown) => {
                Step::Names(cast(given, &DataType::Utf8View)?.as_string_view().clone())
            }
            other => {
                let message = format!("subscript type {} is not supported", coercion::shown(other));
                let hint = "jsonb subscript must be coercible to either integer or text.";
                return Err(Error::new(SqlState::DatatypeMismatch, message).with_hint(hint));
            }
        });
    }
    let values = args.texts(0)?;
    args.build_text(|row, out| {
        let mut value = values.get(row);
        for (index, step) in (1..).zip(&steps) {
            let at = args.row_of(index, row);
            value = value.and_then(|value| match step {
                Step::Positions(positions) => {
                    let position = positions.is_valid(at).then(|| positions.value(at))?;
                    scan::element(value, position)
                }
                Step::Names(names) => scan::member(value, names.is_valid(at).then(|| names.value(at))?),
            });
        }
        push(value, false, out)
    })
}

fn picked(json: &str, returns: &str, as_text: bool) -> Vec<Overload> {
    let by_name: super::super::overload::Kernel = if as_text {
        |args| by_name(args, true)
    } else {
        |args| by_name(args, false)
    };
    // To jsonb a scalar is an array of itself.
    let by_position: super::super::overload::Kernel = match (json == "jsonb", as_text) {
        (true, true) => |args| by_position(args, true, true),
        (true, false) => |args| by_position(args, true, false),
        (false, true) => |args| by_position(args, false, true),
        (false, false) => |args| by_position(args, false, false),
    };
    vec![
        kernel(&format!("({json}, text) {returns}"), by_name),
        kernel(&format!("({json}, int4) {returns}"), by_position),
    ]
}

fn push(value: Option<&str>, as_text: bool, out: &mut String) -> Result<bool> {
    let Some(value) = value else { return Ok(false) };
    match as_text {
        false => out.push_str(value),
        true => match scan::shown(value)? {
            Some(shown) => out.push_str(&shown),
            None => return Ok(false),
        },
    }
    Ok(true)
}

fn by_name(args: &Arguments<'_>, as_text: bool) -> Result<ArrayRef> {
    let (values, names) = (args.texts(0)?, args.texts(1)?);
    args.build_text(|row, out| match (values.get(row), names.get(row)) {
        (Some(value), Some(name)) => push(scan::member(value, name), as_text, out),
        _ => Ok(false),
    })
}

fn by_position(args: &Arguments<'_>, of_scalars: bool, as_text: bool) -> Result<ArrayRef> {
    let (values, positions) = (args.texts(0)?, args.int4(1)?);
    args.build_text(|row, out| match (values.get(row), positions.get(row)) {
        (Some(value), Some(0 | -1)) if of_scalars && !matches!(scan::kind(value), Kind::Array | Kind::Object) => {
            push(Some(value), as_text, out)
        }
        (Some(value), Some(position)) => push(scan::element(value, i64::from(position)), as_text, out),
        _ => Ok(false),
    })
}

fn shown(value: Option<&str>) -> Result<Datum> {
    match value {
        Some(value) => Ok(scan::shown(value)?.into()),
        None => Ok(Datum::Null),
    }
}

fn at_path(row: &[Datum]) -> Result<Datum> {
    Ok(found_at(row).into())
}

fn text_at_path(row: &[Datum]) -> Result<Datum> {
    shown(found_at(row))
}

/// A step that is NULL leads nowhere.
fn found_at(row: &[Datum]) -> Option<&str> {
    match row.get(1) {
        Some(Datum::List(steps)) if steps.iter().any(Datum::is_null) => None,
        _ => scan::at_path(text(row), &steps(row, 1)),
    }
}

/// Whether a key, or a string element, is there at the top.
fn exists(value: &str, key: &str) -> bool {
    match scan::kind(value) {
        Kind::Object => scan::member(value, key).is_some(),
        Kind::Array => scan::elements(value).into_iter().any(|element| {
            scan::kind(element) == Kind::String && scan::unquoted(element).is_ok_and(|text| text == key)
        }),
        Kind::String => scan::unquoted(value).is_ok_and(|text| text == key),
        _ => false,
    }
}

/// jsonb's `@>`: members by name, elements in any order; an array at the top holds a scalar by itself.
fn contains(value: &str, part: &str, at_top: bool) -> bool {
    match (scan::kind(value), scan::kind(part)) {
        (Kind::Object, Kind::Object) => scan::members(part).into_iter().all(|(key, wanted)| {
            let name = scan::unquoted(key).unwrap_or_default();
            scan::member(value, &name).is_some_and(|found| contains(found, wanted, false))
        }),
        (Kind::Array, Kind::Array) => {
            let found = scan::elements(value);
            let holds = |wanted: &str| found.iter().any(|element| contains(element, wanted, false));
            scan::elements(part).into_iter().all(holds)
        }
        (Kind::Array, Kind::Object) => false,
        (Kind::Array, _) if at_top => scan::elements(value)
            .into_iter()
            .any(|element| same_scalar(element, part)),
        (kind, other) if kind == other => same_scalar(value, part),
        _ => false,
    }
}

/// Scalars of canonical texts; numbers by value.
fn same_scalar(left: &str, right: &str) -> bool {
    let number = |text: &str| crate::types::parse::parse_decimal(text).ok();
    left == right
        || match (scan::kind(left), scan::kind(right)) {
            (Kind::Number, Kind::Number) => match (number(left), number(right)) {
                (Some(left), Some(right)) => {
                    let exact = |decimal: crate::types::parse::Decimal| {
                        crate::types::numeric::Number::new(decimal.value, i32::from(decimal.scale))
                    };
                    exact(left).compare(exact(right)).is_eq()
                }
                _ => false,
            },
            _ => false,
        }
}

fn elements(row: &[Datum]) -> Result<Datum> {
    match scan::kind(text(row)) {
        Kind::Array => Ok(Datum::List(
            scan::elements(text(row)).into_iter().map(Datum::from).collect(),
        )),
        Kind::Object => Err(invalid("cannot extract elements from an object")),
        _ => Err(invalid("cannot extract elements from a scalar")),
    }
}

fn element_texts(row: &[Datum]) -> Result<Datum> {
    match elements(row)? {
        Datum::List(list) => list
            .iter()
            .map(|element| shown(element.as_text()))
            .collect::<Result<Vec<_>>>()
            .map(Datum::List),
        other => Ok(other),
    }
}

fn keys(row: &[Datum], function: &str) -> Result<Datum> {
    match scan::kind(text(row)) {
        Kind::Object => scan::members(text(row))
            .into_iter()
            .map(|(key, _)| scan::unquoted(key).map(Datum::from))
            .collect::<Result<Vec<_>>>()
            .map(Datum::List),
        Kind::Array => Err(invalid(format!("cannot call {function} on an array"))),
        _ => Err(invalid(format!("cannot call {function} on a scalar"))),
    }
}

fn values(row: &[Datum]) -> Result<Datum> {
    Ok(Datum::List(
        scan::members(text(row))
            .into_iter()
            .map(|(_, value)| Datum::from(value))
            .collect(),
    ))
}

fn value_texts(row: &[Datum]) -> Result<Datum> {
    scan::members(text(row))
        .into_iter()
        .map(|(_, value)| shown(Some(value)))
        .collect::<Result<Vec<_>>>()
        .map(Datum::List)
}
