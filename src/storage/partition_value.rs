//! Partition values as the log spells them (Delta protocol, "Partition Value Serialization"). What other
//! readers would take for something else is refused.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};

use crate::error::{Error, Result, SqlState};

/// Longest partition value: some readers keep it in a folder's name.
const LONGEST_VALUE: usize = 1024;

/// The text of one value of a partition column named `column`; `None` is null.
pub(super) fn serialize(column: &str, values: &ArrayRef, row: usize) -> Result<Option<String>> {
    if values.is_null(row) {
        return Ok(None);
    }
    let text = match values.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = values.as_primitive::<TimestampMicrosecondType>().value(row);
            let time = chrono::DateTime::from_timestamp_micros(micros)
                .ok_or_else(|| unstorable(column, "a timestamp out of range"))?;
            let format = if zone.is_some() {
                "%Y-%m-%dT%H:%M:%S%.6fZ"
            } else {
                "%Y-%m-%d %H:%M:%S%.6f"
            };
            time.format(format).to_string()
        }
        DataType::Date32 => {
            let date = values.as_primitive::<Date32Type>().value_as_date(row);
            date.ok_or_else(|| unstorable(column, "a date out of range"))?
                .format("%Y-%m-%d")
                .to_string()
        }
        DataType::Utf8View => values.as_string_view().value(row).to_string(),
        DataType::Binary | DataType::Struct(_) | DataType::List(_) | DataType::Map(_, _) => {
            return Err(Error::unsupported(format!(
                "partitioning by column \"{column}\" of this type"
            )));
        }
        DataType::Time64(_) | DataType::UInt32 => text_of(&cast(values, &DataType::Int64)?, row)?,
        DataType::Float32 | DataType::Float64 => {
            let number = text_of(values, row)?;
            if !number.parse::<f64>().is_ok_and(f64::is_finite) {
                return Err(unstorable(column, "NaN or infinity"));
            }
            number
        }
        _ => text_of(values, row)?,
    };
    if text.is_empty() {
        return Err(unstorable(column, "the empty string").with_hint("Delta takes an empty partition value for null."));
    }
    if text.len() > LONGEST_VALUE {
        return Err(unstorable(column, "a value this long"));
    }
    Ok(Some(text))
}

fn text_of(values: &ArrayRef, row: usize) -> Result<String> {
    let one = cast(&values.slice(row, 1), &DataType::Utf8)?;
    Ok(one.as_string::<i32>().value(0).to_string())
}

fn unstorable(column: &str, what: &str) -> Error {
    Error::new(
        SqlState::InvalidParameterValue,
        format!("partition column \"{column}\" cannot hold {what}"),
    )
}
