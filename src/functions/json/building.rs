//! json from other values: to_json(), json_build_object(), json_object() and their jsonb twins, casts of jsonb.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{Arguments, OverloadedFunction, invalid, kernel, rows};
use super::scan::{self, Kind};
use super::writing::{JsonStyle, ValueWriter};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::json::write_string;

/// What json_agg() writes before rows and arrays.
pub(super) const NEW_LINE: &str = "\n ";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "to_json",
            vec![kernel("(any) json", |args| written(args, JsonStyle::Json))],
        ),
        immutable(
            "to_jsonb",
            vec![kernel("(any) jsonb", |args| written(args, JsonStyle::Jsonb))],
        ),
        immutable(
            "row_to_json",
            vec![
                kernel("(any) json", |args| written(args, JsonStyle::Json)),
                kernel("(any, bool) json", pretty),
            ],
        ),
        immutable(
            "array_to_json",
            vec![
                kernel("(anyarray) json", |args| written(args, JsonStyle::Json)),
                kernel("(anyarray, bool) json", pretty),
            ],
        ),
        immutable(
            "json_build_object",
            vec![
                kernel("() json", |args| object(args, JsonStyle::Json)),
                kernel("(any, variadic any) json", |args| object(args, JsonStyle::Json)),
            ],
        ),
        immutable(
            "jsonb_build_object",
            vec![
                kernel("() jsonb", |args| object(args, JsonStyle::Jsonb)),
                kernel("(any, variadic any) jsonb", |args| object(args, JsonStyle::Jsonb)),
            ],
        ),
        immutable(
            "json_build_array",
            vec![
                kernel("() json", |args| array(args, JsonStyle::Json)),
                kernel("(any, variadic any) json", |args| array(args, JsonStyle::Json)),
            ],
        ),
        immutable(
            "jsonb_build_array",
            vec![
                kernel("() jsonb", |args| array(args, JsonStyle::Jsonb)),
                kernel("(any, variadic any) jsonb", |args| array(args, JsonStyle::Jsonb)),
            ],
        ),
        immutable(
            "json_key",
            vec![kernel("(any) text", |args| {
                let mut writer = ValueWriter::new(args.array(0), args.sql_type(0), args.settings())?;
                args.build_text(|row, out| {
                    let row = args.row_of(0, row);
                    if writer.is_null(row) {
                        return Err(invalid("field name must not be null"));
                    }
                    out.push_str(&writer.key(row));
                    Ok(true)
                })
            })],
        ),
        // json_agg() begins a line with each row and array.
        immutable(
            "json_element",
            vec![kernel("(any) json", |args| {
                let is_nested = matches!(
                    args.sql_type(0),
                    SqlType::Record | SqlType::Composite(_) | SqlType::Array(_)
                );
                let written = written(args, JsonStyle::Json)?;
                if !is_nested {
                    return Ok(written);
                }
                let written = written.as_string_view();
                args.build_text(|row, out| {
                    if written.is_valid(row) {
                        out.push_str(NEW_LINE);
                        out.push_str(written.value(row));
                    }
                    Ok(written.is_valid(row))
                })
            })],
        ),
        // What the aggregates make of the values that they gathered.
        immutable(
            "json_aggregated",
            vec![rows("(anyarray) json", |_, row| Ok(joined(row)))],
        ),
        immutable(
            "jsonb_aggregated",
            vec![rows("(anyarray) jsonb", |_, row| Ok(joined(row)))],
        ),
        immutable(
            "json_object_aggregated",
            vec![rows("(anyarray, anyarray) json", |_, row| {
                object_of_pairs(row, ("{ ", " }"), JsonStyle::Json)
            })],
        ),
        immutable(
            "jsonb_object_aggregated",
            vec![rows("(anyarray, anyarray) jsonb", |_, row| {
                object_of_pairs(row, ("{", "}"), JsonStyle::Jsonb)
            })],
        ),
        immutable(
            "json_object",
            vec![
                rows("(text[]) json", |_, row| object_of_texts(row, JsonStyle::Json)),
                rows("(text[][]) json", |_, row| object_of_texts(row, JsonStyle::Json)),
                rows("(text[], text[]) json", |_, row| object_of_texts(row, JsonStyle::Json)),
            ],
        ),
        immutable(
            "jsonb_object",
            vec![
                rows("(text[]) jsonb", |_, row| object_of_texts(row, JsonStyle::Jsonb)),
                rows("(text[][]) jsonb", |_, row| object_of_texts(row, JsonStyle::Jsonb)),
                rows("(text[], text[]) jsonb", |_, row| {
                    object_of_texts(row, JsonStyle::Jsonb)
                }),
            ],
        ),
    ]
}

fn joined(row: &[Datum]) -> Datum {
    let Some(Datum::List(values)) = row.first() else {
        return Datum::Null;
    };
    let shown: Vec<&str> = values.iter().map(|value| value.as_text().unwrap_or("null")).collect();
    let shown = shown.join(", ");
    format!("[{}]", shown.strip_prefix(NEW_LINE).unwrap_or(&shown)).into()
}

fn object_of_pairs(row: &[Datum], (open, close): (&str, &str), style: JsonStyle) -> Result<Datum> {
    let (Some(Datum::List(keys)), Some(Datum::List(values))) = (row.first(), row.get(1)) else {
        return Ok(Datum::Null);
    };
    let mut out = String::from(open);
    for (index, (key, value)) in keys.iter().zip(values).enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_string(key.as_text().unwrap_or_default(), &mut out);
        out.push_str(" : ");
        out.push_str(value.as_text().unwrap_or("null"));
    }
    out.push_str(close);
    style.finish(out).map(Datum::from)
}

fn writers(args: &Arguments<'_>) -> Result<Vec<ValueWriter>> {
    (0..args.len())
        .map(|index| ValueWriter::new(args.array(index), args.sql_type(index), args.settings()))
        .collect()
}

fn written(args: &Arguments<'_>, style: JsonStyle) -> Result<ArrayRef> {
    let mut writer = ValueWriter::new(args.array(0), args.sql_type(0), args.settings())?;
    let keeps_text = style == JsonStyle::Jsonb && *args.sql_type(0) == SqlType::Jsonb;
    args.build_text(|row, out| {
        let row = args.row_of(0, row);
        if writer.is_null(row) {
            return Ok(false);
        }
        writer.write(row, out);
        if style == JsonStyle::Jsonb && !keeps_text {
            *out = style.finish(std::mem::take(out))?;
        }
        Ok(true)
    })
}

/// The parts of the value on a line each, where that is asked for.
fn pretty(args: &Arguments<'_>) -> Result<ArrayRef> {
    let written = written(args, JsonStyle::Json)?;
    let written = written.as_string_view();
    let wanted = args.array(1).as_boolean();
    args.build_text(|row, out| {
        let at = args.row_of(1, row);
        if written.is_null(row) || wanted.is_null(at) {
            return Ok(false);
        }
        let value = written.value(row);
        match (wanted.value(at), scan::kind(value)) {
            (true, Kind::Array) => out.push_str(&format!("[{}]", scan::elements(value).join(",\n "))),
            (true, Kind::Object) => {
                let members = scan::members(value).into_iter();
                let members: Vec<String> = members.map(|(key, value)| format!("{key}:{value}")).collect();
                out.push_str(&format!("{{{}}}", members.join(",\n ")));
            }
            _ => out.push_str(value),
        }
        Ok(true)
    })
}

fn object(args: &Arguments<'_>, style: JsonStyle) -> Result<ArrayRef> {
    if args.len() % 2 == 1 {
        let names = if style == JsonStyle::Json {
            "json_build_object()"
        } else {
            "jsonb_build_object()"
        };
        return Err(
            invalid("argument list must have even number of elements").with_hint(format!(
                "The arguments of {names} must consist of alternating keys and values."
            )),
        );
    }
    let mut writers = writers(args)?;
    args.build_text(|row, out| {
        out.push('{');
        for pair in 0..args.len() / 2 {
            let (key, value) = (2 * pair, 2 * pair + 1);
            let at = args.row_of(key, row);
            if !is_scalar(args.sql_type(key)) {
                let message = "key value must be scalar, not array, composite, or json";
                return Err(invalid(message.to_string()));
            }
            if writers[key].is_null(at) {
                return Err(match style {
                    JsonStyle::Json => Error::new(
                        SqlState::InvalidParameterValue,
                        format!("argument {} cannot be null", key + 1),
                    )
                    .with_hint("Object keys should be text."),
                    JsonStyle::Jsonb => invalid(format!("argument {}: key must not be null", key + 1)),
                });
            }
            if pair > 0 {
                out.push_str(", ");
            }
            let name = writers[key].key(at);
            write_string(&name, out);
            out.push_str(" : ");
            writers[value].write(args.row_of(value, row), out);
        }
        out.push('}');
        *out = style.finish(std::mem::take(out))?;
        Ok(true)
    })
}

fn array(args: &Arguments<'_>, style: JsonStyle) -> Result<ArrayRef> {
    let mut writers = writers(args)?;
    args.build_text(|row, out| {
        out.push('[');
        for (index, writer) in writers.iter_mut().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            writer.write(args.row_of(index, row), out);
        }
        out.push(']');
        *out = style.finish(std::mem::take(out))?;
        Ok(true)
    })
}

/// Keys and values by turns, or in two arrays; values are strings.
fn object_of_texts(row: &[Datum], style: JsonStyle) -> Result<Datum> {
    // `{{a,1},{b,2}}` says the same as `{a,1,b,2}`.
    if let [Datum::List(rows)] = row
        && rows.iter().any(|pair| matches!(pair, Datum::List(_)))
    {
        let flat = rows.iter().map(|pair| match pair {
            Datum::List(pair) if pair.len() == 2 => Ok(pair.as_slice()),
            _ => Err(Error::new(SqlState::ArraySubscriptError, "array must have two columns")),
        });
        let flat = flat.collect::<Result<Vec<_>>>()?.concat();
        return object_of_texts(&[Datum::List(flat)], style);
    }
    let list = |index: usize| match row.get(index) {
        Some(Datum::List(list)) => Some(list.as_slice()),
        _ => None,
    };
    let subscript = |message: &str| Error::new(SqlState::ArraySubscriptError, message);
    let pairs: Vec<(&Datum, &Datum)> = match (list(0), list(1)) {
        (Some(keys), Some(values)) if keys.len() == values.len() => keys.iter().zip(values).collect(),
        (Some(_), Some(_)) => return Err(subscript("mismatched array dimensions")),
        (Some(all), None) if all.len() % 2 == 0 => all.chunks(2).map(|pair| (&pair[0], &pair[1])).collect(),
        _ => return Err(subscript("array must have even number of elements")),
    };
    let mut out = String::from("{");
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        let key = key
            .as_text()
            .ok_or_else(|| Error::new(SqlState::NullValueNotAllowed, "null value not allowed for object key"))?;
        if index > 0 {
            out.push_str(", ");
        }
        write_string(key, &mut out);
        out.push_str(" : ");
        match value.as_text() {
            Some(value) => write_string(value, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    style.finish(out).map(Datum::from)
}

/// Whether a value of the type can be the key of an object.
pub(super) fn is_scalar(sql_type: &SqlType) -> bool {
    !matches!(
        sql_type,
        SqlType::Array(_) | SqlType::Composite(_) | SqlType::Record | SqlType::Json | SqlType::Jsonb
    )
}
