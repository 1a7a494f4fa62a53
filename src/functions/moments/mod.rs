//! Dates, times, timestamps and intervals over whole columns: differences and shifts on the session's clock, fields,
//! truncation, zones, series.

mod fields;
mod making;
mod series;
mod shifts;
mod truncation;
mod zoned_times;
mod zones;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub(super) use shifts::{negative, shift};

use crate::error::{Error, Result, SqlState};
use crate::types::TimeZone;
use crate::types::calendar::{
    END_MICRO, FIRST_MICRO, MICROS_PER_SECOND, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY,
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [
        fields::functions(),
        making::functions(),
        series::functions(),
        shifts::functions(),
        truncation::functions(),
        zoned_times::functions(),
        zones::functions(),
    ]
    .concat()
}

/// The clock of a zone at an instant.
fn to_clock(instant: i64, zone: &TimeZone) -> Result<i64> {
    if is_infinite(instant) {
        return Ok(instant);
    }
    within(instant.checked_add(i64::from(zone.offset_at(instant)) * MICROS_PER_SECOND))
}

/// The instant at which a zone's clock shows a time.
fn to_instant(clock: i64, zone: &TimeZone) -> Result<i64> {
    if is_infinite(clock) {
        return Ok(clock);
    }
    within(clock.checked_sub(i64::from(zone.offset_for_local(clock)) * MICROS_PER_SECOND))
}

/// A computed moment, if timestamps reach so far; 22008 otherwise.
fn within(moment: Option<i64>) -> Result<i64> {
    moment
        .filter(|moment| (FIRST_MICRO..END_MICRO).contains(moment))
        .ok_or_else(|| out_of_range("timestamp"))
}

/// Whether a moment is before or after all others, on every clock.
fn is_infinite(moment: i64) -> bool {
    matches!(moment, TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY)
}

fn out_of_range(what: &str) -> Error {
    Error::new(SqlState::DatetimeFieldOverflow, format!("{what} out of range"))
}
