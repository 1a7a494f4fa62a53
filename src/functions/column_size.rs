//! pg_column_size(): the bytes that PostgreSQL keeps a value in, outside of tables.

use serde_json::Value;

use super::datum::Datum;
use crate::types::{Spelled, SqlType};

/// What stands before a value of variable length.
const HEADER: i64 = 4;

/// The size of a value that is not NULL.
pub fn column_size(sql_type: &SqlType, value: &Datum) -> i64 {
    let base = sql_type.base();
    if base.length() > 0 {
        return i64::from(base.length());
    }
    match (base, value) {
        (SqlType::Jsonb, Datum::Text(text)) => match serde_json::from_str(text) {
            Ok(document) => HEADER + jsonb(&document, true),
            Err(_) => HEADER + text.len() as i64,
        },
        (SqlType::Spelled(Spelled::Bit(_) | Spelled::Varbit(_)), Datum::Text(bits)) => {
            HEADER + 4 + (bits.len() as i64 + 7) / 8
        }
        (SqlType::Spelled(Spelled::Inet | Spelled::Cidr), Datum::Text(address)) => {
            HEADER + 2 + if address.contains(':') { 16 } else { 4 }
        }
        (_, Datum::Text(text)) => HEADER + text.len() as i64,
        (_, Datum::Bytes(bytes)) => HEADER + bytes.len() as i64,
        (_, Datum::Decimal(value, scale)) => HEADER + decimal(*value, *scale),
        (SqlType::Array(element), Datum::List(items)) => array(element.innermost(), items),
        (_, Datum::Bool(_)) => 1,
        _ => 8,
    }
}

fn aligned(size: i64, to: i64) -> i64 {
    (size + to - 1) / to * to
}

/// A numeric without its header of a variable length: digits of ten thousand, without zeros at either end.
fn decimal(value: i128, scale: i8) -> i64 {
    /// The scale up to which sign, scale and weight take two bytes.
    const SHORT_SCALE: usize = 63;
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = value.unsigned_abs().to_string();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let whole = format!("{whole:0>width$}", width = whole.len().div_ceil(4) * 4);
    let fraction = format!("{fraction:0<width$}", width = scale.div_ceil(4) * 4);
    let all = whole + &fraction;
    let groups: Vec<&[u8]> = all.as_bytes().chunks(4).collect();
    let is_some = |group: &&[u8]| group.iter().any(|digit| *digit != b'0');
    let first = groups.iter().position(is_some);
    let last = groups.iter().rposition(is_some);
    let count = first.zip(last).map_or(0, |(first, last)| last - first + 1) as i64;
    let before = if scale <= SHORT_SCALE { 2 } else { 4 };
    before + 2 * count
}

/// An array: its lengths and bounds, which elements are NULL, and the others, each at an address that its type asks for.
fn array(element: &SqlType, items: &[Datum]) -> i64 {
    let depth = depth(items);
    let leaves = leaves(items);
    let start = HEADER + 12 + 8 * depth;
    if leaves.is_empty() {
        return HEADER + 12;
    }
    let has_null = leaves.iter().any(|item| item.is_null());
    let mut size = match has_null {
        true => aligned(start + (leaves.len() as i64 + 7) / 8, 8),
        false => start,
    };
    let alignment = match element.length() {
        1 => 1,
        2 => 2,
        8 => 8,
        _ => 4,
    };
    for item in leaves.into_iter().filter(|item| !item.is_null()) {
        size = aligned(aligned(size, alignment) + column_size(element, item), alignment);
    }
    size
}

fn depth(items: &[Datum]) -> i64 {
    match items.first() {
        Some(Datum::List(inner)) => 1 + depth(inner),
        _ => 1,
    }
}

fn leaves(items: &[Datum]) -> Vec<&Datum> {
    let mut found = vec![];
    for item in items {
        match item {
            Datum::List(inner) => found.extend(leaves(inner)),
            other => found.push(other),
        }
    }
    found
}

/// A document: a word for its kind and length, one for each of its parts, and the parts, of which numbers and documents
/// begin at a whole word. A single value is an array of one.
fn jsonb(value: &Value, is_whole: bool) -> i64 {
    let parts: Vec<Value> = match value {
        Value::Object(members) => {
            let keys = members.keys().cloned().map(Value::String);
            keys.chain(members.values().cloned()).collect()
        }
        Value::Array(items) => items.clone(),
        single if is_whole => vec![single.clone()],
        _ => vec![],
    };
    let mut data = 0;
    for part in &parts {
        data = match part {
            Value::Null | Value::Bool(_) => data,
            Value::String(text) => data + text.len() as i64,
            Value::Number(number) => aligned(data, 4) + HEADER + number_size(&number.to_string()),
            Value::Array(_) | Value::Object(_) => aligned(data, 4) + jsonb(part, false),
        };
    }
    4 + 4 * parts.len() as i64 + data
}

/// A number of a document, as a numeric of its digits.
fn number_size(text: &str) -> i64 {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let places = fraction.len() as i64 - exponent.parse::<i64>().unwrap_or(0);
    let digits: String = format!("{whole}{fraction}").replace('-', "");
    let zeros = "0".repeat(usize::try_from(-places).unwrap_or(0).min(30));
    match (format!("{digits}{zeros}").parse(), i8::try_from(places.max(0))) {
        (Ok(value), Ok(scale)) => decimal(value, scale),
        _ => 2 + 2 * (digits.len() as i64).div_euclid(4) + 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checked against PostgreSQL 15.
    #[test]
    fn sizes_are_those_of_postgres() {
        let numeric = |value, scale| column_size(&SqlType::Numeric(None), &Datum::Decimal(value, scale));
        assert_eq!(
            (numeric(15, 1), numeric(100, 0), numeric(0, 0), numeric(12_345_678, 3)),
            (10, 8, 6, 12)
        );
        let integers = SqlType::Array(Box::new(SqlType::Int4));
        let list = |items: &[Datum]| column_size(&integers, &Datum::List(items.to_vec()));
        assert_eq!(list(&[]), 16);
        assert_eq!(list(&[1.into(), 2.into(), 3.into()]), 36);
        assert_eq!(list(&[1.into(), Datum::Null]), 36);
        let document = |text: &str| column_size(&SqlType::Jsonb, &text.into());
        assert_eq!(document(r#"{"a": 1}"#), 28);
        assert_eq!((document("[]"), document("1"), document(r#""abc""#)), (8, 20, 15));
        assert_eq!(document(r#"{"a": {"b": [1, 2, "x"]}}"#), 69);
    }
}
