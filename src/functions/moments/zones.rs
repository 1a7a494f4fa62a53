//! AT TIME ZONE: a clock's time as an instant, an instant as the time on a clock.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{IntervalMonthDayNano, TimestampMicrosecondType};
use datafusion::logical_expr::ScalarUDF;

use super::super::overload::{Arguments, OverloadedFunction, kernel};
use super::{to_clock, to_instant};
use crate::error::{Error, Result, SqlState};
use crate::types::TimeZone;
use crate::types::calendar::MICROS_PER_SECOND;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut overloads = vec![
        kernel("(text, timestamp) timestamptz", |args| by_name(args, to_instant)),
        kernel("(text, timestamptz) timestamp", |args| by_name(args, to_clock)),
        kernel("(interval, timestamp) timestamptz", |args| by_offset(args, to_instant)),
        kernel("(interval, timestamptz) timestamp", |args| by_offset(args, to_clock)),
    ];
    overloads.extend(super::zoned_times::zones());
    vec![OverloadedFunction::immutable("timezone", overloads)]
}

/// A zone by name, abbreviation or offset; 22023 for none.
pub(super) fn zone_named(name: &str) -> Result<TimeZone> {
    if let Some(zone) = TimeZone::parse_name(name) {
        return Ok(zone);
    }
    if let Some(seconds) = crate::types::parse::abbreviation_offset(&name.to_ascii_lowercase()) {
        return Ok(TimeZone::fixed(seconds));
    }
    // An offset by itself counts hours west, as POSIX has it.
    if name.starts_with(['+', '-'])
        && let Some(zone) = TimeZone::parse(&format!("<x>{name}"))
    {
        return Ok(zone);
    }
    TimeZone::parse(name).ok_or_else(|| {
        Error::new(
            SqlState::InvalidParameterValue,
            format!("time zone \"{name}\" not recognized"),
        )
    })
}

fn by_name(args: &Arguments<'_>, convert: fn(i64, &TimeZone) -> Result<i64>) -> Result<ArrayRef> {
    let names = args.texts(0)?;
    let moments = args.numbers::<TimestampMicrosecondType>(1)?;
    let mut last: Option<(String, TimeZone)> = None;
    args.build::<TimestampMicrosecondType>(|row| {
        let (Some(name), Some(moment)) = (names.get(row), moments.get(row)) else {
            return Ok(None);
        };
        if last.as_ref().is_none_or(|(before, _)| before != name) {
            last = Some((name.to_string(), zone_named(name)?));
        }
        last.as_ref().map(|(_, zone)| convert(moment, zone)).transpose()
    })
}

fn by_offset(args: &Arguments<'_>, convert: fn(i64, &TimeZone) -> Result<i64>) -> Result<ArrayRef> {
    let offsets = args.intervals(0)?;
    let moments = args.numbers::<TimestampMicrosecondType>(1)?;
    args.build::<TimestampMicrosecondType>(|row| {
        let (Some(offset), Some(moment)) = (offsets.get(row), moments.get(row)) else {
            return Ok(None);
        };
        convert(moment, &TimeZone::fixed(offset_seconds(offset)?)).map(Some)
    })
}

/// Seconds east of Greenwich; 22023 for an interval that is no time.
pub(super) fn offset_seconds(offset: IntervalMonthDayNano) -> Result<i32> {
    match offset.months != 0 || offset.days != 0 {
        true => Err(Error::new(
            SqlState::InvalidParameterValue,
            "interval time zone must not include months or days",
        )),
        false => Ok((offset.nanoseconds / 1000 / MICROS_PER_SECOND) as i32),
    }
}
