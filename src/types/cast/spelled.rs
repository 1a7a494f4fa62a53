//! Casts from and to types that are carried by their spelling, other than those through text.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringViewArray, Time64MicrosecondArray};

use crate::error::{Error, Result};
use crate::types::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY};
use crate::types::format::FormatSettings;
use crate::types::parse::now;
use crate::types::spelled::timetz::ZonedTime;
use crate::types::values::{Column, ColumnValues};
use crate::types::{Spelled, SqlType};

/// The column as values of `target`; `None` where neither type is one of these, or the cast goes through text.
pub(super) fn convert_spelled(
    column: &Column,
    rows: usize,
    target: &SqlType,
    settings: &FormatSettings,
) -> Result<Option<ArrayRef>> {
    let spellings = |spelling: &dyn Fn(usize) -> Result<Option<String>>| -> Result<ArrayRef> {
        let values = (0..rows).map(|row| if column.is_null(row) { Ok(None) } else { spelling(row) });
        Ok(Arc::new(values.collect::<Result<StringViewArray>>()?))
    };
    let zone = &settings.time_zone;
    Ok(Some(match (target, &column.values) {
        (SqlType::Spelled(Spelled::Timetz), ColumnValues::Time(array)) => spellings(&|row| {
            let (micros, now) = (array.value(row), now());
            let clock = now + i64::from(zone.offset_at(now)) * MICROS_PER_SECOND;
            let today = clock - clock.rem_euclid(MICROS_PER_DAY);
            let east = zone.offset_for_local(today + micros);
            Ok(Some(ZonedTime { micros, east }.spelling()))
        })?,
        (SqlType::Spelled(Spelled::Timetz), ColumnValues::Timestamptz(array)) => spellings(&|row| {
            Ok(match array.value(row) {
                TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY => None,
                instant => {
                    let east = zone.offset_at(instant);
                    let micros = (instant + i64::from(east) * MICROS_PER_SECOND).rem_euclid(MICROS_PER_DAY);
                    Some(ZonedTime { micros, east }.spelling())
                }
            })
        })?,
        (SqlType::Time, ColumnValues::Spelled(array, Spelled::Timetz)) => {
            let time = |row: usize| match column.is_null(row) {
                true => Ok(None),
                false => Ok::<_, Error>(Some(ZonedTime::parse(array.value(row))?.micros)),
            };
            Arc::new((0..rows).map(time).collect::<Result<Time64MicrosecondArray>>()?)
        }
        _ => return Ok(None),
    }))
}
