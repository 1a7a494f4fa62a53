//! jsonb changed: `||`, `-`, `#-`, jsonb_set(), jsonb_insert(), jsonb_strip_nulls(), jsonb_pretty().

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{OverloadedFunction, invalid, rows};
use super::scan::{self, Kind};
use crate::error::{Error, Result, SqlState};
use crate::types::json::{canonical, write_string};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "jsonb_concat",
            vec![rows("(jsonb, jsonb) jsonb", |_, row| {
                concatenated(text(row, 0), text(row, 1))
            })],
        ),
        immutable(
            "jsonb_delete",
            vec![
                rows("(jsonb, text) jsonb", |_, row| {
                    without_keys(text(row, 0), &[text(row, 1).to_string()])
                }),
                rows("(jsonb, text[]) jsonb", |_, row| {
                    without_keys(text(row, 0), &steps(&row[1]))
                }),
                rows("(jsonb, int4) jsonb", |_, row| {
                    without_element(text(row, 0), row[1].as_int().unwrap_or_default())
                }),
            ],
        ),
        immutable(
            "jsonb_delete_path",
            vec![rows("(jsonb, text[]) jsonb", |_, row| {
                finished(changed(text(row, 0), &steps(&row[1]), &Change::Delete)?)
            })],
        ),
        immutable(
            "jsonb_set",
            vec![
                rows("(jsonb, text[], jsonb) jsonb", |_, row| set(row, true)),
                rows("(jsonb, text[], jsonb, bool) jsonb", |_, row| {
                    set(row, row[3].as_bool().unwrap_or(true))
                }),
            ],
        ),
        immutable(
            "jsonb_set_lax",
            [
                "(jsonb, text[], jsonb) jsonb",
                "(jsonb, text[], jsonb, bool) jsonb",
                "(jsonb, text[], jsonb, bool, text) jsonb",
            ]
            .into_iter()
            .map(|signature| rows(signature, |_, row| set_lax(row)).called_on_null())
            .collect(),
        ),
        immutable(
            "jsonb_insert",
            vec![
                rows("(jsonb, text[], jsonb) jsonb", |_, row| insert(row, false)),
                rows("(jsonb, text[], jsonb, bool) jsonb", |_, row| {
                    insert(row, row[3].as_bool().unwrap_or(false))
                }),
            ],
        ),
        immutable(
            "jsonb_strip_nulls",
            vec![rows("(jsonb) jsonb", |_, row| {
                finished(stripped(text(row, 0), ", ", ": "))
            })],
        ),
        immutable(
            "json_strip_nulls",
            vec![rows(
                "(json) json",
                |_, row| Ok(stripped(text(row, 0), ",", ":").into()),
            )],
        ),
        immutable(
            "jsonb_pretty",
            vec![rows("(jsonb) text", |_, row| {
                let mut out = String::new();
                pretty(text(row, 0), 0, &mut out);
                Ok(out.into())
            })],
        ),
    ]
}

/// jsonb_set() that is told what a new value of NULL means.
fn set_lax(row: &[Datum]) -> Result<Datum> {
    if row[0].is_null() || row[1].is_null() || row.get(3).is_some_and(Datum::is_null) {
        return Ok(Datum::Null);
    }
    let creates = row.get(3).and_then(Datum::as_bool).unwrap_or(true);
    if !row[2].is_null() {
        return set(row, creates);
    }
    match row.get(4).map_or(Some("use_json_null"), Datum::as_text) {
        Some("raise_exception") => Err(Error::new(SqlState::NullValueNotAllowed, "JSON value must not be null")
            .with_detail("Exception was raised because null_value_treatment is \"raise_exception\".")
            .with_hint(
                "To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.",
            )),
        Some("use_json_null") => {
            let replaced = [row[0].clone(), row[1].clone(), Datum::text("null")];
            set(&replaced, creates)
        }
        Some("delete_key") => finished(changed(text(row, 0), &steps(&row[1]), &Change::Delete)?),
        Some("return_target") => Ok(row[0].clone()),
        _ => Err(invalid(
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"",
        )),
    }
}

fn text(row: &[Datum], index: usize) -> &str {
    row.get(index).and_then(Datum::as_text).unwrap_or_default()
}

fn steps(datum: &Datum) -> Vec<String> {
    match datum {
        Datum::List(steps) => steps.iter().filter_map(Datum::as_text).map(str::to_string).collect(),
        _ => vec![],
    }
}

fn finished(text: String) -> Result<Datum> {
    canonical(&text).map(Datum::from)
}

fn array_of(elements: &[&str]) -> String {
    format!("[{}]", elements.join(", "))
}

fn object_of(members: &[(&str, &str)]) -> String {
    let shown: Vec<String> = members.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{{}}}", shown.join(", "))
}

/// Objects merge, arrays join; a scalar counts as an array of itself.
fn concatenated(left: &str, right: &str) -> Result<Datum> {
    if (scan::kind(left), scan::kind(right)) == (Kind::Object, Kind::Object) {
        return finished(object_of(&[scan::members(left), scan::members(right)].concat()));
    }
    let elements = |value: &str| -> Vec<String> {
        match scan::kind(value) {
            Kind::Array => scan::elements(value).into_iter().map(str::to_string).collect(),
            _ => vec![value.to_string()],
        }
    };
    let all = [elements(left), elements(right)].concat();
    finished(format!("[{}]", all.join(", ")))
}

fn without_keys(value: &str, keys: &[String]) -> Result<Datum> {
    let is_kept = |text: &str| !scan::unquoted(text).is_ok_and(|text| keys.contains(&text));
    match scan::kind(value) {
        Kind::Object => {
            let kept: Vec<_> = scan::members(value)
                .into_iter()
                .filter(|(key, _)| is_kept(key))
                .collect();
            finished(object_of(&kept))
        }
        Kind::Array => {
            let kept: Vec<_> = scan::elements(value)
                .into_iter()
                .filter(|element| scan::kind(element) != Kind::String || is_kept(element))
                .collect();
            finished(array_of(&kept))
        }
        _ => Err(invalid("cannot delete from scalar")),
    }
}

fn without_element(value: &str, position: i64) -> Result<Datum> {
    match scan::kind(value) {
        Kind::Array => {
            let mut elements = scan::elements(value);
            let position = if position < 0 {
                position + elements.len() as i64
            } else {
                position
            };
            if let Ok(position) = usize::try_from(position)
                && position < elements.len()
            {
                elements.remove(position);
            }
            finished(array_of(&elements))
        }
        Kind::Object => Err(invalid("cannot delete from object using integer index")),
        _ => Err(invalid("cannot delete from scalar")),
    }
}

/// What happens at the end of a path.
enum Change<'a> {
    Delete,
    /// Replaces; creates what is missing where the flag says so.
    Set(&'a str, bool),
    /// Puts an element before or after, or a member that is not there yet.
    Insert(&'a str, bool),
}

fn set(row: &[Datum], create: bool) -> Result<Datum> {
    finished(changed(
        text(row, 0),
        &steps(&row[1]),
        &Change::Set(text(row, 2), create),
    )?)
}

fn insert(row: &[Datum], after: bool) -> Result<Datum> {
    finished(changed(
        text(row, 0),
        &steps(&row[1]),
        &Change::Insert(text(row, 2), after),
    )?)
}

fn changed(value: &str, path: &[String], change: &Change<'_>) -> Result<String> {
    let Some((step, rest)) = path.split_first() else {
        return Ok(value.to_string());
    };
    match scan::kind(value) {
        Kind::Object => changed_object(value, step, rest, change),
        Kind::Array => changed_array(value, step, rest, change),
        _ if matches!(change, Change::Delete) => Err(invalid("cannot delete path in scalar")),
        _ => Err(invalid("cannot set path in scalar")),
    }
}

fn changed_object(value: &str, step: &str, rest: &[String], change: &Change<'_>) -> Result<String> {
    let mut members: Vec<(String, String)> = scan::members(value)
        .into_iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    let found = members
        .iter()
        .position(|(key, _)| scan::unquoted(key).is_ok_and(|key| key == step));
    match (found, rest.is_empty()) {
        (Some(index), false) => members[index].1 = nested(&members[index].1, rest, change)?,
        (Some(index), true) => match change {
            Change::Delete => {
                members.remove(index);
            }
            Change::Set(new, _) => members[index].1 = (*new).to_string(),
            Change::Insert(..) => {
                return Err(
                    Error::new(SqlState::InvalidParameterValue, "cannot replace existing key")
                        .with_hint("Try using the function jsonb_set to replace key value."),
                );
            }
        },
        (None, true) => match change {
            Change::Set(new, true) | Change::Insert(new, _) => {
                let mut key = String::new();
                write_string(step, &mut key);
                members.push((key, (*new).to_string()));
            }
            _ => {}
        },
        (None, false) => {}
    }
    let borrowed: Vec<(&str, &str)> = members
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    Ok(object_of(&borrowed))
}

/// A scalar on the way keeps as it is.
fn nested(value: &str, rest: &[String], change: &Change<'_>) -> Result<String> {
    match scan::kind(value) {
        Kind::Object | Kind::Array => changed(value, rest, change),
        _ => Ok(value.to_string()),
    }
}

fn changed_array(value: &str, step: &str, rest: &[String], change: &Change<'_>) -> Result<String> {
    let mut elements: Vec<String> = scan::elements(value).into_iter().map(str::to_string).collect();
    let position: i64 = step.trim().parse().map_err(|_| {
        Error::new(
            SqlState::InvalidTextRepresentation,
            format!("path element at position 1 is not an integer: \"{step}\""),
        )
    })?;
    let length = elements.len() as i64;
    let position = if position < 0 { position + length } else { position };
    let inside = (0..length).contains(&position);
    let index = position.clamp(0, length) as usize;
    match (inside, rest.is_empty(), change) {
        (true, false, _) => elements[index] = nested(&elements[index], rest, change)?,
        (true, true, Change::Delete) => {
            elements.remove(index);
        }
        (true, true, Change::Set(new, _)) => elements[index] = (*new).to_string(),
        (true, true, Change::Insert(new, after)) => elements.insert(index + usize::from(*after), (*new).to_string()),
        (false, true, Change::Set(new, true) | Change::Insert(new, _)) => elements.insert(index, (*new).to_string()),
        _ => {}
    }
    let borrowed: Vec<&str> = elements.iter().map(String::as_str).collect();
    Ok(array_of(&borrowed))
}

/// Without members whose value is null, at any depth; elements stay.
fn stripped(value: &str, comma: &str, colon: &str) -> String {
    match scan::kind(value) {
        Kind::Object => {
            let kept: Vec<String> = scan::members(value)
                .into_iter()
                .filter(|(_, value)| scan::kind(value) != Kind::Null)
                .map(|(key, value)| format!("{key}{colon}{}", stripped(value, comma, colon)))
                .collect();
            format!("{{{}}}", kept.join(comma))
        }
        Kind::Array => {
            let kept: Vec<String> = scan::elements(value)
                .into_iter()
                .map(|value| stripped(value, comma, colon))
                .collect();
            format!("[{}]", kept.join(comma))
        }
        _ => value.trim().to_string(),
    }
}

fn pretty(value: &str, depth: usize, out: &mut String) {
    const INDENT: usize = 4;
    let line = |depth: usize, out: &mut String| {
        out.push('\n');
        (0..depth * INDENT).for_each(|_| out.push(' '));
    };
    let (open, close, items): (char, char, Vec<(Option<&str>, &str)>) = match scan::kind(value) {
        Kind::Object => (
            '{',
            '}',
            scan::members(value)
                .into_iter()
                .map(|(key, value)| (Some(key), value))
                .collect(),
        ),
        Kind::Array => (
            '[',
            ']',
            scan::elements(value).into_iter().map(|value| (None, value)).collect(),
        ),
        _ => return out.push_str(value),
    };
    out.push(open);
    for (index, (key, item)) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        line(depth + 1, out);
        if let Some(key) = key {
            out.push_str(key);
            out.push_str(": ");
        }
        pretty(item, depth + 1, out);
    }
    line(depth, out);
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_change_what_they_lead_to() {
        let path = |steps: &[&str]| steps.iter().map(ToString::to_string).collect::<Vec<_>>();
        let value = r#"{"a": [1, 2], "b": {"c": 3}}"#;
        let change = |steps: &[&str], change: Change<'_>| changed(value, &path(steps), &change).unwrap();
        assert_eq!(
            change(&["a", "1"], Change::Set("9", true)),
            r#"{"a": [1, 9], "b": {"c": 3}}"#
        );
        assert_eq!(change(&["b", "c"], Change::Delete), r#"{"a": [1, 2], "b": {}}"#);
        assert_eq!(
            change(&["a", "0"], Change::Insert("0", false)),
            r#"{"a": [0, 1, 2], "b": {"c": 3}}"#
        );
        assert_eq!(change(&["d", "x"], Change::Set("9", true)), value);
    }
}
