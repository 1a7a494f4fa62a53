//! Moments plus and minus intervals, and differences: months and days move the calendar, hours the instant.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{Arguments, OverloadedFunction, kernel, rows};
use super::zones::zone_named;
use super::{out_of_range, to_clock, to_instant, within};
use crate::error::Result;
use crate::types::calendar::{
    CivilDate, MICROS_PER_DAY, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY, days_in_month,
};
use crate::types::parse::parse_date;
use crate::types::{SqlType, TimeZone};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "timestamp_mi",
            vec![
                kernel("(timestamp, timestamp) interval", difference),
                kernel("(timestamptz, timestamptz) interval", difference),
            ],
        ),
        immutable(
            "timestamptz_pl_interval",
            vec![kernel("(timestamptz, interval) timestamptz", |args| {
                shifted(args, false)
            })],
        ),
        immutable(
            "timestamptz_mi_interval",
            vec![kernel("(timestamptz, interval) timestamptz", |args| {
                shifted(args, true)
            })],
        ),
        immutable(
            "date_add",
            vec![
                kernel("(timestamptz, interval) timestamptz", |args| shifted(args, false)),
                kernel("(timestamptz, interval, text) timestamptz", |args| {
                    shifted_in_zone(args, false)
                }),
                // Databricks' own: days.
                rows("(date, int4) date", days_later),
                rows("(timestamp, int4) date", days_later),
                rows("(timestamptz, int4) date", days_later),
                rows("(text, int4) date", days_later),
            ],
        ),
        immutable(
            "date_subtract",
            vec![
                kernel("(timestamptz, interval) timestamptz", |args| shifted(args, true)),
                kernel("(timestamptz, interval, text) timestamptz", |args| {
                    shifted_in_zone(args, true)
                }),
            ],
        ),
        immutable(
            "interval_pl",
            vec![kernel("(interval, interval) interval", |args| summed(args, false))],
        ),
        immutable(
            "interval_mi",
            vec![kernel("(interval, interval) interval", |args| summed(args, true))],
        ),
        immutable(
            "time_pl_interval",
            vec![kernel("(time, interval) time", |args| moved_time(args, false))],
        ),
        immutable(
            "time_mi_interval",
            vec![kernel("(time, interval) time", |args| moved_time(args, true))],
        ),
        immutable(
            "time_mi_time",
            vec![kernel("(time, time) interval", |args| {
                let later = args.numbers::<Time64MicrosecondType>(0)?;
                let earlier = args.numbers::<Time64MicrosecondType>(1)?;
                args.build::<IntervalMonthDayNanoType>(|row| {
                    let pair = later.get(row).zip(earlier.get(row));
                    Ok(pair.map(|(later, earlier)| IntervalMonthDayNano::new(0, 0, (later - earlier) * 1000)))
                })
            })],
        ),
        immutable(
            "overlaps",
            vec![
                rows("(timestamp, timestamp, timestamp, timestamp) bool", |_, row| {
                    Ok(overlap(row))
                })
                .called_on_null(),
                rows("(timestamptz, timestamptz, timestamptz, timestamptz) bool", |_, row| {
                    Ok(overlap(row))
                })
                .called_on_null(),
                rows("(time, time, time, time) bool", |_, row| Ok(overlap(row))).called_on_null(),
            ],
        ),
        // The end of a period: a moment as it is, or the beginning plus an interval.
        immutable(
            "period_end",
            vec![
                kernel("(timestamp, interval) timestamp", shifted_clock),
                kernel("(timestamptz, interval) timestamptz", |args| shifted(args, false)),
                kernel("(time, interval) time", |args| moved_time(args, false)),
                kernel("(timestamp, timestamp) timestamp", second::<TimestampMicrosecondType>),
                kernel(
                    "(timestamptz, timestamptz) timestamptz",
                    second::<TimestampMicrosecondType>,
                ),
                kernel("(time, time) time", second::<Time64MicrosecondType>),
            ],
        ),
    ]
}

/// Days and time between two moments.
fn difference(args: &Arguments<'_>) -> Result<ArrayRef> {
    let later = args.numbers::<TimestampMicrosecondType>(0)?;
    let earlier = args.numbers::<TimestampMicrosecondType>(1)?;
    let is_infinite = |micros: i64| matches!(micros, TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY);
    args.build::<IntervalMonthDayNanoType>(|row| {
        let (Some(later), Some(earlier)) = (later.get(row), earlier.get(row)) else {
            return Ok(None);
        };
        if is_infinite(later) || is_infinite(earlier) {
            return Err(crate::error::Error::new(
                crate::error::SqlState::DatetimeFieldOverflow,
                "cannot subtract infinite timestamps",
            ));
        }
        let micros = later.checked_sub(earlier).ok_or_else(|| out_of_range("interval"))?;
        let days = (micros / MICROS_PER_DAY) as i32;
        Ok(Some(IntervalMonthDayNano::new(0, days, micros % MICROS_PER_DAY * 1000)))
    })
}

/// The second argument, for every row if it is one for all.
fn second<T: ArrowPrimitiveType>(args: &Arguments<'_>) -> Result<ArrayRef> {
    let moments = args.numbers::<T>(1)?;
    args.build::<T>(|row| Ok(moments.get(row)))
}

fn shifted(args: &Arguments<'_>, backwards: bool) -> Result<ArrayRef> {
    let zone = args.zone();
    let moments = args.numbers::<TimestampMicrosecondType>(0)?;
    let intervals = args.intervals(1)?;
    args.build::<TimestampMicrosecondType>(|row| match (moments.get(row), intervals.get(row)) {
        (Some(moment), Some(interval)) => {
            let interval = if backwards { negative(interval)? } else { interval };
            shift(moment, interval, &zone).map(Some)
        }
        _ => Ok(None),
    })
}

/// A date so many days after a day, whatever says the day.
fn days_later(args: &Arguments<'_>, row: &[Datum]) -> Result<Datum> {
    let day = match row.first() {
        Some(Datum::Date(day)) => *day,
        Some(Datum::Micros(instant)) => {
            let is_zoned = matches!(args.sql_type(0), SqlType::Timestamptz(_));
            let clock = if is_zoned {
                to_clock(*instant, &args.zone())?
            } else {
                *instant
            };
            clock.div_euclid(MICROS_PER_DAY) as i32
        }
        Some(Datum::Text(text)) => parse_date(text, args.settings().date_style.order, &args.zone())?,
        _ => return Ok(Datum::Null),
    };
    let days = row
        .get(1)
        .and_then(Datum::as_int)
        .and_then(|days| i32::try_from(days).ok());
    let later = days.and_then(|days| day.checked_add(days));
    later.map(Datum::Date).ok_or_else(|| out_of_range("date"))
}

fn shifted_in_zone(args: &Arguments<'_>, backwards: bool) -> Result<ArrayRef> {
    let moments = args.numbers::<TimestampMicrosecondType>(0)?;
    let intervals = args.intervals(1)?;
    let names = args.texts(2)?;
    args.build::<TimestampMicrosecondType>(|row| match (moments.get(row), intervals.get(row), names.get(row)) {
        (Some(moment), Some(interval), Some(name)) => {
            let interval = if backwards { negative(interval)? } else { interval };
            shift(moment, interval, &zone_named(name)?).map(Some)
        }
        _ => Ok(None),
    })
}

fn shifted_clock(args: &Arguments<'_>) -> Result<ArrayRef> {
    let moments = args.numbers::<TimestampMicrosecondType>(0)?;
    let intervals = args.intervals(1)?;
    args.build::<TimestampMicrosecondType>(|row| match (moments.get(row), intervals.get(row)) {
        (Some(moment), Some(interval)) => shift(moment, interval, &TimeZone::UTC).map(Some),
        _ => Ok(None),
    })
}

/// The interval backwards; 22008 where it has no opposite.
pub(in super::super) fn negative(interval: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let opposite = || {
        Some(IntervalMonthDayNano::new(
            interval.months.checked_neg()?,
            interval.days.checked_neg()?,
            interval.nanoseconds.checked_neg()?,
        ))
    };
    opposite().ok_or_else(|| out_of_range("interval"))
}

/// An instant moved by months and days on a zone's calendar, then by the rest.
pub(in super::super) fn shift(instant: i64, interval: IntervalMonthDayNano, zone: &TimeZone) -> Result<i64> {
    if matches!(instant, TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY) {
        return Ok(instant);
    }
    let mut moment = instant;
    if interval.months != 0 || interval.days != 0 {
        let clock = to_clock(moment, zone)?;
        let time = clock.rem_euclid(MICROS_PER_DAY);
        let mut days = clock.div_euclid(MICROS_PER_DAY);
        if interval.months != 0 {
            let date = CivilDate::from_days(days);
            let months = date.year * 12 + i64::from(date.month) - 1 + i64::from(interval.months);
            let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u8 + 1);
            let day = date.day.min(days_in_month(year, month));
            days = CivilDate { year, month, day }.to_days();
        }
        days += i64::from(interval.days);
        let clock = days
            .checked_mul(MICROS_PER_DAY)
            .and_then(|start| start.checked_add(time));
        moment = to_instant(clock.ok_or_else(|| out_of_range("timestamp"))?, zone)?;
    }
    within(moment.checked_add(interval.nanoseconds / 1000))
}

/// Intervals added field by field.
fn summed(args: &Arguments<'_>, backwards: bool) -> Result<ArrayRef> {
    let (left, right) = (args.intervals(0)?, args.intervals(1)?);
    args.build::<IntervalMonthDayNanoType>(|row| {
        let (Some(left), Some(right)) = (left.get(row), right.get(row)) else {
            return Ok(None);
        };
        let right = if backwards { negative(right)? } else { right };
        let sum = || {
            Some(IntervalMonthDayNano::new(
                left.months.checked_add(right.months)?,
                left.days.checked_add(right.days)?,
                left.nanoseconds.checked_add(right.nanoseconds)?,
            ))
        };
        sum().map(Some).ok_or_else(|| out_of_range("interval"))
    })
}

/// A time of day goes round the clock.
fn moved_time(args: &Arguments<'_>, backwards: bool) -> Result<ArrayRef> {
    let times = args.numbers::<Time64MicrosecondType>(0)?;
    let intervals = args.intervals(1)?;
    args.build::<Time64MicrosecondType>(|row| {
        Ok(times.get(row).zip(intervals.get(row)).map(|(time, interval)| {
            let micros = interval.nanoseconds / 1000 % MICROS_PER_DAY;
            (if backwards { time - micros } else { time + micros }).rem_euclid(MICROS_PER_DAY)
        }))
    })
}

/// Whether two periods share a moment, as SQL's OVERLAPS has it: each holds its beginning, not its end.
fn overlap(row: &[Datum]) -> Datum {
    let micros = |index: usize| match row.get(index) {
        Some(Datum::Micros(micros)) => Some(*micros),
        _ => None,
    };
    let period = |first: Option<i64>, second: Option<i64>| match (first, second) {
        (Some(first), Some(second)) => (Some(first.min(second)), Some(first.max(second))),
        (Some(only), None) | (None, Some(only)) => (Some(only), None),
        (None, None) => (None, None),
    };
    let (first_start, first_end) = period(micros(0), micros(1));
    let (second_start, second_end) = period(micros(2), micros(3));
    let (Some(first_start), Some(second_start)) = (first_start, second_start) else {
        return Datum::Null;
    };
    let answer = if first_start > second_start {
        match second_end {
            None => None,
            Some(second_end) if first_start < second_end => Some(true),
            Some(_) if first_end.is_none() => None,
            Some(_) => Some(false),
        }
    } else if first_start < second_start {
        match first_end {
            None => None,
            Some(first_end) if second_start < first_end => Some(true),
            Some(_) if second_end.is_none() => None,
            Some(_) => Some(false),
        }
    } else {
        (first_end.is_some() && second_end.is_some()).then_some(true)
    };
    answer.into()
}
