//! date_trunc() and date_bin().

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType};
use datafusion::logical_expr::ScalarUDF;

use super::super::overload::{Arguments, OverloadedFunction, kernel};
use super::zones::zone_named;
use super::{is_infinite, out_of_range, to_clock, to_instant, within};
use crate::error::{Error, Result, SqlState};
use crate::types::TimeZone;
use crate::types::calendar::{CivilDate, MICROS_PER_DAY, MICROS_PER_SECOND};

const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;
const MICROS_PER_HOUR: i64 = 60 * MICROS_PER_MINUTE;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        OverloadedFunction::immutable(
            "date_trunc",
            vec![
                kernel("(text, timestamp) timestamp", |args| {
                    truncated(args, "timestamp without time zone", &|_| Ok(None))
                }),
                kernel("(text, timestamptz) timestamptz", |args| {
                    let zone = args.zone();
                    truncated(args, "timestamp with time zone", &|_| Ok(Some(zone.clone())))
                }),
                kernel("(text, timestamptz, text) timestamptz", |args| {
                    let names = args.texts(2)?;
                    truncated(args, "timestamp with time zone", &|row| {
                        names.get(row).map(zone_named).transpose()
                    })
                }),
                kernel("(text, interval) interval", truncated_intervals),
            ],
        ),
        OverloadedFunction::immutable(
            "date_bin",
            vec![
                kernel("(interval, timestamp, timestamp) timestamp", binned),
                kernel("(interval, timestamptz, timestamptz) timestamptz", binned),
            ],
        ),
    ]
}

/// A unit of time by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// So many microseconds.
    Micros(i64),
    Week,
    /// So many months.
    Months(i64),
    /// So many years; centuries and millennia begin with a year 1.
    Years(i64),
}

pub(super) fn unit(name: &str, type_name: &str) -> Result<Unit> {
    Ok(match name.trim().to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => Unit::Micros(1),
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Unit::Micros(1000),
        "second" | "seconds" | "sec" | "secs" | "s" => Unit::Micros(MICROS_PER_SECOND),
        "minute" | "minutes" | "min" | "mins" | "m" => Unit::Micros(MICROS_PER_MINUTE),
        "hour" | "hours" | "hr" | "hrs" | "h" => Unit::Micros(MICROS_PER_HOUR),
        "day" | "days" | "d" => Unit::Micros(MICROS_PER_DAY),
        "week" | "weeks" | "w" => Unit::Week,
        "month" | "months" | "mon" | "mons" => Unit::Months(1),
        "quarter" | "qtr" => Unit::Months(3),
        "year" | "years" | "yr" | "yrs" | "y" => Unit::Years(1),
        "decade" | "decades" | "dec" | "decs" => Unit::Years(10),
        "century" | "centuries" | "cent" | "c" => Unit::Years(100),
        "millennium" | "millennia" | "mil" | "mils" => Unit::Years(1000),
        "dow" | "doy" | "isodow" | "isoyear" | "julian" | "epoch" | "timezone" | "timezone_hour"
        | "timezone_minute" => {
            return Err(Error::new(
                SqlState::FeatureNotSupported,
                format!("unit \"{name}\" not supported for type {type_name}"),
            ));
        }
        _ => {
            return Err(Error::new(
                SqlState::InvalidParameterValue,
                format!("unit \"{name}\" not recognized for type {type_name}"),
            ));
        }
    })
}

/// The start of the unit that a clock's time lies in.
fn start_of(clock: i64, unit: Unit) -> i64 {
    let days = clock.div_euclid(MICROS_PER_DAY);
    let first_of = |year: i64, month: i64| {
        let date = CivilDate {
            year,
            month: month as u8,
            day: 1,
        };
        date.to_days() * MICROS_PER_DAY
    };
    match unit {
        Unit::Micros(step) => clock - clock.rem_euclid(step),
        // 1970-01-01 was a Thursday.
        Unit::Week => (days - (days + 3).rem_euclid(7)) * MICROS_PER_DAY,
        Unit::Months(step) => {
            let date = CivilDate::from_days(days);
            let month = (i64::from(date.month) - 1) / step * step + 1;
            first_of(date.year, month)
        }
        Unit::Years(step) => {
            let year = CivilDate::from_days(days).year;
            let start = match step {
                1 | 10 => year - year.rem_euclid(step),
                step => (year - 1).div_euclid(step) * step + 1,
            };
            first_of(start, 1)
        }
    }
}

/// Remembers the unit of the row before.
struct Units {
    last: Option<(String, Unit)>,
}

impl Units {
    fn get(&mut self, name: &str, type_name: &str) -> Result<Unit> {
        match &self.last {
            Some((before, unit)) if before == name => Ok(*unit),
            _ => {
                let found = unit(name, type_name)?;
                self.last = Some((name.to_string(), found));
                Ok(found)
            }
        }
    }
}

fn truncated(
    args: &Arguments<'_>,
    type_name: &str,
    zone: &dyn Fn(usize) -> Result<Option<TimeZone>>,
) -> Result<ArrayRef> {
    let names = args.texts(0)?;
    let moments = args.numbers::<TimestampMicrosecondType>(1)?;
    let mut units = Units { last: None };
    args.build::<TimestampMicrosecondType>(|row| {
        let (Some(name), Some(moment)) = (names.get(row), moments.get(row)) else {
            return Ok(None);
        };
        let unit = units.get(name, type_name)?;
        if is_infinite(moment) {
            return Ok(Some(moment));
        }
        let start = match zone(row)? {
            None => within(Some(start_of(moment, unit))),
            Some(zone) => {
                let clock = to_clock(moment, &zone)?;
                match unit {
                    // An hour that the clock shows twice begins twice.
                    Unit::Micros(step) if step < MICROS_PER_DAY => {
                        within(moment.checked_sub(clock - start_of(clock, unit)))
                    }
                    unit => to_instant(start_of(clock, unit), &zone),
                }
            }
        };
        start.map(Some)
    })
}

fn truncated_intervals(args: &Arguments<'_>) -> Result<ArrayRef> {
    let (names, intervals) = (args.texts(0)?, args.intervals(1)?);
    args.build::<IntervalMonthDayNanoType>(|row| {
        let (Some(name), Some(interval)) = (names.get(row), intervals.get(row)) else {
            return Ok(None);
        };
        let months = i64::from(interval.months);
        let kept = |step: i64| IntervalMonthDayNano::new((months / step * step) as i32, 0, 0);
        Ok(Some(match unit(name, "interval")? {
            Unit::Micros(MICROS_PER_DAY) => IntervalMonthDayNano::new(interval.months, interval.days, 0),
            Unit::Micros(step) => {
                let nanos = step * 1000;
                IntervalMonthDayNano::new(interval.months, interval.days, interval.nanoseconds / nanos * nanos)
            }
            Unit::Week => {
                return Err(Error::new(
                    SqlState::FeatureNotSupported,
                    format!("unit \"{name}\" not supported for type interval"),
                )
                .with_detail("Months usually have fractional weeks."));
            }
            Unit::Months(step) => kept(step),
            Unit::Years(step) => kept(step * 12),
        }))
    })
}

fn binned(args: &Arguments<'_>) -> Result<ArrayRef> {
    let strides = args.intervals(0)?;
    let moments = args.numbers::<TimestampMicrosecondType>(1)?;
    let origins = args.numbers::<TimestampMicrosecondType>(2)?;
    args.build::<TimestampMicrosecondType>(|row| {
        let (Some(stride), Some(moment), Some(origin)) = (strides.get(row), moments.get(row), origins.get(row)) else {
            return Ok(None);
        };
        if stride.months != 0 {
            return Err(Error::new(
                SqlState::FeatureNotSupported,
                "timestamps cannot be binned into intervals containing months or years",
            ));
        }
        if is_infinite(moment) {
            return Ok(Some(moment));
        }
        if is_infinite(origin) {
            return Err(out_of_range("origin"));
        }
        let step = i64::from(stride.days)
            .checked_mul(MICROS_PER_DAY)
            .and_then(|days| days.checked_add(stride.nanoseconds / 1000))
            .ok_or_else(|| out_of_range("interval"))?;
        if step <= 0 {
            return Err(Error::new(
                SqlState::DatetimeFieldOverflow,
                "stride must be greater than zero",
            ));
        }
        let distance = moment.checked_sub(origin).ok_or_else(|| out_of_range("interval"))?;
        within(moment.checked_sub(distance.rem_euclid(step))).map(Some)
    })
}
