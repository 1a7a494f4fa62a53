//! Dates, times and timestamps in the four date styles.

use bytes::{BufMut, BytesMut};

use super::number::{write_fraction, write_padded, write_two_digits};
use crate::types::calendar::{
    CivilDate, DATE_INFINITY, DATE_NEGATIVE_INFINITY, DAY_NAMES, MICROS_PER_DAY, MICROS_PER_SECOND, MONTH_NAMES,
    TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY, day_of_week,
};
use crate::types::format::{DateFormat, DateOrder, DateStyle};
use crate::types::time_zone::TimeZone;

/// Appends a date; `days` count from 1970-01-01.
pub fn write_date(days: i32, style: DateStyle, out: &mut BytesMut) {
    match days {
        DATE_INFINITY => return out.extend_from_slice(b"infinity"),
        DATE_NEGATIVE_INFINITY => return out.extend_from_slice(b"-infinity"),
        _ => {}
    }
    let date = CivilDate::from_days(i64::from(days));
    write_civil_date(
        date,
        style,
        if style.format == DateFormat::Postgres {
            b'-'
        } else {
            b'/'
        },
        out,
    );
    write_era(date, out);
}

/// Appends a time of day in microseconds.
pub fn write_time(micros: i64, out: &mut BytesMut) {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    write_two_digits((seconds / 3600) as u8, out);
    out.put_u8(b':');
    write_two_digits((seconds / 60 % 60) as u8, out);
    out.put_u8(b':');
    write_two_digits((seconds % 60) as u8, out);
    write_fraction(micros.rem_euclid(MICROS_PER_SECOND) as u32, out);
}

/// Appends a timestamp in microseconds since 1970, on no particular clock.
pub fn write_timestamp(micros: i64, style: DateStyle, out: &mut BytesMut) {
    if write_infinity(micros, out) {
        return;
    }
    let date = write_local(i128::from(micros), style, out);
    write_era(date, out);
}

/// Appends an instant in microseconds since 1970 UTC, as a clock of `zone` shows it.
pub fn write_timestamptz(micros: i64, style: DateStyle, zone: &TimeZone, out: &mut BytesMut) {
    if write_infinity(micros, out) {
        return;
    }
    let offset = zone.offset_at(micros);
    let local = i128::from(micros) + i128::from(offset) * i128::from(MICROS_PER_SECOND);
    let date = write_local(local, style, out);
    match style.format {
        DateFormat::Iso => write_offset(offset, out),
        _ => {
            out.put_u8(b' ');
            zone.with_abbreviation_at(micros, |abbreviation| out.extend_from_slice(abbreviation.as_bytes()));
        }
    }
    write_era(date, out);
}

fn write_infinity(micros: i64, out: &mut BytesMut) -> bool {
    match micros {
        TIMESTAMP_INFINITY => out.extend_from_slice(b"infinity"),
        TIMESTAMP_NEGATIVE_INFINITY => out.extend_from_slice(b"-infinity"),
        _ => return false,
    }
    true
}

/// Date and time without zone and era; 128 bits because a zone's offset may pass the last microsecond.
fn write_local(micros: i128, style: DateStyle, out: &mut BytesMut) -> CivilDate {
    let days = micros.div_euclid(i128::from(MICROS_PER_DAY)) as i64;
    let time = micros.rem_euclid(i128::from(MICROS_PER_DAY)) as i64;
    let date = CivilDate::from_days(days);
    if style.format == DateFormat::Postgres {
        out.extend_from_slice(DAY_NAMES[day_of_week(days)].as_bytes());
        out.put_u8(b' ');
        let month = MONTH_NAMES[usize::from(date.month - 1)].as_bytes();
        if style.order == DateOrder::Dmy {
            write_two_digits(date.day, out);
            out.put_u8(b' ');
            out.extend_from_slice(month);
        } else {
            out.extend_from_slice(month);
            out.put_u8(b' ');
            write_two_digits(date.day, out);
        }
        out.put_u8(b' ');
        write_time(time, out);
        out.put_u8(b' ');
        write_year(date, out);
    } else {
        write_civil_date(date, style, b'/', out);
        out.put_u8(b' ');
        write_time(time, out);
    }
    date
}

fn write_civil_date(date: CivilDate, style: DateStyle, separator: u8, out: &mut BytesMut) {
    let (first, second, separator) = match (style.format, style.order) {
        (DateFormat::Iso, _) => {
            write_year(date, out);
            out.put_u8(b'-');
            write_two_digits(date.month, out);
            out.put_u8(b'-');
            return write_two_digits(date.day, out);
        }
        (DateFormat::German, _) => (date.day, date.month, b'.'),
        (_, DateOrder::Dmy) => (date.day, date.month, separator),
        _ => (date.month, date.day, separator),
    };
    write_two_digits(first, out);
    out.put_u8(separator);
    write_two_digits(second, out);
    out.put_u8(separator);
    write_year(date, out);
}

fn write_year(date: CivilDate, out: &mut BytesMut) {
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    write_padded(year.unsigned_abs(), 4, out);
}

fn write_era(date: CivilDate, out: &mut BytesMut) {
    if date.year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

/// `+02`, `-03:30`, `-03:06:28`.
/// Appends a distance from Greenwich: `+02`, `-03:30`.
pub fn write_offset(seconds_east: i32, out: &mut BytesMut) {
    out.put_u8(if seconds_east < 0 { b'-' } else { b'+' });
    let seconds = seconds_east.unsigned_abs();
    write_two_digits((seconds / 3600) as u8, out);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    if minutes != 0 || seconds != 0 {
        out.put_u8(b':');
        write_two_digits(minutes as u8, out);
    }
    if seconds != 0 {
        out.put_u8(b':');
        write_two_digits(seconds as u8, out);
    }
}
