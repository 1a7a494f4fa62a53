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

use crate::error::{Error, SqlState};
use crate::types::TimeZone;
use crate::types::calendar::{MICROS_PER_SECOND, TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY};

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
fn to_clock(instant: i64, zone: &TimeZone) -> i64 {
    if is_infinite(instant) {
        return instant;
    }
    instant + i64::from(zone.offset_at(instant)) * MICROS_PER_SECOND
}

/// The instant at which a zone's clock shows a time.
fn to_instant(clock: i64, zone: &TimeZone) -> i64 {
    if is_infinite(clock) {
        return clock;
    }
    clock - i64::from(zone.offset_for_local(clock)) * MICROS_PER_SECOND
}

/// Whether a moment is before or after all others, on every clock.
fn is_infinite(moment: i64) -> bool {
    matches!(moment, TIMESTAMP_INFINITY | TIMESTAMP_NEGATIVE_INFINITY)
}

fn out_of_range(what: &str) -> Error {
    Error::new(SqlState::DatetimeFieldOverflow, format!("{what} out of range"))
}
