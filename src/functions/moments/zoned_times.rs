//! `time with time zone` plus and minus intervals, on other clocks, and its fields.

use std::sync::Arc;

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::logical_expr::ScalarUDF;

use super::super::datum::Datum;
use super::super::overload::{Overload, OverloadedFunction, rows};
use super::zones::zone_named;
use crate::error::{Error, Result, SqlState};
use crate::types::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::types::parse::now;
use crate::types::spelled::timetz::ZonedTime;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let immutable = OverloadedFunction::immutable;
    vec![
        immutable(
            "timetz_pl_interval",
            vec![rows("(timetz, interval) timetz", |_, row| moved(row, 1))],
        ),
        immutable(
            "timetz_mi_interval",
            vec![rows("(timetz, interval) timetz", |_, row| moved(row, -1))],
        ),
        immutable(
            "datetimetz_pl",
            vec![rows("(date, timetz) timestamptz", |_, row| on_day(row))],
        ),
    ]
}

/// AT TIME ZONE.
pub(super) fn zones() -> Vec<Overload> {
    vec![
        rows("(text, timetz) timetz", |_, row| match row {
            [Datum::Text(name), Datum::Text(time)] => {
                let east = zone_named(name)?.offset_at(now());
                Ok(ZonedTime::parse(time)?.at_offset(east).spelling().into())
            }
            _ => Ok(Datum::Null),
        }),
        rows("(interval, timetz) timetz", |_, row| match row {
            [Datum::Interval(offset), Datum::Text(time)] => {
                let east = super::zones::offset_seconds(*offset)?;
                Ok(ZonedTime::parse(time)?.at_offset(east).spelling().into())
            }
            _ => Ok(Datum::Null),
        }),
    ]
}

/// A time goes round the clock, and keeps its zone.
fn moved(row: &[Datum], sign: i64) -> Result<Datum> {
    let [
        Datum::Text(time),
        Datum::Interval(IntervalMonthDayNano { nanoseconds, .. }),
    ] = row
    else {
        return Ok(Datum::Null);
    };
    let time = ZonedTime::parse(time)?;
    let micros = (time.micros + sign * (nanoseconds / 1000 % MICROS_PER_DAY)).rem_euclid(MICROS_PER_DAY);
    Ok(ZonedTime { micros, ..time }.spelling().into())
}

/// The instant of a day at which a clock shows a time.
fn on_day(row: &[Datum]) -> Result<Datum> {
    let [Datum::Date(days), Datum::Text(time)] = row else {
        return Ok(Datum::Null);
    };
    let time = ZonedTime::parse(time)?;
    let instant = i64::from(*days)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|midnight| midnight.checked_add(time.micros))
        .and_then(|clock| clock.checked_sub(i64::from(time.east) * MICROS_PER_SECOND));
    let out_of_range = || Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range");
    instant.map(Datum::Micros).ok_or_else(out_of_range)
}
