//! PostgreSQL's text output: what `typoutput` prints for each type, byte for byte.

mod datetime;
mod interval;
mod nested;
mod number;

pub use datetime::{write_date, write_offset, write_time, write_timestamp, write_timestamptz};
pub use interval::write_interval;
pub use number::{fill_wide_digits, write_decimal, write_float4, write_float8, write_integer};

use bytes::{BufMut, BytesMut};

use crate::types::format::{ByteaOutput, FormatSettings};
use crate::types::values::ColumnValues;

/// Appends the text of the value at `row`, which must not be NULL.
pub fn write_text(values: &ColumnValues, row: usize, settings: &FormatSettings, out: &mut BytesMut) {
    match values {
        ColumnValues::Null => {}
        ColumnValues::Bool(array) => out.put_u8(if array.value(row) { b't' } else { b'f' }),
        ColumnValues::Int2(array) => write_integer(i64::from(array.value(row)), out),
        ColumnValues::Int4(array) => write_integer(i64::from(array.value(row)), out),
        ColumnValues::Int8(array) => write_integer(array.value(row), out),
        ColumnValues::Oid(array) => write_integer(i64::from(array.value(row)), out),
        ColumnValues::Float4(array) => write_float4(array.value(row), settings.extra_float_digits, out),
        ColumnValues::Float8(array) => write_float8(array.value(row), settings.extra_float_digits, out),
        ColumnValues::Numeric { array, scale, trim } => write_decimal(array.value(row), *scale, *trim, out),
        ColumnValues::WideNumeric { array, digits, .. } => {
            out.extend_from_slice(digits.number(array.value(row)).to_string().as_bytes());
        }
        ColumnValues::Utf8(array) => out.extend_from_slice(array.value(row).as_bytes()),
        ColumnValues::LargeUtf8(array) => out.extend_from_slice(array.value(row).as_bytes()),
        ColumnValues::Utf8View(array) | ColumnValues::NumericText(array) => {
            out.extend_from_slice(array.value(row).as_bytes());
        }
        ColumnValues::Spelled(array, spelled) => {
            out.extend_from_slice(spelled.shown(array.value(row), settings).as_bytes());
        }
        ColumnValues::Binary(array) => write_bytea(array.value(row), settings.bytea_output, out),
        ColumnValues::BinaryView(array) => write_bytea(array.value(row), settings.bytea_output, out),
        ColumnValues::Date(array) => write_date(array.value(row), settings.date_style, out),
        ColumnValues::Time(array) => write_time(array.value(row), out),
        ColumnValues::Timestamp(array) => write_timestamp(array.value(row), settings.date_style, out),
        ColumnValues::Timestamptz(array) => {
            write_timestamptz(array.value(row), settings.date_style, &settings.time_zone, out)
        }
        ColumnValues::Interval(array) => write_interval(array.value(row), settings.interval_style, out),
        ColumnValues::List(list) => nested::write_array(list, row, settings, out),
        ColumnValues::Record(record) => nested::write_record(record, row, settings, out),
        ColumnValues::Struct(_) | ColumnValues::Map(_) => nested::write_json(values, row, settings, out),
    }
}

/// bytea as `\x0102` or with `\001` escapes.
pub fn write_bytea(bytes: &[u8], output: ByteaOutput, out: &mut BytesMut) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match output {
        ByteaOutput::Hex => {
            out.reserve(2 + bytes.len() * 2);
            out.extend_from_slice(b"\\x");
            for byte in bytes {
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
        ByteaOutput::Escape => {
            for byte in bytes {
                match byte {
                    b'\\' => out.extend_from_slice(b"\\\\"),
                    0x20..=0x7e => out.put_u8(*byte),
                    _ => {
                        let digits = [b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)];
                        out.put_u8(b'\\');
                        out.extend_from_slice(&digits);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
