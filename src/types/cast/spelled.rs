//! Casts from and to types that are carried by their spelling, other than those through text.

use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, Int32Array, Int64Array, StringViewArray, Time64MicrosecondArray,
};

use super::CastContext;
use crate::error::{Error, Result, SqlState};
use crate::types::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY};
use crate::types::format::FormatSettings;
use crate::types::parse::{fit_decimal, now, parse_decimal};
use crate::types::spelled::multirange::Multirange;
use crate::types::spelled::network::{Address, macaddr_bits, macaddr_text};
use crate::types::spelled::timetz::ZonedTime;
use crate::types::spelled::{bits, macaddr8, money};
use crate::types::text::write_text;
use crate::types::values::{Column, ColumnValues};
use crate::types::{Spelled, SqlType, UNCONSTRAINED_NUMERIC};

/// The column as values of `target`; `None` where neither type is one of these, or the cast goes through text.
pub(super) fn convert_spelled(
    column: &Column,
    rows: usize,
    target: &SqlType,
    context: CastContext,
    settings: &FormatSettings,
) -> Result<Option<ArrayRef>> {
    let spellings = |spelling: &dyn Fn(usize) -> Result<Option<String>>| -> Result<ArrayRef> {
        let values = (0..rows).map(|row| if column.is_null(row) { Ok(None) } else { spelling(row) });
        Ok(Arc::new(values.collect::<Result<StringViewArray>>()?))
    };
    let zone = &settings.time_zone;
    Ok(Some(match (target, &column.values) {
        (SqlType::Spelled(Spelled::Timetz(digits)), ColumnValues::Time(array)) => spellings(&|row| {
            let (micros, now) = (array.value(row), now());
            let clock = now + i64::from(zone.offset_at(now)) * MICROS_PER_SECOND;
            let today = clock - clock.rem_euclid(MICROS_PER_DAY);
            let east = zone.offset_for_local(today + micros);
            Ok(Some(ZonedTime { micros, east }.rounded(*digits).spelling()))
        })?,
        (SqlType::Spelled(Spelled::Timetz(digits)), ColumnValues::Timestamptz(array)) => spellings(&|row| {
            Ok(match array.value(row) {
                TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY => None,
                instant => {
                    let east = zone.offset_at(instant);
                    let micros = (instant + i64::from(east) * MICROS_PER_SECOND).rem_euclid(MICROS_PER_DAY);
                    Some(ZonedTime { micros, east }.rounded(*digits).spelling())
                }
            })
        })?,
        (SqlType::Time(_), ColumnValues::Spelled(array, Spelled::Timetz(_))) => {
            let time = |row: usize| match column.is_null(row) {
                true => Ok(None),
                false => Ok::<_, Error>(Some(ZonedTime::parse(array.value(row))?.micros)),
            };
            Arc::new((0..rows).map(time).collect::<Result<Time64MicrosecondArray>>()?)
        }
        (
            SqlType::Spelled(to @ (Spelled::Bit(_) | Spelled::Varbit(_) | Spelled::Timetz(_))),
            ColumnValues::Spelled(array, _),
        ) => spellings(&|row| to.fit(array.value(row), context != CastContext::Assignment).map(Some))?,
        (SqlType::Spelled(Spelled::Multirange(range)), ColumnValues::Spelled(array, Spelled::Range(_))) => {
            spellings(&|row| {
                let of_one = Multirange::of([range.parse(array.value(row))?]);
                Ok(Some(range.multirange_spelling(&of_one)))
            })?
        }
        (SqlType::Spelled(Spelled::Cidr), ColumnValues::Spelled(array, Spelled::Inet)) => {
            spellings(&|row| Ok(Some(Address::read(array.value(row), false)?.network().spelling(true))))?
        }
        (SqlType::Spelled(Spelled::Inet), ColumnValues::Spelled(array, Spelled::Cidr)) => {
            spellings(&|row| Ok(Some(Address::read(array.value(row), true)?.spelling(false))))?
        }
        (SqlType::Spelled(Spelled::Bit(length)), ColumnValues::Int4(array)) => {
            spellings(&|row| Ok(Some(bits::of_integer(array.value(row).into(), length.unwrap_or(1)))))?
        }
        (SqlType::Spelled(Spelled::Bit(length)), ColumnValues::Int8(array)) => {
            spellings(&|row| Ok(Some(bits::of_integer(array.value(row), length.unwrap_or(1)))))?
        }
        (SqlType::Int4, ColumnValues::Spelled(array, Spelled::Bit(_))) => {
            let integer = |row: usize| match column.is_null(row) {
                true => Ok(None),
                false => bits::to_integer(array.value(row), 32).map(|value| Some(value as i32)),
            };
            Arc::new((0..rows).map(integer).collect::<Result<Int32Array>>()?)
        }
        (SqlType::Int8, ColumnValues::Spelled(array, Spelled::Bit(_))) => {
            let integer = |row: usize| match column.is_null(row) {
                true => Ok(None),
                false => bits::to_integer(array.value(row), 64).map(Some),
            };
            Arc::new((0..rows).map(integer).collect::<Result<Int64Array>>()?)
        }
        (SqlType::Spelled(Spelled::Macaddr8), ColumnValues::Spelled(array, Spelled::Macaddr)) => spellings(&|row| {
            let wide = macaddr8::widened(macaddr_bits(array.value(row))?);
            Ok(Some(macaddr8::spelling(wide)))
        })?,
        (SqlType::Spelled(Spelled::Macaddr), ColumnValues::Spelled(array, Spelled::Macaddr8)) => spellings(&|row| {
            let narrow = macaddr8::narrowed(macaddr8::read(array.value(row))?)?;
            Ok(Some(macaddr_text(narrow)))
        })?,
        // A spelling has the digits of a numeric, and an amount those of a number that is read as money.
        (SqlType::Numeric(modifier), ColumnValues::Spelled(array, Spelled::Money)) => {
            let (precision, scale) = modifier.unwrap_or(UNCONSTRAINED_NUMERIC);
            let number = |row: usize| match column.is_null(row) {
                true => Ok(None),
                false => fit_decimal(parse_decimal(array.value(row))?, precision, scale).map(Some),
            };
            let numbers = (0..rows).map(number).collect::<Result<Decimal128Array>>()?;
            Arc::new(numbers.with_data_type(target.to_arrow()))
        }
        (
            SqlType::Spelled(Spelled::Money),
            values @ (ColumnValues::Int4(_)
            | ColumnValues::Int8(_)
            | ColumnValues::Numeric { .. }
            | ColumnValues::WideNumeric { .. }
            | ColumnValues::NumericText(_)),
        ) => spellings(&|row| {
            let mut number = BytesMut::new();
            write_text(values, row, settings, &mut number);
            let number = std::str::from_utf8(&number).unwrap_or_default();
            let amount = money::read(number).map_err(|_| match values {
                ColumnValues::Int4(_) | ColumnValues::Int8(_) => money::out_of_range(),
                _ => Error::new(SqlState::NumericValueOutOfRange, "bigint out of range"),
            })?;
            Ok(Some(money::spelling(amount)))
        })?,
        _ => return Ok(None),
    }))
}
