//! Binary output, big endian, with PostgreSQL's epoch of 2000-01-01.

use bytes::{BufMut, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::calendar::{
    DATE_INFINITY, DATE_NEGATIVE_INFINITY, POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS, TIMESTAMP_INFINITY,
    TIMESTAMP_NEGATIVE_INFINITY,
};
use crate::types::format::FormatSettings;
use crate::types::numeric::Number;
use crate::types::text::{fill_wide_digits, write_text};
use crate::types::values::{ColumnValues, ListValues, StructValues};

const JSONB_VERSION: u8 = 1;

/// Appends the binary form of the value at `row`, which must not be NULL.
pub fn write_binary(values: &ColumnValues, row: usize, sql_type: &SqlType, out: &mut BytesMut) -> Result<()> {
    if *sql_type == SqlType::Jsonb {
        out.put_u8(JSONB_VERSION);
    }
    match values {
        ColumnValues::Null => {}
        ColumnValues::Bool(array) => out.put_u8(u8::from(array.value(row))),
        ColumnValues::Int2(array) => out.put_i16(array.value(row)),
        ColumnValues::Int4(array) => out.put_i32(array.value(row)),
        ColumnValues::Int8(array) => out.put_i64(array.value(row)),
        ColumnValues::Oid(array) => out.put_u32(array.value(row)),
        ColumnValues::Float4(array) => out.put_f32(array.value(row)),
        ColumnValues::Float8(array) => out.put_f64(array.value(row)),
        ColumnValues::Numeric { array, scale, trim } => write_numeric(array.value(row), *scale, *trim, out),
        ColumnValues::WideNumeric { array, digits, .. } => put_number(digits.number(array.value(row)), out),
        ColumnValues::NumericText(array) => {
            let text = array.value(row);
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
            let is_negative = text.starts_with('-');
            write_numeric_digits(is_negative, digits.as_bytes(), fraction.len() as i8, false, out);
        }
        ColumnValues::Utf8(array) => write_string(array.value(row), sql_type, out)?,
        ColumnValues::LargeUtf8(array) => write_string(array.value(row), sql_type, out)?,
        ColumnValues::Utf8View(array) => write_string(array.value(row), sql_type, out)?,
        ColumnValues::Spelled(array, spelled) => spelled.send(array.value(row), out)?,
        ColumnValues::Binary(array) => out.extend_from_slice(array.value(row)),
        ColumnValues::BinaryView(array) => out.extend_from_slice(array.value(row)),
        ColumnValues::Date(array) => put_date(array.value(row), out),
        ColumnValues::Time(array) => out.put_i64(array.value(row)),
        ColumnValues::Timestamp(array) | ColumnValues::Timestamptz(array) => put_timestamp(array.value(row), out),
        ColumnValues::Interval(array) => {
            let interval = array.value(row);
            let infinite = matches!(interval.nanoseconds, i64::MAX | i64::MIN);
            out.put_i64(if infinite {
                interval.nanoseconds
            } else {
                interval.nanoseconds / 1000
            });
            out.put_i32(interval.days);
            out.put_i32(interval.months);
        }
        ColumnValues::List(list) => write_array(list, row, first_index(sql_type), out)?,
        ColumnValues::Record(record) => write_record(record, row, out)?,
        ColumnValues::Struct(_) | ColumnValues::Map(_) => write_text(values, row, &FormatSettings::default(), out),
    }
    Ok(())
}

/// Appends a date; `days` count from 1970.
pub(in crate::types) fn put_date(days: i32, out: &mut BytesMut) {
    out.put_i32(match days {
        infinite @ (DATE_INFINITY | DATE_NEGATIVE_INFINITY) => infinite,
        days => days.saturating_sub(POSTGRES_EPOCH_DAYS),
    });
}

/// Appends a timestamp; `micros` count from 1970.
pub(in crate::types) fn put_timestamp(micros: i64, out: &mut BytesMut) {
    out.put_i64(match micros {
        infinite @ (TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY) => infinite,
        micros => micros.saturating_sub(POSTGRES_EPOCH_MICROS),
    });
}

/// Appends a numeric with the digits that it has.
pub(in crate::types) fn put_number(number: Number, out: &mut BytesMut) {
    let text = number.value.to_string();
    let digits = text.trim_start_matches('-').as_bytes();
    write_numeric_digits(text.starts_with('-'), digits, number.scale as i8, false, out);
}

/// The number of fields, and of each its type and its value with the length in front.
fn write_record(record: &StructValues, row: usize, out: &mut BytesMut) -> Result<()> {
    out.put_i32(record.columns.len() as i32);
    for (column, sql_type) in record.columns.iter().zip(&record.types) {
        out.put_u32(sql_type.oid());
        let length_at = out.len();
        out.put_i32(-1);
        if column.is_null(row) || matches!(column.values, ColumnValues::Null) {
            continue;
        }
        write_binary(&column.values, row, sql_type, out)?;
        let length = (out.len() - length_at - 4) as i32;
        out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn write_string(text: &str, sql_type: &SqlType, out: &mut BytesMut) -> Result<()> {
    match sql_type {
        SqlType::Uuid => {
            let parsed = uuid::Uuid::try_parse(text).map_err(|_| {
                Error::new(
                    SqlState::InvalidTextRepresentation,
                    format!("invalid input syntax for type uuid: \"{text}\""),
                )
            })?;
            out.extend_from_slice(parsed.as_bytes());
        }
        SqlType::Regclass | SqlType::Regtype | SqlType::Regproc | SqlType::Oid => {
            return Err(Error::unsupported(format!("binary output of a name as {sql_type}")));
        }
        // aclitem has none; records and arrays are text here where their parts are shown as names.
        SqlType::System(1033 | 2249) | SqlType::Array(_) => {
            let message = format!("no binary output function available for type {sql_type}");
            return Err(Error::new(SqlState::UndefinedFunction, message));
        }
        // One byte, zero for the empty string.
        SqlType::Char => out.put_u8(text.bytes().next().unwrap_or(0)),
        _ => out.extend_from_slice(text.as_bytes()),
    }
    Ok(())
}

fn write_numeric(value: i128, scale: i8, trim: bool, out: &mut BytesMut) {
    let mut buffer = [0; 40];
    let start = fill_wide_digits(value.unsigned_abs(), &mut buffer);
    write_numeric_digits(value < 0, &buffer[start..], scale, trim, out);
}

/// Groups of four decimal digits, aligned to the decimal point, without zero groups at either end.
fn write_numeric_digits(negative: bool, digits: &[u8], scale: i8, trim: bool, out: &mut BytesMut) {
    let mut digits = digits;
    let mut scale = i32::from(scale);
    if trim {
        while scale > 0 && digits.len() > 1 && digits.ends_with(b"0") {
            digits = &digits[..digits.len() - 1];
            scale -= 1;
        }
        if digits == b"0" {
            scale = 0;
        }
    }
    let header = out.len();
    out.put_i16(0);
    out.put_i16(0);
    out.put_u16(if negative { 0x4000 } else { 0 });
    out.put_i16(scale.max(0) as i16);
    // The decimal exponent of digit i is `digits.len() - 1 - scale - i`.
    let top_exponent = digits.len() as i32 - 1 - scale;
    let mut weight = top_exponent.div_euclid(4);
    let (mut groups, mut group, mut pending_zero_groups) = (0_i16, 0_i16, 0_i16);
    let mut position_in_group = 3 - top_exponent.rem_euclid(4);
    let trailing = (-scale.min(0)) as usize;
    let padded = digits.iter().copied().chain(std::iter::repeat_n(b'0', trailing));
    let mut flush = |group: i16, out: &mut BytesMut| {
        if group == 0 {
            match groups {
                0 => weight -= 1,
                _ => pending_zero_groups += 1,
            }
            return;
        }
        for _ in 0..pending_zero_groups {
            out.put_i16(0);
        }
        groups += pending_zero_groups + 1;
        pending_zero_groups = 0;
        out.put_i16(group);
    };
    for digit in padded {
        group = group * 10 + i16::from(digit - b'0');
        if position_in_group == 3 {
            flush(group, out);
            group = 0;
            position_in_group = 0;
        } else {
            position_in_group += 1;
        }
    }
    if position_in_group > 0 {
        flush(group * 10_i16.pow(4 - position_in_group as u32), out);
    }
    if groups == 0 {
        weight = 0;
        out[header + 4..header + 6].fill(0);
    }
    out[header..header + 2].copy_from_slice(&groups.to_be_bytes());
    out[header + 2..header + 4].copy_from_slice(&(weight as i16).to_be_bytes());
}

/// int2vector and oidvector count from zero.
fn first_index(sql_type: &SqlType) -> i32 {
    match sql_type {
        SqlType::System(22 | 30) => 0,
        _ => 1,
    }
}

/// Dimensions, a flag for NULLs, the element type, then each element with its length.
fn write_array(list: &ListValues, row: usize, first_index: i32, out: &mut BytesMut) -> Result<()> {
    let mut dimensions = Vec::new();
    measure(list, list.ranges[row], 0, &mut dimensions)?;
    let mut leaf = list;
    while let ColumnValues::List(inner) = &leaf.elements.values {
        leaf = inner;
    }
    let mut element_type = &leaf.element_type;
    while let SqlType::Array(inner) = element_type {
        element_type = inner;
    }
    if dimensions.contains(&0) {
        dimensions.clear();
    }
    out.put_i32(dimensions.len() as i32);
    let null_flag = out.len();
    out.put_i32(0);
    out.put_u32(element_type.oid());
    for dimension in &dimensions {
        out.put_i32(*dimension as i32);
        out.put_i32(first_index);
    }
    if dimensions.is_empty() {
        return Ok(());
    }
    if write_elements(list, list.ranges[row], element_type, out)? {
        out[null_flag + 3] = 1;
    }
    Ok(())
}

/// Finds the length of each dimension; inner lists must agree.
fn measure(list: &ListValues, (start, end): (usize, usize), depth: usize, dimensions: &mut Vec<usize>) -> Result<()> {
    match dimensions.get(depth) {
        None => dimensions.push(end - start),
        Some(length) if *length == end - start => {}
        Some(_) => return Err(ragged()),
    }
    if let ColumnValues::List(inner) = &list.elements.values {
        for index in start..end {
            if list.elements.is_null(index) {
                return Err(ragged());
            }
            measure(inner, inner.ranges[index], depth + 1, dimensions)?;
        }
    }
    Ok(())
}

fn ragged() -> Error {
    Error::new(
        SqlState::ArraySubscriptError,
        "multidimensional arrays must have array expressions with matching dimensions",
    )
}

/// Answers whether there was a NULL.
fn write_elements(
    list: &ListValues,
    (start, end): (usize, usize),
    element_type: &SqlType,
    out: &mut BytesMut,
) -> Result<bool> {
    let mut any_null = false;
    for index in start..end {
        if let ColumnValues::List(inner) = &list.elements.values {
            any_null |= write_elements(inner, inner.ranges[index], element_type, out)?;
            continue;
        }
        if list.elements.is_null(index) {
            out.put_i32(-1);
            any_null = true;
            continue;
        }
        let length_at = out.len();
        out.put_i32(0);
        write_binary(&list.elements.values, index, element_type, out)?;
        let length = (out.len() - length_at - 4) as i32;
        out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(any_null)
}
