//! Intervals in the four interval styles, after PostgreSQL's EncodeInterval.

use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::datatypes::IntervalMonthDayNano;

use super::number::{write_fraction, write_integer, write_padded};
use crate::types::format::IntervalStyle;

/// The fields that an interval is printed in; each has its own sign.
#[derive(Clone, Copy)]
struct Fields {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    seconds: i64,
    micros: i64,
}

impl Fields {
    fn new(interval: IntervalMonthDayNano) -> Fields {
        let micros = interval.nanoseconds / 1000;
        Fields {
            years: i64::from(interval.months / 12),
            months: i64::from(interval.months % 12),
            days: i64::from(interval.days),
            hours: micros / 3_600_000_000,
            minutes: micros / 60_000_000 % 60,
            seconds: micros / 1_000_000 % 60,
            micros: micros % 1_000_000,
        }
    }

    fn all(&self) -> [i64; 7] {
        [
            self.years,
            self.months,
            self.days,
            self.hours,
            self.minutes,
            self.seconds,
            self.micros,
        ]
    }

    fn has_time(&self) -> bool {
        self.all()[3..].iter().any(|value| *value != 0)
    }

    fn time_is_negative(&self) -> bool {
        self.all()[3..].iter().any(|value| *value < 0)
    }

    fn negated(self) -> Fields {
        Fields {
            years: -self.years,
            months: -self.months,
            days: -self.days,
            hours: -self.hours,
            minutes: -self.minutes,
            seconds: -self.seconds,
            micros: -self.micros,
        }
    }
}

/// Appends an interval.
pub fn write_interval(interval: IntervalMonthDayNano, style: IntervalStyle, out: &mut BytesMut) {
    let extreme = (interval.months, interval.days, interval.nanoseconds);
    if extreme == (i32::MAX, i32::MAX, i64::MAX) {
        return out.extend_from_slice(b"infinity");
    }
    if extreme == (i32::MIN, i32::MIN, i64::MIN) {
        return out.extend_from_slice(b"-infinity");
    }
    let fields = Fields::new(interval);
    match style {
        IntervalStyle::Postgres => write_postgres(fields, out),
        IntervalStyle::PostgresVerbose => write_verbose(fields, out),
        IntervalStyle::SqlStandard => write_sql_standard(fields, out),
        IntervalStyle::Iso8601 => write_iso_8601(fields, out),
    }
}

/// `1 year 2 mons 3 days 04:05:06.789`.
fn write_postgres(fields: Fields, out: &mut BytesMut) {
    let (mut empty, mut before) = (true, false);
    for (value, unit) in [(fields.years, "year"), (fields.months, "mon"), (fields.days, "day")] {
        if value == 0 {
            continue;
        }
        let separator = if empty { "" } else { " " };
        let sign = if before && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        let _ = write!(out, "{separator}{sign}{value} {unit}{plural}");
        before = value < 0;
        empty = false;
    }
    if !empty && !fields.has_time() {
        return;
    }
    if !empty {
        out.put_u8(b' ');
    }
    if fields.time_is_negative() {
        out.put_u8(b'-');
    } else if before {
        out.put_u8(b'+');
    }
    write_padded(fields.hours.unsigned_abs(), 2, out);
    write_minutes_and_seconds(fields, out);
}

/// `@ 1 year 2 mons -3 days 4 hours ago`.
fn write_verbose(fields: Fields, out: &mut BytesMut) {
    out.put_u8(b'@');
    let (mut empty, mut before) = (true, false);
    let units = [
        (fields.years, "year"),
        (fields.months, "mon"),
        (fields.days, "day"),
        (fields.hours, "hour"),
        (fields.minutes, "min"),
    ];
    for (value, unit) in units {
        if value == 0 {
            continue;
        }
        let mut shown = value;
        if empty {
            before = value < 0;
            shown = value.abs();
        } else if before {
            shown = -value;
        }
        let plural = if shown == 1 { "" } else { "s" };
        let _ = write!(out, " {shown} {unit}{plural}");
        empty = false;
    }
    if fields.seconds != 0 || fields.micros != 0 {
        out.put_u8(b' ');
        if fields.seconds < 0 || fields.micros < 0 {
            if empty {
                before = true;
            } else if !before {
                out.put_u8(b'-');
            }
        } else if before {
            out.put_u8(b'-');
        }
        write_integer(fields.seconds.abs(), out);
        write_fraction(fields.micros.unsigned_abs() as u32, out);
        let plural = if fields.seconds.abs() == 1 && fields.micros == 0 {
            ""
        } else {
            "s"
        };
        let _ = write!(out, " sec{plural}");
        empty = false;
    }
    if empty {
        out.extend_from_slice(b" 0");
    }
    if before {
        out.extend_from_slice(b" ago");
    }
}

/// `1-2`, `3 4:05:06`, and with all signs where SQL has no form.
fn write_sql_standard(fields: Fields, out: &mut BytesMut) {
    let has_negative = fields.all().iter().any(|value| *value < 0);
    let has_positive = fields.all().iter().any(|value| *value > 0);
    let has_year_month = fields.years != 0 || fields.months != 0;
    let has_day_time = fields.days != 0 || fields.has_time();
    if !has_negative && !has_positive {
        return out.put_u8(b'0');
    }
    if (has_negative && has_positive) || (has_year_month && has_day_time) {
        let sign = |negative: bool| if negative { '-' } else { '+' };
        let _ = write!(
            out,
            "{}{}-{} {}{} {}{}",
            sign(fields.years < 0 || fields.months < 0),
            fields.years.abs(),
            fields.months.abs(),
            sign(fields.days < 0),
            fields.days.abs(),
            sign(fields.time_is_negative()),
            fields.hours.abs(),
        );
        return write_minutes_and_seconds(fields, out);
    }
    let mut fields = fields;
    if has_negative {
        out.put_u8(b'-');
        fields = fields.negated();
    }
    if has_year_month {
        let _ = write!(out, "{}-{}", fields.years, fields.months);
        return;
    }
    if fields.days != 0 {
        let _ = write!(out, "{} ", fields.days);
    }
    write_integer(fields.hours, out);
    write_minutes_and_seconds(fields, out);
}

/// `P1Y2M3DT4H5M6.789S`.
fn write_iso_8601(fields: Fields, out: &mut BytesMut) {
    if fields.all() == [0; 7] {
        return out.extend_from_slice(b"PT0S");
    }
    let part = |value: i64, unit: char, out: &mut BytesMut| {
        if value != 0 {
            let _ = write!(out, "{value}{unit}");
        }
    };
    out.put_u8(b'P');
    part(fields.years, 'Y', out);
    part(fields.months, 'M', out);
    part(fields.days, 'D', out);
    if !fields.has_time() {
        return;
    }
    out.put_u8(b'T');
    part(fields.hours, 'H', out);
    part(fields.minutes, 'M', out);
    if fields.seconds != 0 || fields.micros != 0 {
        if fields.seconds < 0 || fields.micros < 0 {
            out.put_u8(b'-');
        }
        write_integer(fields.seconds.abs(), out);
        write_fraction(fields.micros.unsigned_abs() as u32, out);
        out.put_u8(b'S');
    }
}

fn write_minutes_and_seconds(fields: Fields, out: &mut BytesMut) {
    out.put_u8(b':');
    write_padded(fields.minutes.unsigned_abs(), 2, out);
    out.put_u8(b':');
    write_padded(fields.seconds.unsigned_abs(), 2, out);
    write_fraction(fields.micros.unsigned_abs() as u32, out);
}
