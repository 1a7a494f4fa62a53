//! pg_timezone_names and pg_timezone_abbrevs.

use datafusion::arrow::datatypes::IntervalMonthDayNano;

use crate::error::Result;
use crate::functions::Datum;
use crate::introspection::{Introspection, Rows};
use crate::types::TimeZone;

/// Zones that `SET TimeZone` knows, as they are when the statement begins.
pub(super) fn names(introspection: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    let now = introspection.lookup.context.statement_start.timestamp_micros();
    for zone in TimeZone::all_named() {
        let abbreviation = zone.with_abbreviation_at(now, str::to_string);
        rows.add([
            ("name", zone.to_string().into()),
            ("abbrev", abbreviation.into()),
            ("utc_offset", offset(i64::from(zone.offset_at(now)))),
            ("is_dst", zone.saves_daylight_at(now).into()),
        ])?;
    }
    Ok(())
}

/// Abbreviations of PostgreSQL's default set: seconds east of Greenwich, and whether clocks are forward then.
pub(super) fn abbreviations(_: &Introspection<'_>, rows: &mut Rows) -> Result<()> {
    for line in include_str!("shipped/timezone_abbreviations.tsv").lines() {
        let mut fields = line.split('\t');
        let (name, seconds, is_dst) = (fields.next(), fields.next(), fields.next());
        let seconds: i64 = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
        rows.add([
            ("abbrev", name.into()),
            ("utc_offset", offset(seconds)),
            ("is_dst", (is_dst == Some("t")).into()),
        ])?;
    }
    Ok(())
}

fn offset(seconds: i64) -> Datum {
    Datum::Interval(IntervalMonthDayNano::new(0, 0, seconds * 1_000_000_000))
}
