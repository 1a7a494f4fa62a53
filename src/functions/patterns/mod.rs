//! PostgreSQL's template patterns: to_char(), to_date(), to_timestamp(), to_number().

mod datetime;
mod number;
mod parse;
mod reader;
mod template;

use datafusion::arrow::datatypes::IntervalMonthDayNano;

use super::datum::Datum;
use super::row_function::{Argument, Call, RowFunction};
use crate::error::{Error, Result, SqlState};
use crate::types::calendar::{
    END_MICRO, FIRST_MICRO, MICROS_PER_SECOND, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY,
};
use crate::types::{SqlType, TimeZone};

pub(super) fn functions() -> Vec<RowFunction> {
    const TO_CHAR: &[&[Argument]] = &[
        &[Argument::Timestamp, Argument::Text],
        &[Argument::Timestamptz, Argument::Text],
        &[Argument::Interval, Argument::Text],
        &[Argument::Time, Argument::Text],
        &[Argument::Int, Argument::Text],
        &[Argument::Numeric, Argument::Text],
        &[Argument::Float, Argument::Text],
    ];
    vec![
        RowFunction::stable("to_char", TO_CHAR, SqlType::Text, to_char),
        RowFunction::immutable(
            "to_date",
            &[&[Argument::Text, Argument::Text]],
            SqlType::Date,
            |_, row| {
                let parsed = reader::parse(text(row, 0), text(row, 1))?;
                parsed.days().map(|days| Datum::Date(days as i32))
            },
        ),
        RowFunction::stable(
            "to_timestamp",
            &[&[Argument::Float], &[Argument::Text, Argument::Text]],
            SqlType::Timestamptz(None),
            |call, row| match row.first() {
                Some(Datum::Float(seconds)) => instant(*seconds),
                _ => {
                    let parsed = reader::parse(text(row, 0), text(row, 1))?;
                    let local = parsed.micros()?;
                    let offset = parsed.offset.unwrap_or_else(|| zone(call).offset_for_local(local));
                    Ok(Datum::Micros(local - i64::from(offset) * MICROS_PER_SECOND))
                }
            },
        ),
        RowFunction::immutable(
            "to_number",
            &[&[Argument::Text, Argument::Text]],
            SqlType::Numeric(None),
            |_, row| number::parse(text(row, 0), text(row, 1)),
        ),
    ]
}

/// What a text says by a template, and what the template asks for.
pub(crate) struct TemplateRead {
    /// Since 1970, on the clock that the text speaks of.
    pub micros: i64,
    /// Seconds east of Greenwich.
    pub offset: i32,
    pub has_date: bool,
    pub has_time: bool,
    pub has_zone: bool,
}

/// Reads a text as to_timestamp() does.
pub(crate) fn read_by_template(text: &str, template: &str) -> Result<TemplateRead> {
    let parsed = reader::parse(text, template)?;
    let mut read = TemplateRead {
        micros: 0,
        offset: parsed.offset.unwrap_or_default(),
        has_date: false,
        has_time: false,
        has_zone: false,
    };
    for piece in template::pieces(template) {
        if let template::Piece::Field { name, .. } = piece {
            match name {
                "TZH" | "TZM" | "TZ" | "OF" => read.has_zone = true,
                "HH24" | "HH12" | "HH" | "MI" | "SS" | "MS" | "US" | "SSSS" | "SSSSS" | "AM" | "PM" | "A.M."
                | "P.M." | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => read.has_time = true,
                _ => read.has_date = true,
            }
        }
    }
    read.micros = parsed.micros()?;
    Ok(read)
}

fn text(row: &[Datum], index: usize) -> &str {
    row.get(index).and_then(Datum::as_text).unwrap_or_default()
}

/// The session's TimeZone; UTC outside a session.
pub(super) fn zone(call: &Call<'_>) -> TimeZone {
    let setting = call
        .environment()
        .ok()
        .and_then(|environment| environment.setting("timezone"));
    setting.and_then(|name| TimeZone::parse(&name)).unwrap_or(TimeZone::UTC)
}

fn to_char(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let pattern = text(row, 1);
    let sql_type = call.argument_fields.first().map(|field| SqlType::from_field(field));
    let is_zoned = matches!(sql_type, Some(SqlType::Timestamptz(_)));
    let formatted = match row.first() {
        Some(Datum::Micros(TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY)) => return Ok(Datum::Null),
        Some(Datum::Micros(micros)) if is_zoned => {
            let zone = zone(call);
            let offset = zone.offset_at(*micros);
            let local = micros + i64::from(offset) * MICROS_PER_SECOND;
            let abbreviation = zone.with_abbreviation_at(*micros, str::to_string);
            datetime::format(pattern, &datetime::Moment::of_timestamp(local, offset, abbreviation))
        }
        // A time of day is an interval here.
        Some(Datum::Micros(micros)) if matches!(sql_type, Some(SqlType::Time(_))) => {
            let interval = IntervalMonthDayNano::new(0, 0, micros * 1000);
            datetime::format(pattern, &datetime::Moment::of_interval(interval))
        }
        Some(Datum::Micros(micros)) => {
            datetime::format(pattern, &datetime::Moment::of_timestamp(*micros, 0, String::new()))
        }
        Some(Datum::Interval(interval)) => datetime::format(pattern, &datetime::Moment::of_interval(*interval)),
        Some(Datum::Int(value)) => number::format(pattern, i128::from(*value), 0)?,
        Some(Datum::Decimal(value, scale)) => number::format(pattern, *value, *scale)?,
        Some(Datum::Float(value)) => number::format_float(pattern, *value)?,
        _ => return Ok(Datum::Null),
    };
    Ok(formatted.into())
}

/// The instant so many seconds after 1970 began.
fn instant(seconds: f64) -> Result<Datum> {
    let out_of_range = |message: String| Err(Error::new(SqlState::DatetimeFieldOverflow, message));
    let micros = (seconds * MICROS_PER_SECOND as f64).round();
    if seconds.is_nan() {
        return out_of_range("timestamp cannot be NaN".to_string());
    }
    if seconds.is_infinite() {
        let infinity = if seconds > 0.0 {
            TIMESTAMP_INFINITY
        } else {
            TIMESTAMP_NEGATIVE_INFINITY
        };
        return Ok(Datum::Micros(infinity));
    }
    if micros < FIRST_MICRO as f64 || micros >= END_MICRO as f64 {
        return out_of_range(format!("timestamp out of range: \"{seconds}\""));
    }
    Ok(Datum::Micros(micros as i64))
}
