//! Arrays in PostgreSQL's `{a,"b c",NULL}` notation; structs and maps as JSON.

use bytes::{BufMut, BytesMut};

use super::write_text;
use crate::types::format::{ByteaOutput, DateStyle, FormatSettings};
use crate::types::values::{Column, ColumnValues, ListValues, StructValues};

/// Appends a list; the elements of inner lists become further dimensions.
pub(super) fn write_array(list: &ListValues, row: usize, settings: &FormatSettings, out: &mut BytesMut) {
    let (start, end) = list.ranges[row];
    out.put_u8(b'{');
    for index in start..end {
        if index > start {
            out.put_u8(b',');
        }
        if list.elements.is_null(index) {
            out.extend_from_slice(b"NULL");
            continue;
        }
        let element_start = out.len();
        write_text(&list.elements.values, index, settings, out);
        if may_need_quotes(&list.elements.values) {
            quote_element(element_start, out);
        }
    }
    out.put_u8(b'}');
}

/// Appends a row: `(1,"a b",)`. NULL is nothing, and a quote or backslash in quotes is doubled.
pub(super) fn write_record(record: &StructValues, row: usize, settings: &FormatSettings, out: &mut BytesMut) {
    out.put_u8(b'(');
    for (index, column) in record.columns.iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        if column.is_null(row) || matches!(column.values, ColumnValues::Null) {
            continue;
        }
        let start = out.len();
        write_text(&column.values, row, settings, out);
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b',' | b' ' | b'\t'..=b'\r');
        if start < out.len() && !out[start..].iter().any(special) {
            continue;
        }
        let field = out.split_off(start);
        out.put_u8(b'"');
        for byte in field {
            if matches!(byte, b'"' | b'\\') {
                out.put_u8(byte);
            }
            out.put_u8(byte);
        }
        out.put_u8(b'"');
    }
    out.put_u8(b')');
}

fn may_need_quotes(values: &ColumnValues) -> bool {
    !matches!(
        values,
        ColumnValues::Null
            | ColumnValues::Bool(_)
            | ColumnValues::Int2(_)
            | ColumnValues::Int4(_)
            | ColumnValues::Int8(_)
            | ColumnValues::Oid(_)
            | ColumnValues::Float4(_)
            | ColumnValues::Float8(_)
            | ColumnValues::Numeric { .. }
            | ColumnValues::WideNumeric { .. }
            | ColumnValues::NumericText(_)
            | ColumnValues::List(_)
    )
}

/// Quotes what was appended since `start`, if array input would otherwise read something else.
fn quote_element(start: usize, out: &mut BytesMut) {
    let element = &out[start..];
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t'..=b'\r');
    if !element.is_empty() && !element.iter().any(special) && !element.eq_ignore_ascii_case(b"NULL") {
        return;
    }
    let element = element.to_vec();
    out.truncate(start);
    out.put_u8(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}

/// Appends a struct, map, list or scalar as JSON; timestamps in ISO 8601 as `to_json` writes them.
pub(super) fn write_json(values: &ColumnValues, row: usize, settings: &FormatSettings, out: &mut BytesMut) {
    match values {
        ColumnValues::Struct(structure) | ColumnValues::Record(structure) => {
            out.put_u8(b'{');
            for (position, (name, column)) in structure.names.iter().zip(&structure.columns).enumerate() {
                if position > 0 {
                    out.put_u8(b',');
                }
                write_json_string(name, out);
                out.put_u8(b':');
                write_json_value(column, row, settings, out);
            }
            out.put_u8(b'}');
        }
        ColumnValues::Map(map) => write_map(map, row, settings, out),
        ColumnValues::List(list) => {
            let (start, end) = list.ranges[row];
            out.put_u8(b'[');
            for index in start..end {
                if index > start {
                    out.put_u8(b',');
                }
                write_json_value(&list.elements, index, settings, out);
            }
            out.put_u8(b']');
        }
        ColumnValues::Bool(array) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
        ColumnValues::Int2(_)
        | ColumnValues::Int4(_)
        | ColumnValues::Int8(_)
        | ColumnValues::Oid(_)
        | ColumnValues::Numeric { .. }
        | ColumnValues::WideNumeric { .. }
        | ColumnValues::NumericText(_) => write_text(values, row, settings, out),
        ColumnValues::Float4(array) if array.value(row).is_finite() => write_text(values, row, settings, out),
        ColumnValues::Float8(array) if array.value(row).is_finite() => write_text(values, row, settings, out),
        ColumnValues::Timestamp(_) | ColumnValues::Timestamptz(_) | ColumnValues::Date(_) => {
            write_json_timestamp(values, row, settings, out);
        }
        _ => {
            let mut text = BytesMut::new();
            let settings = FormatSettings {
                bytea_output: ByteaOutput::Hex,
                ..settings.clone()
            };
            write_text(values, row, &settings, &mut text);
            write_json_string(&String::from_utf8_lossy(&text), out);
        }
    }
}

fn write_json_value(column: &Column, row: usize, settings: &FormatSettings, out: &mut BytesMut) {
    match column.is_null(row) {
        true => out.extend_from_slice(b"null"),
        false => write_json(&column.values, row, settings, out),
    }
}

fn write_map(map: &ListValues, row: usize, settings: &FormatSettings, out: &mut BytesMut) {
    let (start, end) = map.ranges[row];
    let ColumnValues::Struct(entries) = &map.elements.values else {
        return;
    };
    let [keys, values] = entries.columns.as_slice() else {
        return;
    };
    out.put_u8(b'{');
    for index in start..end {
        if index > start {
            out.put_u8(b',');
        }
        let mut key = BytesMut::new();
        write_text(&keys.values, index, settings, &mut key);
        write_json_string(&String::from_utf8_lossy(&key), out);
        out.put_u8(b':');
        write_json_value(values, index, settings, out);
    }
    out.put_u8(b'}');
}

/// ISO with a `T`, and the offset's minutes always written.
fn write_json_timestamp(values: &ColumnValues, row: usize, settings: &FormatSettings, out: &mut BytesMut) {
    let settings = FormatSettings {
        date_style: DateStyle::default(),
        ..settings.clone()
    };
    let mut text = BytesMut::new();
    write_text(values, row, &settings, &mut text);
    let mut text = String::from_utf8_lossy(&text).replacen(' ', "T", 1);
    if matches!(values, ColumnValues::Timestamptz(_)) && text.contains('T') {
        let offset = text.rfind(['+', '-']).unwrap_or(text.len());
        if !text[offset..].contains(':') {
            text.push_str(":00");
        }
    }
    write_json_string(&text, out);
}

fn write_json_string(text: &str, out: &mut BytesMut) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.put_u8(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..=0x1f => {
                let escape = [
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    HEX[usize::from(byte >> 4)],
                    HEX[usize::from(byte & 15)],
                ];
                out.extend_from_slice(&escape);
            }
            _ => out.put_u8(byte),
        }
    }
    out.put_u8(b'"');
}
