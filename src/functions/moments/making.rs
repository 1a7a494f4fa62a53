//! Moments from numbers: make_date(), make_time().

use std::sync::Arc;

use datafusion::arrow::datatypes::{Date32Type, Time64MicrosecondType};
use datafusion::logical_expr::ScalarUDF;

use super::super::overload::{OverloadedFunction, kernel};
use crate::error::{Error, SqlState};
use crate::types::calendar::{CivilDate, END_DAY, FIRST_DAY, MICROS_PER_SECOND, days_in_month};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        OverloadedFunction::immutable(
            "make_date",
            vec![kernel("(int4, int4, int4) date", |args| {
                let (years, months, days) = (args.int4(0)?, args.int4(1)?, args.int4(2)?);
                args.build::<Date32Type>(|row| {
                    let (Some(given), Some(month), Some(day)) = (years.get(row), months.get(row), days.get(row)) else {
                        return Ok(None);
                    };
                    // Years before Christ count from -1.
                    let year = i64::from(if given < 0 { given + 1 } else { given });
                    let is_valid = given != 0
                        && (1..=12).contains(&month)
                        && (1..=i32::from(days_in_month(year, month.clamp(1, 12) as u8))).contains(&day);
                    if !is_valid {
                        let message = format!("date field value out of range: {given}-{month:02}-{day:02}");
                        return Err(Error::new(SqlState::DatetimeFieldOverflow, message));
                    }
                    let date = CivilDate {
                        year,
                        month: month as u8,
                        day: day as u8,
                    };
                    let days = Some(date.to_days()).filter(|days| (FIRST_DAY..END_DAY).contains(days));
                    match days {
                        Some(days) => Ok(Some(days as i32)),
                        None => {
                            let message = format!("date out of range: {given}-{month:02}-{day:02}");
                            Err(Error::new(SqlState::DatetimeFieldOverflow, message))
                        }
                    }
                })
            })],
        ),
        OverloadedFunction::immutable(
            "make_time",
            vec![kernel("(int4, int4, float8) time", |args| {
                let (hours, minutes, seconds) = (args.int4(0)?, args.int4(1)?, args.float8(2)?);
                args.build::<Time64MicrosecondType>(|row| {
                    let (Some(hour), Some(minute), Some(second)) = (hours.get(row), minutes.get(row), seconds.get(row))
                    else {
                        return Ok(None);
                    };
                    let is_valid =
                        (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&second);
                    let micros = is_valid.then(|| {
                        (i64::from(hour) * 3600 + i64::from(minute) * 60) * MICROS_PER_SECOND
                            + (second * MICROS_PER_SECOND as f64).round() as i64
                    });
                    let micros = micros.filter(|micros| *micros <= 86_400 * MICROS_PER_SECOND);
                    if micros.is_none() {
                        let message = format!("time field value out of range: {hour}:{minute:02}:{second:02}");
                        return Err(Error::new(SqlState::DatetimeFieldOverflow, message));
                    }
                    Ok(micros)
                })
            })],
        ),
    ]
}
