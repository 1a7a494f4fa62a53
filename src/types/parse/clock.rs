//! The clock behind `now`, `today`, `tomorrow` and `yesterday`.

use chrono::Utc;

use crate::types::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::types::time_zone::TimeZone;

/// Microseconds since 1970 UTC.
pub(super) fn now() -> i64 {
    Utc::now().timestamp_micros()
}

/// Today on a clock of `zone`, in days since 1970.
pub(super) fn today(zone: &TimeZone) -> i64 {
    let instant = now();
    (instant + i64::from(zone.offset_at(instant)) * MICROS_PER_SECOND).div_euclid(MICROS_PER_DAY)
}
