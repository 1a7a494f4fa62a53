//! PostgreSQL's text input: what `typinput` reads for each type, with its error messages.

mod array;
mod clock;
mod date_fields;
mod datetime;
mod datetime_tokens;
mod interval;
mod number;
mod plain;
mod record;
mod zone_abbreviations;

pub use array::{ArrayItem, parse_array};
pub use clock::{now, reading_at};
pub use datetime::{parse_date, parse_time, parse_timestamp, parse_timestamptz, parse_timetz, reads_the_clock};
pub use interval::parse_interval;
pub use number::{Decimal, fit_decimal, parse_decimal, parse_float4, parse_float8, parse_integer, parse_oid};
pub use plain::{fit_bpchar, fit_varchar, parse_bool, parse_bytea, parse_char, parse_uuid};
pub use record::parse_record;
pub use zone_abbreviations::abbreviation_offset;

use datafusion::common::ScalarValue;

use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::builder::ColumnBuilder;
use crate::types::encoding::invalid_sequence;
use crate::types::format::{Format, FormatSettings};

/// Reads a value of `sql_type`, as a scalar of the type's Arrow type. A numeric without a modifier gets
/// the precision and scale that hold it exactly.
pub fn parse_value(sql_type: &SqlType, text: &str, settings: &FormatSettings) -> Result<ScalarValue> {
    if *sql_type == SqlType::Numeric(None) {
        return parse_decimal(text)?.to_scalar();
    }
    let mut builder = ColumnBuilder::new(sql_type, settings, 1);
    builder.append_text(text)?;
    Ok(ScalarValue::try_from_array(&builder.finish()?, 0)?)
}

/// A parameter of Bind: `None` is NULL.
pub fn decode_parameter(
    sql_type: &SqlType,
    format: Format,
    bytes: Option<&[u8]>,
    settings: &FormatSettings,
) -> Result<ScalarValue> {
    let Some(bytes) = bytes else {
        return Ok(ScalarValue::try_from(&sql_type.to_arrow())?);
    };
    match format {
        Format::Text => parse_value(sql_type, utf8(bytes)?, settings),
        Format::Binary => crate::types::binary::decode_value(sql_type, bytes, settings),
    }
}

/// Text of a client: valid UTF-8 without NUL.
pub fn utf8(bytes: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let wrong = &bytes[error.valid_up_to()..];
        // As many as a character that begins like this would have.
        let length = match wrong[0] {
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf8 => 4,
            _ => 1,
        };
        invalid_sequence(&wrong[..length.min(wrong.len())], "UTF8")
    })?;
    match text.as_bytes().contains(&0) {
        true => Err(invalid_sequence(&[0], "UTF8")),
        false => Ok(text),
    }
}

/// 22P02, the error of most types.
pub(crate) fn invalid_syntax(type_name: &str, text: &str) -> Error {
    Error::new(
        SqlState::InvalidTextRepresentation,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}

#[cfg(test)]
mod tests;
