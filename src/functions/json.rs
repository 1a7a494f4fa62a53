//! Reading json and jsonb: what the operators `->`, `->>`, `#>`, `#>>` and `?` call, and the functions of the
//! same purpose.

use serde_json::Value;

use super::datum::Datum;
use super::row_function::{Argument, RowFunction};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;

const KEY: &[&[Argument]] = &[&[Argument::Text, Argument::Text], &[Argument::Text, Argument::Int]];
const PATH: &[&[Argument]] = &[&[Argument::Text, Argument::Array]];
const STEPS: &[&[Argument]] = &[&[Argument::Text, Argument::Text]];
const ONE: &[&[Argument]] = &[&[Argument::Text]];

pub(super) fn functions() -> Vec<RowFunction> {
    let immutable = RowFunction::immutable;
    let mut functions = vec![
        immutable("json_get", KEY, SqlType::Json, |_, row| {
            Ok(as_json(member(&read(row)?, &row[1])))
        }),
        immutable("json_get_text", KEY, SqlType::Text, |_, row| {
            Ok(as_text(member(&read(row)?, &row[1])))
        }),
        immutable("json_get_path", PATH, SqlType::Json, |_, row| {
            Ok(as_json(at_path(&read(row)?, &path(row))))
        }),
        immutable("json_get_path_text", PATH, SqlType::Text, |_, row| {
            Ok(as_text(at_path(&read(row)?, &path(row))))
        }),
        immutable("jsonb_exists", STEPS, SqlType::Bool, |_, row| {
            let key = row.get(1).and_then(Datum::as_text).unwrap_or_default();
            Ok(match read(row)? {
                Value::Object(members) => members.contains_key(key),
                Value::Array(elements) => elements.iter().any(|element| element.as_str() == Some(key)),
                Value::String(text) => text == key,
                _ => false,
            }
            .into())
        }),
    ];
    for (prefix, sql_type) in [("json", SqlType::Json), ("jsonb", SqlType::Jsonb)] {
        let named = |json: &'static str, jsonb: &'static str| if prefix == "json" { json } else { jsonb };
        functions.extend([
            immutable(named("json_typeof", "jsonb_typeof"), ONE, SqlType::Text, |_, row| {
                Ok(match read(row)? {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                }
                .into())
            }),
            immutable(
                named("json_array_length", "jsonb_array_length"),
                ONE,
                SqlType::Int4,
                |_, row| match read(row)? {
                    Value::Array(elements) => Ok((elements.len() as i64).into()),
                    _ => Err(Error::new(
                        SqlState::InvalidParameterValue,
                        "cannot get array length of a non-array",
                    )),
                },
            ),
            immutable(
                named("json_extract_path", "jsonb_extract_path"),
                STEPS,
                sql_type.clone(),
                |_, row| Ok(as_json(at_path(&read(row)?, &row[1..]))),
            )
            .variadic(),
            immutable(
                named("json_extract_path_text", "jsonb_extract_path_text"),
                STEPS,
                SqlType::Text,
                |_, row| Ok(as_text(at_path(&read(row)?, &row[1..]))),
            )
            .variadic(),
        ]);
    }
    functions
}

fn read(row: &[Datum]) -> Result<Value> {
    let text = row.first().and_then(Datum::as_text).unwrap_or_default();
    serde_json::from_str(text).map_err(|error| {
        Error::new(
            SqlState::InvalidTextRepresentation,
            "invalid input syntax for type json",
        )
        .with_detail(format!("{error}."))
    })
}

fn path(row: &[Datum]) -> Vec<Datum> {
    match row.get(1) {
        Some(Datum::List(steps)) => steps.clone(),
        _ => vec![],
    }
}

/// A member by name, or an element by position; negative positions count from the end.
fn member<'a>(value: &'a Value, key: &Datum) -> Option<&'a Value> {
    match (value, key) {
        (Value::Object(members), Datum::Text(name)) => members.get(name),
        (Value::Array(elements), Datum::Int(position)) => {
            let position = if *position < 0 {
                position + elements.len() as i64
            } else {
                *position
            };
            usize::try_from(position)
                .ok()
                .and_then(|position| elements.get(position))
        }
        _ => None,
    }
}

/// Steps are text; in an array a step is a position.
fn at_path<'a>(value: &'a Value, steps: &[Datum]) -> Option<&'a Value> {
    steps.iter().try_fold(value, |value, step| match value {
        Value::Array(_) => member(value, &Datum::Int(step.as_text()?.parse().ok()?)),
        _ => member(value, step),
    })
}

fn as_json(value: Option<&Value>) -> Datum {
    value.map(ToString::to_string).into()
}

/// Strings without their quotes; JSON's null is NULL.
fn as_text(value: Option<&Value>) -> Datum {
    match value {
        None | Some(Value::Null) => Datum::Null,
        Some(Value::String(text)) => text.as_str().into(),
        Some(other) => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_elements_and_paths() {
        let value: Value = serde_json::from_str(r#"{"a": [1, {"b": "x"}], "n": null}"#).unwrap();
        let step = |text: &str| Datum::text(text);
        assert_eq!(as_json(member(&value, &step("a"))), Datum::text(r#"[1,{"b":"x"}]"#));
        assert_eq!(
            as_text(at_path(&value, &[step("a"), step("1"), step("b")])),
            Datum::text("x")
        );
        assert_eq!(as_text(at_path(&value, &[step("a"), step("-2")])), Datum::text("1"));
        assert_eq!(as_text(member(&value, &step("n"))), Datum::Null);
        assert_eq!(as_json(member(&value, &step("zz"))), Datum::Null);
    }
}
