//! The order of jsonb values: a key for each whose bytes compare as PostgreSQL compares the values. Objects come last,
//! then arrays, booleans, numbers, strings and null; longer ones come after shorter ones.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BinaryArray, BinaryBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::super::overload::{Arguments, OverloadedFunction, kernel};
use super::scan::{Kind, elements, kind, members, unquoted};
use crate::error::Result;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let extreme = |name, body| OverloadedFunction::immutable(name, vec![kernel("(variadic jsonb) jsonb", body)]);
    vec![
        extreme("jsonb_larger", |args| chosen(args, Ordering::Greater)),
        extreme("jsonb_smaller", |args| chosen(args, Ordering::Less)),
        order_key(),
    ]
}

/// The greatest or least of the arguments that are not NULL.
fn chosen(args: &Arguments<'_>, wanted: Ordering) -> Result<ArrayRef> {
    let values = (0..args.len())
        .map(|index| args.texts(index))
        .collect::<Result<Vec<_>>>()?;
    args.build_text(|row, out| {
        let mut best: Option<(Vec<u8>, &str)> = None;
        for value in values.iter().filter_map(|values| values.get(row)) {
            let mut key = vec![];
            write_whole(value, &mut key)?;
            if best.as_ref().is_none_or(|(known, _)| key.cmp(known) == wanted) {
                best = Some((key, value));
            }
        }
        Ok(best.map(|(_, value)| out.push_str(value)).is_some())
    })
}

/// The key of a whole value: an empty array is less than all else.
fn write_whole(value: &str, key: &mut Vec<u8>) -> Result<()> {
    match kind(value) == Kind::Array && elements(value).is_empty() {
        true => Ok(()),
        false => write(value, key),
    }
}

fn order_key() -> Arc<ScalarUDF> {
    OverloadedFunction::immutable(
        "jsonb_order_key",
        vec![kernel("(jsonb) bytea", |args| {
            let values = args.texts(0)?;
            let mut keys = BinaryBuilder::new();
            let mut key = vec![];
            for row in 0..args.rows() {
                let Some(value) = values.get(row) else {
                    keys.append_null();
                    continue;
                };
                key.clear();
                write_whole(value, &mut key)?;
                keys.append_value(&key);
            }
            Ok(Arc::new(keys.finish()))
        })],
    )
}

/// The keys of jsonb values.
pub(in crate::functions) fn order_keys(values: &ArrayRef) -> Result<ArrayRef> {
    let values = datafusion::arrow::compute::cast(values, &DataType::Utf8View)?;
    let keys = values.as_string_view().iter().map(|value| {
        let mut key = vec![];
        value.map(|value| write_whole(value, &mut key)).transpose()?;
        Ok(value.map(|_| key))
    });
    Ok(Arc::new(keys.collect::<Result<BinaryArray>>()?))
}

fn write(value: &str, out: &mut Vec<u8>) -> Result<()> {
    let kind = kind(value);
    out.push(match kind {
        Kind::Null => 1,
        Kind::String => 2,
        Kind::Number => 3,
        Kind::Boolean => 4,
        Kind::Array => 5,
        Kind::Object => 6,
    });
    match kind {
        Kind::Null => {}
        Kind::Boolean => out.push(u8::from(value.trim_start().starts_with('t'))),
        Kind::String => write_text(value, out)?,
        Kind::Number => write_number(value.trim(), out),
        Kind::Array => {
            let elements = elements(value);
            out.extend((elements.len() as u32).to_be_bytes());
            for element in elements {
                write(element, out)?;
            }
        }
        Kind::Object => {
            let members = members(value);
            out.extend((members.len() as u32).to_be_bytes());
            for (key, value) in members {
                write_text(key, out)?;
                write(value, out)?;
            }
        }
    }
    Ok(())
}

/// The characters and an end; no text of json holds the character 0.
fn write_text(quoted: &str, out: &mut Vec<u8>) -> Result<()> {
    out.extend(unquoted(quoted)?.as_bytes());
    out.push(0);
    Ok(())
}

/// Sign, position of the first digit and digits, of negative numbers the complement.
fn write_number(text: &str, out: &mut Vec<u8>) {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let significant = digits.trim_matches('0');
    if significant.is_empty() {
        return out.push(0x80);
    }
    let exponent = exponent.parse::<i64>().unwrap_or_default() + whole.len() as i64 - leading as i64;
    let mut magnitude = (exponent.wrapping_add(i64::MAX) as u64).to_be_bytes().to_vec();
    magnitude.extend(significant.as_bytes());
    magnitude.push(0);
    match is_negative {
        true => {
            out.push(0x7f);
            out.extend(magnitude.iter().map(|byte| !byte));
        }
        false => {
            out.push(0x81);
            out.extend(magnitude);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::write;

    /// In the order that PostgreSQL 15 gives them.
    #[test]
    fn keys_are_in_the_order_of_values() {
        let values = [
            "null",
            "\"\"",
            "\"a\"",
            "\"ab\"",
            "\"b\"",
            "-100",
            "-2.5",
            "-0.01",
            "0",
            "0.001",
            "1",
            "1.5",
            "2",
            "10",
            "false",
            "true",
            "[1]",
            "[2]",
            "[1, 1]",
            "{}",
            "{\"a\": 1}",
            "{\"b\": 0}",
            "{\"a\": 1, \"b\": 1}",
        ];
        let keys = values.map(|value| {
            let mut key = vec![];
            write(value, &mut key).unwrap();
            key
        });
        assert!(keys.is_sorted(), "{keys:?}");
        let mut equal = vec![];
        write("1.50", &mut equal).unwrap();
        assert_eq!(equal, keys[11]);
    }
}
