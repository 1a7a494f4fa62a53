//! One column from one type to another: through text where either side is text, else value by value.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int32Array, IntervalMonthDayNanoArray, ListArray, StringViewArray,
    StringViewBuilder, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Field, IntervalMonthDayNano};

use super::number::convert_number;
use super::rules::{CastContext, is_text};
use super::spelled::convert_spelled;
use crate::error::{Error, Result, SqlState};
use crate::types::builder::ColumnBuilder;
use crate::types::calendar::{
    DATE_INFINITY, DATE_NEGATIVE_INFINITY, END_MICRO, FIRST_MICRO, MICROS_PER_DAY, MICROS_PER_SECOND,
    TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY,
};
use crate::types::format::FormatSettings;
use crate::types::parse::{fit_bpchar, fit_varchar};
use crate::types::precision::rounded;
use crate::types::spelled::network::Address;
use crate::types::text::write_text;
use crate::types::time_zone::TimeZone;
use crate::types::values::{Column, ColumnValues};
use crate::types::{CompositeType, Spelled, SqlType, row_columns};

pub(super) fn convert(
    array: &ArrayRef,
    source: &SqlType,
    target: &SqlType,
    context: CastContext,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let rows = array.len();
    if array.data_type() == &DataType::Null {
        return Ok(new_null_array(&target.to_arrow(), rows));
    }
    if let (SqlType::Array(source), SqlType::Array(target)) = (source, target) {
        return convert_lists(array, source, target, context, settings);
    }
    // The text is read first, and then cut.
    if is_text(source) && context != CastContext::Assignment && matches!(target, SqlType::Spelled(_)) {
        let open = target.without_modifier();
        if open != *target {
            let read = convert(array, source, &open, context, settings)?;
            return convert(&read, &open, target, context, settings);
        }
    }
    if let SqlType::Composite(composite) = target
        && let Some((columns, rows)) = row_columns(array, source)
    {
        return convert_rows(columns, rows, composite, context, settings);
    }
    let column = Column::new(array, source)?;
    if is_text(target) {
        return to_text(&column, rows, source, target, context, settings);
    }
    if let Some(converted) = convert_spelled(&column, rows, target, context, settings)? {
        return Ok(converted);
    }
    if let (SqlType::Char, ColumnValues::Int4(codes)) = (target, &column.values) {
        let letters = (0..rows).map(|row| match column.is_null(row) {
            true => Ok(None),
            false => letter(codes.value(row)).map(Some),
        });
        return Ok(Arc::new(letters.collect::<Result<StringViewArray>>()?));
    }
    if (source, target) == (&SqlType::Char, &SqlType::Int4) {
        let texts = datafusion::arrow::compute::cast(array, &DataType::Utf8View)?;
        let first = |text: &str| text.bytes().next().map_or(0, |byte| i32::from(byte as i8));
        let codes = texts.as_string_view().iter().map(|text| text.map(first));
        return Ok(Arc::new(codes.collect::<Int32Array>()));
    }
    if *source == SqlType::Jsonb && *target != SqlType::Json {
        return from_jsonb(&column, rows, target, settings);
    }
    // What is text on both sides (uuid, json) is checked by reading it.
    let from_text = is_text(source) || source.to_arrow() == DataType::Utf8View;
    if from_text {
        return from_texts(&column, rows, target, settings);
    }
    if let Some(converted) = convert_number(&column, rows, target)? {
        return Ok(converted);
    }
    if let Some(converted) = convert_time(&column, rows, target, &settings.time_zone)? {
        return Ok(rounded(&converted, target));
    }
    match array.data_type() == &target.to_arrow() {
        true => Ok(rounded(array, target)),
        // The same SQL type in another Arrow layout.
        false if source.oid() == target.oid() => {
            let converted = datafusion::arrow::compute::cast(array, &target.to_arrow())?;
            Ok(rounded(&converted, target))
        }
        false => Err(Error::new(
            SqlState::CannotCoerce,
            format!("cannot cast type {source} to {target}"),
        )),
    }
}

/// The `"char"` of a code; zero is the empty one.
fn letter(code: i32) -> Result<String> {
    match code {
        0 => Ok(String::new()),
        1..=127 => Ok(char::from(code as u8).to_string()),
        -128..0 => Err(Error::unsupported("a \"char\" that is not ASCII")),
        _ => {
            let message = "\"char\" out of range";
            Err(Error::new(SqlState::NumericValueOutOfRange, message))
        }
    }
}

/// Text output; booleans are spelled out, and a char's padding is not part of its text.
fn to_text(
    column: &Column,
    rows: usize,
    source: &SqlType,
    target: &SqlType,
    context: CastContext,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let mut builder = StringViewBuilder::with_capacity(rows);
    let mut scratch = BytesMut::new();
    for row in 0..rows {
        if column.is_null(row) {
            builder.append_null();
            continue;
        }
        scratch.clear();
        match &column.values {
            ColumnValues::Bool(array) => {
                scratch.extend_from_slice(if array.value(row) { b"true" } else { b"false" });
            }
            // As text, a host too has its mask.
            ColumnValues::Spelled(array, Spelled::Inet) => {
                let address = Address::read(array.value(row), false)?;
                scratch.extend_from_slice(address.spelling(true).as_bytes());
            }
            values => write_text(values, row, settings, &mut scratch),
        }
        let mut text = std::str::from_utf8(&scratch).unwrap_or_default();
        if matches!(source, SqlType::Bpchar(_)) && !matches!(target, SqlType::Bpchar(_)) {
            text = text.trim_end_matches(' ');
        }
        append_text(&mut builder, text, target, context)?;
    }
    Ok(Arc::new(builder.finish()))
}

/// Keeps a text to the target's length: an explicit cast cuts it, an assignment refuses it.
fn append_text(builder: &mut StringViewBuilder, text: &str, target: &SqlType, context: CastContext) -> Result<()> {
    let cut = |length: Option<u32>| match (context, length) {
        (CastContext::Explicit | CastContext::Attempt, Some(length)) => text
            .char_indices()
            .nth(length as usize)
            .map_or(text, |(end, _)| &text[..end]),
        _ => text,
    };
    match target {
        SqlType::Varchar(length) => builder.append_value(fit_varchar(cut(*length), *length)?),
        SqlType::Bpchar(length) => builder.append_value(fit_bpchar(cut(*length), *length)?),
        SqlType::Name => builder.append_value(&text[..text.floor_char_boundary(63)]),
        _ => builder.append_value(text),
    }
    Ok(())
}

/// The number or truth value that a jsonb value is.
fn from_jsonb(column: &Column, rows: usize, target: &SqlType, settings: &FormatSettings) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(target, settings, rows);
    let mut scratch = BytesMut::new();
    for row in 0..rows {
        if column.is_null(row) {
            builder.append_null();
            continue;
        }
        scratch.clear();
        write_text(&column.values, row, settings, &mut scratch);
        let text = std::str::from_utf8(&scratch).unwrap_or_default();
        let (kind, fits) = match text.as_bytes().first() {
            Some(b'{') => ("object", false),
            Some(b'[') => ("array", false),
            Some(b'"') => ("string", false),
            Some(b'n') => ("null", false),
            Some(b't' | b'f') => ("boolean", *target == SqlType::Bool),
            _ => ("numeric", *target != SqlType::Bool),
        };
        if !fits {
            let message = format!("cannot cast jsonb {kind} to type {}", target.without_modifier());
            return Err(Error::new(SqlState::InvalidParameterValue, message));
        }
        match target {
            SqlType::Int2 | SqlType::Int4 | SqlType::Int8 => builder.append_text(&whole(text, target)?)?,
            _ => builder.append_text(text)?,
        }
    }
    builder.finish()
}

/// The whole number next to one written with digits and a point.
fn whole(text: &str, target: &SqlType) -> Result<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let out_of_range = || Error::new(SqlState::NumericValueOutOfRange, format!("{target} out of range"));
    let value: i128 = whole.parse().map_err(|_| out_of_range())?;
    let away = match (fraction.as_bytes().first(), whole.starts_with('-')) {
        (Some(b'5'..), true) => -1,
        (Some(b'5'..), false) => 1,
        _ => 0,
    };
    let rounded = i64::try_from(value + away).map_err(|_| out_of_range())?;
    Ok(rounded.to_string())
}

/// Text input.
fn from_texts(column: &Column, rows: usize, target: &SqlType, settings: &FormatSettings) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(target, settings, rows);
    let mut scratch = BytesMut::new();
    for row in 0..rows {
        if column.is_null(row) {
            builder.append_null();
            continue;
        }
        scratch.clear();
        write_text(&column.values, row, settings, &mut scratch);
        let text = std::str::from_utf8(&scratch).unwrap_or_default();
        builder.append_text(text)?;
    }
    builder.finish()
}

fn convert_lists(
    array: &ArrayRef,
    source: &SqlType,
    target: &SqlType,
    context: CastContext,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let field = Field::new("item", array_element_type(array), true);
    let list = datafusion::arrow::compute::cast(array, &DataType::List(Arc::new(field)))?;
    let list = list
        .as_any()
        .downcast_ref::<ListArray>()
        .ok_or_else(|| Error::internal("a list that is no list"))?;
    let elements = match source == target && list.values().data_type() == &target.to_arrow() {
        true => Arc::clone(list.values()),
        false => super::cast_array(list.values(), source, target, context, settings)?,
    };
    let field = Field::new("item", target.to_arrow(), true);
    let offsets: OffsetBuffer<i32> = list.offsets().clone();
    Ok(Arc::new(ListArray::try_new(
        Arc::new(field),
        offsets,
        elements,
        list.nulls().cloned(),
    )?))
}

/// Each field of rows as the field at its place.
fn convert_rows(
    columns: Vec<(&ArrayRef, SqlType)>,
    rows: &StructArray,
    target: &Arc<CompositeType>,
    context: CastContext,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    if columns.len() != target.fields.len() {
        let message = format!("cannot cast type record to {}", SqlType::Composite(Arc::clone(target)));
        let detail = match columns.len() < target.fields.len() {
            true => "Input has too few columns.",
            false => "Input has too many columns.",
        };
        return Err(Error::new(SqlState::CannotCoerce, message).with_detail(detail));
    }
    let fields = columns
        .into_iter()
        .zip(&target.fields)
        .map(|((column, source), field)| {
            // Rows do not tell a literal that nothing typed from a text.
            let source = if source == SqlType::Text {
                SqlType::Unknown
            } else {
                source
            };
            super::cast_array(column, &source, &field.sql_type, context, settings)
        });
    let fields = fields.collect::<Result<Vec<ArrayRef>>>()?;
    let (layout, nulls) = (target.arrow_fields(), rows.nulls().cloned());
    Ok(Arc::new(StructArray::try_new_with_length(
        layout,
        fields,
        nulls,
        rows.len(),
    )?))
}

fn array_element_type(array: &ArrayRef) -> DataType {
    match array.data_type() {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => field.data_type().clone(),
        other => other.clone(),
    }
}

/// Dates, times, timestamps and intervals; `None` when the pair is something else.
fn convert_time(column: &Column, rows: usize, target: &SqlType, zone: &TimeZone) -> Result<Option<ArrayRef>> {
    // Every finite instant as its microseconds on the clock that the target shows.
    let shifted = |micros: i64, seconds: i32| match micros {
        TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY => Ok(micros),
        micros => micros
            .checked_add(i64::from(seconds) * MICROS_PER_SECOND)
            .filter(|micros| (FIRST_MICRO..END_MICRO).contains(micros))
            .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range")),
    };
    let local = |row: usize| -> Result<i64> {
        match &column.values {
            ColumnValues::Timestamp(array) => Ok(array.value(row)),
            ColumnValues::Timestamptz(array) => shifted(array.value(row), zone.offset_at(array.value(row))),
            ColumnValues::Date(array) => match array.value(row) {
                DATE_INFINITY => Ok(TIMESTAMP_INFINITY),
                DATE_NEGATIVE_INFINITY => Ok(TIMESTAMP_NEGATIVE_INFINITY),
                days => i64::from(days)
                    .checked_mul(MICROS_PER_DAY)
                    .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "date out of range for timestamp")),
            },
            _ => Err(Error::internal("a value that is on no clock")),
        }
    };
    let each = |value: &dyn Fn(usize) -> Result<Option<i64>>| -> Result<Vec<Option<i64>>> {
        (0..rows)
            .map(|row| if column.is_null(row) { Ok(None) } else { value(row) })
            .collect()
    };
    let is_clock = matches!(
        column.values,
        ColumnValues::Timestamp(_) | ColumnValues::Timestamptz(_) | ColumnValues::Date(_)
    );
    Ok(Some(match (target, &column.values) {
        (SqlType::Timestamp(_), _) if is_clock => {
            Arc::new(TimestampMicrosecondArray::from(each(&|row| local(row).map(Some))?))
        }
        (SqlType::Timestamptz(_), ColumnValues::Timestamptz(array)) => Arc::new(array.clone().with_timezone("UTC")),
        (SqlType::Timestamptz(_), _) if is_clock => {
            let instants = each(&|row| {
                let clock = local(row)?;
                shifted(clock, -zone.offset_for_local(clock)).map(Some)
            })?;
            Arc::new(TimestampMicrosecondArray::from(instants).with_timezone("UTC"))
        }
        (SqlType::Date, _) if is_clock => {
            let days = each(&|row| {
                Ok(Some(match local(row)? {
                    TIMESTAMP_INFINITY => i64::from(DATE_INFINITY),
                    TIMESTAMP_NEGATIVE_INFINITY => i64::from(DATE_NEGATIVE_INFINITY),
                    micros => micros.div_euclid(MICROS_PER_DAY),
                }))
            })?;
            Arc::new(
                days.into_iter()
                    .map(|days| days.map(|days| days as i32))
                    .collect::<Date32Array>(),
            )
        }
        // An infinite timestamp has no time of day.
        (SqlType::Time(_), _) if is_clock => Arc::new(Time64MicrosecondArray::from(each(&|row| {
            Ok(match local(row)? {
                TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY => None,
                micros => Some(micros.rem_euclid(MICROS_PER_DAY)),
            })
        })?)),
        (SqlType::Time(_), ColumnValues::Interval(array)) => Arc::new(Time64MicrosecondArray::from(each(&|row| {
            Ok(Some((array.value(row).nanoseconds / 1000).rem_euclid(MICROS_PER_DAY)))
        })?)),
        (SqlType::Interval(_), ColumnValues::Time(array)) => {
            let value = |row: usize| IntervalMonthDayNano::new(0, 0, array.value(row) * 1000);
            let intervals = (0..rows).map(|row| (!column.is_null(row)).then(|| value(row)));
            Arc::new(intervals.collect::<IntervalMonthDayNanoArray>())
        }
        _ => return Ok(None),
    }))
}
