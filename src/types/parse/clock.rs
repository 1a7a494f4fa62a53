//! The clock behind `now`, `today`, `tomorrow` and `yesterday`.

use std::cell::Cell;

use chrono::Utc;

use crate::types::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::types::time_zone::TimeZone;

thread_local! {
    static READ_AT: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Reads texts at the start of a transaction: in PostgreSQL, `now` is the same all through one.
pub fn reading_at<T>(instant: i64, read: impl FnOnce() -> T) -> T {
    let before = READ_AT.replace(Some(instant));
    let value = read();
    READ_AT.set(before);
    value
}

/// Microseconds since 1970 UTC.
pub fn now() -> i64 {
    READ_AT.get().unwrap_or_else(|| Utc::now().timestamp_micros())
}

/// Today on a clock of `zone`, in days since 1970.
pub(super) fn today(zone: &TimeZone) -> i64 {
    let instant = now();
    (instant + i64::from(zone.offset_at(instant)) * MICROS_PER_SECOND).div_euclid(MICROS_PER_DAY)
}
