//! The constructors of SQL/JSON and `IS JSON`, as `statement/dialect/sql_json` calls them: the first argument says what
//! becomes of nulls and of repeated keys.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{Arguments, OverloadedFunction, invalid, kernel, rows};
use super::building::is_scalar;
use super::scan::{self, Kind};
use super::writing::{JsonStyle, ValueWriter};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::json::{check, write_string};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "json_object_built",
            vec![
                kernel("(text) json", object),
                kernel("(text, any, variadic any) json", object),
            ],
        ),
        immutable(
            "json_array_built",
            vec![
                kernel("(text) json", array),
                kernel("(text, any, variadic any) json", array),
            ],
        ),
        immutable("json_scalar", vec![kernel("(any) json", scalar)]),
        immutable("json_serialize", vec![kernel("(any) text", serialized)]),
        // JSON(… WITH UNIQUE KEYS); without it is a cast.
        immutable(
            "json",
            vec![rows("(text, text) json", |_, row| {
                let text = row.first().and_then(Datum::as_text).unwrap_or_default();
                check(text)?;
                match repeated_key(text) {
                    Some(key) => Err(repeats(&key)),
                    None => Ok(text.into()),
                }
            })],
        ),
        immutable("is_json", vec![kernel("(any, text) bool", is_json)]),
        immutable(
            "json_aggregated_strict",
            vec![rows("(anyarray) json", |_, row| Ok(joined(row)))],
        ),
        immutable(
            "jsonb_aggregated_strict",
            vec![rows("(anyarray) jsonb", |_, row| Ok(joined(row)))],
        ),
        immutable(
            "json_object_aggregated_by",
            vec![rows("(text, anyarray, anyarray) json", |_, row| {
                object_of_pairs(row, ("{ ", " }"), JsonStyle::Json)
            })],
        ),
        immutable(
            "jsonb_object_aggregated_by",
            vec![rows("(text, anyarray, anyarray) jsonb", |_, row| {
                object_of_pairs(row, ("{", "}"), JsonStyle::Jsonb)
            })],
        ),
    ]
}

/// What the first argument says.
struct Rules {
    skips_nulls: bool,
    wants_unique: bool,
}

impl Rules {
    fn parse(text: &str) -> Rules {
        Rules {
            skips_nulls: text.starts_with("absent"),
            wants_unique: text.ends_with("unique"),
        }
    }

    fn of(args: &Arguments<'_>) -> Result<Rules> {
        Ok(Rules::parse(args.texts(0)?.get(0).unwrap_or_default()))
    }
}

fn repeats(key: &str) -> Error {
    let mut shown = String::new();
    write_string(key, &mut shown);
    let message = format!("duplicate JSON object key value: {shown}");
    Error::new(SqlState::DuplicateJsonObjectKeyValue, message)
}

fn writers(args: &Arguments<'_>) -> Result<Vec<ValueWriter>> {
    (0..args.len())
        .map(|index| ValueWriter::new(args.array(index), args.sql_type(index), args.settings()))
        .collect()
}

fn object(args: &Arguments<'_>) -> Result<ArrayRef> {
    if args.rows() == 0 {
        return args.build_text(|_, _| Ok(false));
    }
    let rules = Rules::of(args)?;
    let mut writers = writers(args)?;
    args.build_text(|row, out| {
        let mut seen = HashSet::new();
        let mut is_first = true;
        out.push('{');
        for key in (1..args.len()).step_by(2) {
            let (at, value, value_at) = (args.row_of(key, row), key + 1, args.row_of(key + 1, row));
            if !is_scalar(args.sql_type(key)) {
                return Err(invalid("key value must be scalar, not array, composite, or json"));
            }
            if writers[key].is_null(at) {
                let message = "null value not allowed for object key";
                return Err(Error::new(SqlState::NullValueNotAllowed, message));
            }
            let name = writers[key].key(at);
            if rules.wants_unique && !seen.insert(name.clone()) {
                return Err(repeats(&name));
            }
            if rules.skips_nulls && writers[value].is_null(value_at) {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                out.push_str(", ");
            }
            write_string(&name, out);
            out.push_str(" : ");
            writers[value].write(value_at, out);
        }
        out.push('}');
        Ok(true)
    })
}

fn array(args: &Arguments<'_>) -> Result<ArrayRef> {
    if args.rows() == 0 {
        return args.build_text(|_, _| Ok(false));
    }
    let rules = Rules::of(args)?;
    let mut writers = writers(args)?;
    args.build_text(|row, out| {
        let mut is_first = true;
        out.push('[');
        for (index, writer) in writers.iter_mut().enumerate().skip(1) {
            let at = args.row_of(index, row);
            if rules.skips_nulls && writer.is_null(at) {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                out.push_str(", ");
            }
            writer.write(at, out);
        }
        out.push(']');
        Ok(true)
    })
}

fn scalar(args: &Arguments<'_>) -> Result<ArrayRef> {
    let mut writer = ValueWriter::new(args.array(0), args.sql_type(0), args.settings())?;
    args.build_text(|row, out| {
        let row = args.row_of(0, row);
        if writer.is_null(row) {
            return Ok(false);
        }
        writer.write(row, out);
        Ok(true)
    })
}

/// json as its text; a text has to be json.
fn serialized(args: &Arguments<'_>) -> Result<ArrayRef> {
    let is_json = matches!(args.sql_type(0), SqlType::Json | SqlType::Jsonb);
    if !is_json
        && !matches!(
            args.sql_type(0),
            SqlType::Text | SqlType::Varchar(_) | SqlType::Bpchar(_)
        )
    {
        let message = format!("cannot use type {} in JSON_SERIALIZE", args.sql_type(0));
        return Err(Error::new(SqlState::DatatypeMismatch, message));
    }
    let texts = cast(args.array(0), &DataType::Utf8View)?;
    let texts = texts.as_string_view();
    args.build_text(|row, out| {
        let row = args.row_of(0, row);
        if texts.is_null(row) {
            return Ok(false);
        }
        if !is_json {
            check(texts.value(row))?;
        }
        out.push_str(texts.value(row));
        Ok(true)
    })
}

/// `x IS JSON`, with the kind and the word `unique` or `any` as the second argument.
fn is_json(args: &Arguments<'_>) -> Result<ArrayRef> {
    let sql_type = args.sql_type(0);
    let is_checked = matches!(sql_type, SqlType::Json | SqlType::Jsonb);
    if !is_checked
        && !matches!(
            sql_type,
            SqlType::Text | SqlType::Name | SqlType::Varchar(_) | SqlType::Bpchar(_) | SqlType::Bytea
        )
    {
        let message = format!("cannot use type {sql_type} in IS JSON predicate");
        return Err(Error::new(SqlState::DatatypeMismatch, message));
    }
    let rules = args.texts(1)?;
    let test = |text: &str, rules: &str| {
        let (wanted, keys) = rules.split_once(' ').unwrap_or((rules, "any"));
        if !is_checked && check(text).is_err() {
            return false;
        }
        let is_wanted = match (scan::kind(text), wanted) {
            (Kind::Array, "array") | (Kind::Object, "object") | (_, "value") => true,
            (Kind::Array | Kind::Object, _) => false,
            (_, wanted) => wanted == "scalar",
        };
        is_wanted && (keys != "unique" || repeated_key(text).is_none())
    };
    if *sql_type == SqlType::Bytea {
        let bytes = cast(args.array(0), &DataType::Binary)?;
        let bytes = bytes.as_binary::<i32>();
        return args.build_bool(|row| {
            let at = args.row_of(0, row);
            let rules = rules.get(row).unwrap_or_default();
            Ok(bytes
                .is_valid(at)
                .then(|| std::str::from_utf8(bytes.value(at)).is_ok_and(|text| test(text, rules))))
        });
    }
    let texts = cast(args.array(0), &DataType::Utf8View)?;
    let texts = texts.as_string_view();
    args.build_bool(|row| {
        let at = args.row_of(0, row);
        let rules = rules.get(row).unwrap_or_default();
        Ok(texts.is_valid(at).then(|| test(texts.value(at), rules)))
    })
}

/// A key that an object has twice, at any depth.
fn repeated_key(text: &str) -> Option<String> {
    match scan::kind(text) {
        Kind::Object => {
            let mut seen = HashSet::new();
            for (key, value) in scan::members(text) {
                let key = scan::unquoted(key).ok()?;
                if let Some(inner) = repeated_key(value) {
                    return Some(inner);
                }
                if !seen.insert(key.clone()) {
                    return Some(key);
                }
            }
            None
        }
        Kind::Array => scan::elements(text).into_iter().find_map(repeated_key),
        _ => None,
    }
}

/// The elements that are not null.
fn joined(row: &[Datum]) -> Datum {
    let Some(Datum::List(values)) = row.first() else {
        return Datum::Null;
    };
    let shown: Vec<&str> = values.iter().filter_map(Datum::as_text).collect();
    let shown = shown.join(", ");
    format!("[{}]", shown.strip_prefix(super::building::NEW_LINE).unwrap_or(&shown)).into()
}

fn object_of_pairs(row: &[Datum], (open, close): (&str, &str), style: JsonStyle) -> Result<Datum> {
    let [Datum::Text(rules), Datum::List(keys), Datum::List(values)] = row else {
        return Ok(Datum::Null);
    };
    let rules = Rules::parse(rules);
    let mut seen = HashSet::new();
    let mut pairs = vec![];
    for (key, value) in keys.iter().zip(values) {
        let key = key.as_text().unwrap_or_default();
        if rules.wants_unique && !seen.insert(key) {
            return Err(repeats(key));
        }
        if rules.skips_nulls && value.is_null() {
            continue;
        }
        let mut pair = String::new();
        write_string(key, &mut pair);
        pairs.push(format!("{pair} : {}", value.as_text().unwrap_or("null")));
    }
    style
        .finish(format!("{open}{}{close}", pairs.join(", ")))
        .map(Datum::from)
}
