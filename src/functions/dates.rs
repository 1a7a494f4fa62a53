//! Dates and times beyond DataFusion's: age(), justify_…(), make_…(), isfinite().

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::logical_expr::Volatility;

use super::datum::Datum;
use super::patterns::zone;
use super::row_function::{Argument, Call, RowFunction};
use crate::error::{Error, Result, SqlState};
use crate::types::SqlType;
use crate::types::calendar::{
    CivilDate, DATE_INFINITY, DATE_NEGATIVE_INFINITY, END_MICRO, FIRST_MICRO, MICROS_PER_DAY, MICROS_PER_SECOND,
    TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY, days_in_month,
};

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

pub(super) fn functions() -> Vec<RowFunction> {
    const INTERVAL: &[&[Argument]] = &[&[Argument::Interval]];
    const FROM_NUMBERS: &[&[Argument]] = &[&[
        Argument::Int,
        Argument::Int,
        Argument::Int,
        Argument::Int,
        Argument::Int,
        Argument::Float,
    ]];
    let immutable = RowFunction::immutable;
    vec![
        RowFunction::stable(
            "age",
            &[
                &[Argument::Timestamp],
                &[Argument::Timestamptz],
                &[Argument::Timestamp, Argument::Timestamp],
                &[Argument::Timestamptz, Argument::Timestamptz],
            ],
            SqlType::Interval(None),
            age_of,
        ),
        RowFunction::stable("now", &[&[]], SqlType::Timestamptz(None), transaction_start),
        RowFunction::stable(
            "current_timestamp",
            &[&[]],
            SqlType::Timestamptz(None),
            transaction_start,
        ),
        RowFunction::stable("current_date", &[&[]], SqlType::Date, |call, _| {
            let now = call.environment()?.context().transaction_start.timestamp_micros();
            let clock = now + i64::from(zone(call).offset_at(now)) * MICROS_PER_SECOND;
            Ok(Datum::Date(clock.div_euclid(MICROS_PER_DAY) as i32))
        }),
        immutable("justify_hours", INTERVAL, SqlType::Interval(None), |_, row| {
            justified(row, true, false)
        }),
        immutable("justify_days", INTERVAL, SqlType::Interval(None), |_, row| {
            justified(row, false, true)
        }),
        immutable("justify_interval", INTERVAL, SqlType::Interval(None), |_, row| {
            justified(row, true, true)
        }),
        immutable("make_timestamp", FROM_NUMBERS, SqlType::Timestamp(None), |_, row| {
            made_timestamp(row).map(Datum::Micros)
        }),
        RowFunction::stable(
            "make_timestamptz",
            FROM_NUMBERS,
            SqlType::Timestamptz(None),
            |call, row| {
                let local = made_timestamp(row)?;
                let instant = local.checked_sub(i64::from(zone(call).offset_for_local(local)) * MICROS_PER_SECOND);
                within(instant).map(Datum::Micros)
            },
        ),
        immutable(
            "make_interval",
            &[
                &[],
                &[Argument::Int],
                &[Argument::Int, Argument::Int],
                &[Argument::Int, Argument::Int, Argument::Int],
                &[Argument::Int, Argument::Int, Argument::Int, Argument::Int],
                &[
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                ],
                &[
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                ],
                &[
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                    Argument::Int,
                    Argument::Float,
                ],
            ],
            SqlType::Interval(None),
            made_interval,
        ),
        immutable(
            "isfinite",
            &[
                &[Argument::Date],
                &[Argument::Timestamp],
                &[Argument::Timestamptz],
                &[Argument::Interval],
            ],
            SqlType::Bool,
            |_, row| {
                Ok(match row.first() {
                    Some(Datum::Date(days)) => (![DATE_INFINITY, DATE_NEGATIVE_INFINITY].contains(days)).into(),
                    Some(Datum::Micros(micros)) => {
                        (![TIMESTAMP_INFINITY, TIMESTAMP_NEGATIVE_INFINITY].contains(micros)).into()
                    }
                    _ => true.into(),
                })
            },
        ),
        immutable("timeofday", &[&[]], SqlType::Text, |_, _| {
            Ok(chrono::Utc::now()
                .format("%a %b %d %H:%M:%S%.6f %Y UTC")
                .to_string()
                .into())
        })
        .with_volatility(Volatility::Volatile),
    ]
}

fn transaction_start(call: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    let started = call.environment()?.context().transaction_start;
    Ok(Datum::Micros(started.timestamp_micros()))
}

fn micros(row: &[Datum], index: usize) -> Option<i64> {
    match row.get(index) {
        Some(Datum::Micros(micros)) => Some(*micros),
        _ => None,
    }
}

/// age(a, b) is a − b in years, months and days; age(a) counts from today's midnight.
fn age_of(call: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let Some(first) = micros(row, 0) else {
        return Ok(Datum::Null);
    };
    for moment in [Some(first), micros(row, 1)].into_iter().flatten() {
        within(Some(moment))?;
    }
    let is_zoned = call
        .argument_fields
        .first()
        .is_some_and(|field| matches!(SqlType::from_field(field), SqlType::Timestamptz(_)));
    let local = |instant: i64| match is_zoned {
        true => instant + i64::from(zone(call).offset_at(instant)) * MICROS_PER_SECOND,
        false => instant,
    };
    let (later, earlier) = match micros(row, 1) {
        Some(second) => (local(first), local(second)),
        None => {
            let now = call.environment()?.context().transaction_start.timestamp_micros();
            let clock = now + i64::from(zone(call).offset_at(now)) * MICROS_PER_SECOND;
            (clock - clock.rem_euclid(MICROS_PER_DAY), local(first))
        }
    };
    Ok(Datum::Interval(age(later, earlier)))
}

/// The calendar difference of two clock times: whole months, then days, then the rest (PostgreSQL's
/// timestamp_age).
fn age(later: i64, earlier: i64) -> IntervalMonthDayNano {
    if later < earlier {
        let positive = age(earlier, later);
        return IntervalMonthDayNano::new(-positive.months, -positive.days, -positive.nanoseconds);
    }
    let (to, from) = (civil(later), civil(earlier));
    let mut time = later.rem_euclid(MICROS_PER_DAY) - earlier.rem_euclid(MICROS_PER_DAY);
    let mut days = i64::from(to.day) - i64::from(from.day);
    let mut months = (to.year - from.year) * 12 + i64::from(to.month) - i64::from(from.month);
    if time < 0 {
        time += MICROS_PER_DAY;
        days -= 1;
    }
    if days < 0 {
        // The month borrowed from is the earlier date's.
        days += i64::from(days_in_month(from.year, from.month));
        months -= 1;
    }
    IntervalMonthDayNano::new(months as i32, days as i32, time * 1_000)
}

fn civil(micros: i64) -> CivilDate {
    CivilDate::from_days(micros.div_euclid(MICROS_PER_DAY))
}

/// 24 hours as a day, 30 days as a month; all parts of one sign.
fn justified(row: &[Datum], hours: bool, days: bool) -> Result<Datum> {
    let Some(Datum::Interval(interval)) = row.first() else {
        return Ok(Datum::Null);
    };
    let (mut months, mut day_count, mut nanos) = (
        i64::from(interval.months),
        i64::from(interval.days),
        interval.nanoseconds,
    );
    if hours {
        day_count += nanos / NANOS_PER_DAY;
        nanos %= NANOS_PER_DAY;
    }
    if days {
        months += day_count / 30;
        day_count %= 30;
    }
    let is_below_days = |nanos: i64| hours && day_count == 0 && nanos < 0;
    if days && months > 0 && (day_count < 0 || is_below_days(nanos)) {
        (months, day_count) = (months - 1, day_count + 30);
    } else if days && months < 0 && (day_count > 0 || is_below_days(-nanos)) {
        (months, day_count) = (months + 1, day_count - 30);
    }
    if hours && day_count > 0 && nanos < 0 {
        (day_count, nanos) = (day_count - 1, nanos + NANOS_PER_DAY);
    } else if hours && day_count < 0 && nanos > 0 {
        (day_count, nanos) = (day_count + 1, nanos - NANOS_PER_DAY);
    }
    match (i32::try_from(months), i32::try_from(day_count)) {
        (Ok(months), Ok(days)) => Ok(Datum::Interval(IntervalMonthDayNano::new(months, days, nanos))),
        _ => Err(Error::new(SqlState::DatetimeFieldOverflow, "interval out of range")),
    }
}

fn made_timestamp(row: &[Datum]) -> Result<i64> {
    let part = |index: usize| row.get(index).and_then(Datum::as_int).unwrap_or_default();
    let seconds = match row.get(5) {
        Some(Datum::Float(seconds)) => *seconds,
        _ => 0.0,
    };
    let (year, month, day, hour, minute) = (part(0), part(1), part(2), part(3), part(4));
    let is_valid = (-10_000..1_000_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=i64::from(days_in_month(year, month as u8))).contains(&day)
        && (0..=24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..=60.0).contains(&seconds)
        && year != 0;
    if !is_valid {
        return Err(Error::new(
            SqlState::DatetimeFieldOverflow,
            "date/time field value out of range",
        ));
    }
    let year = if year < 0 { year + 1 } else { year };
    let days = CivilDate {
        year,
        month: month as u8,
        day: day as u8,
    }
    .to_days();
    let micros = (seconds * MICROS_PER_SECOND as f64).round() as i64;
    let start = days.checked_mul(MICROS_PER_DAY);
    within(start.and_then(|start| start.checked_add((hour * 3600 + minute * 60) * MICROS_PER_SECOND + micros)))
}

fn within(moment: Option<i64>) -> Result<i64> {
    moment
        .filter(|moment| (FIRST_MICRO..END_MICRO).contains(moment))
        .ok_or_else(|| Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range"))
}

/// make_interval(years, months, weeks, days, hours, mins, secs).
fn made_interval(_: &Call<'_>, row: &[Datum]) -> Result<Datum> {
    let part = |index: usize| row.get(index).and_then(Datum::as_int).unwrap_or_default();
    let seconds = match row.get(6) {
        Some(Datum::Float(seconds)) => *seconds,
        _ => 0.0,
    };
    let overflow = || Error::new(SqlState::DatetimeFieldOverflow, "interval out of range");
    let sum = |whole: usize, factor: i128, rest: usize| {
        i32::try_from(i128::from(part(whole)) * factor + i128::from(part(rest))).map_err(|_| overflow())
    };
    let (months, days) = (sum(0, 12, 1)?, sum(2, 7, 3)?);
    let micros = (seconds * 1e6).round();
    // Larger ones are no nanoseconds of 64 bits.
    if !micros.is_finite() || micros.abs() > 1e17 {
        return Err(overflow());
    }
    let whole = i128::from(part(4)) * 3600 + i128::from(part(5)) * 60;
    let nanos = whole * 1_000_000_000 + micros as i128 * 1_000;
    let nanos = i64::try_from(nanos).map_err(|_| overflow())?;
    Ok(Datum::Interval(IntervalMonthDayNano::new(months, days, nanos)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i64, month: u8, day: u8, hour: i64) -> i64 {
        CivilDate { year, month, day }.to_days() * MICROS_PER_DAY + hour * 3600 * MICROS_PER_SECOND
    }

    /// Answers of PostgreSQL 15: months, days, hours.
    #[test]
    fn ages_count_as_in_postgres() {
        for (later, earlier, months, days, hours) in [
            (at(2001, 4, 10, 0), at(1957, 6, 13, 0), 43 * 12 + 9, 27, 0),
            (at(2024, 3, 1, 0), at(2024, 1, 31, 0), 1, 1, 0),
            (at(2024, 3, 1, 6), at(2024, 2, 28, 12), 0, 1, 18),
            (at(2024, 1, 31, 0), at(2024, 3, 1, 0), -1, -1, 0),
        ] {
            let expected = IntervalMonthDayNano::new(months, days, hours * 3_600_000_000_000);
            assert_eq!(age(later, earlier), expected);
        }
    }
}
